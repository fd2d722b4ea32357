"""A call that is handed off lives on, with one recording, one dialog and one row of turns."""

import asyncio
import wave
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest

from dialog.flow import load_flow
from models.vad import SileroVad
from server.calls import Calls, CallServices
from server.feed import Feed
from server.handoff.in_hand import (
    CallInHand,
    CallOver,
    HandOffDesk,
    HandOffOutcome,
    NobodyThere,
    TakenBack,
)
from server.observability import Metrics
from server.records.calls import CallStart
from tests.fakes.incoming_leg import FakeIncomingLeg
from tests.fakes.voice import FakeActions, FakeStt, FakeTts
from voice.events import HandOff, HandOffEnded, KeyPressed, LegEnded, TurnRecord
from voice.frames import FRAME_S, FRAME_SAMPLES
from voice.plane import MediaPlane
from voice.session import SessionOptions

FLOW = load_flow(Path(__file__).parents[3] / "dialog" / "flows" / "orders.yaml")


class Nothing:
    """No words mean anything: these callers only press keys."""

    def rank(self, text: str) -> Sequence[tuple[str, float]]:
        return []


class KeptRecords:
    def __init__(self) -> None:
        self.turns: list[TurnRecord] = []
        self.ended: list[str] = []

    def call_started(self, call: CallStart) -> None: ...

    def call_answered(self, call_id: UUID, at: datetime) -> None: ...

    def call_ended(
        self, call_id: UUID, at: datetime, *, reason: str, recording_path: str | None = None
    ) -> None:
        self.ended.append(reason)

    def turn(self, call_id: UUID, record: TurnRecord) -> None:
        self.turns.append(record)


class ScriptedDesk:
    """Has the caller until `outcome` is set."""

    def __init__(self) -> None:
        self.served: list[tuple[CallInHand, HandOff]] = []
        self.outcome: asyncio.Future[HandOffOutcome] = asyncio.get_running_loop().create_future()

    async def serve(self, call: CallInHand, handoff: HandOff) -> HandOffOutcome:
        self.served.append((call, handoff))
        call.leg.on_event = self._on_event
        return await self.outcome

    def end(self, call_id: UUID, reason: str) -> None:
        self.outcome.set_result(CallOver(reason=reason))

    def _on_event(self, event: object) -> None:
        if isinstance(event, LegEnded):
            self.outcome.set_result(CallOver(reason=event.reason))


class World:
    def __init__(self, desk: HandOffDesk, folder: Path) -> None:
        self.now_s = 100.0
        self.leg, self.records, self.actions = FakeIncomingLeg(), KeptRecords(), FakeActions()
        vad = SileroVad()
        self.plane = MediaPlane(vad)
        self.calls = Calls(
            CallServices(
                stt=FakeStt(),
                tts=FakeTts(),
                vad=vad,
                plane=self.plane,
                flow=FLOW,
                classifier=Nothing(),
                actions=self.actions,
                records=self.records,
                metrics=Metrics(),
                feed=Feed(),
                recordings=folder,
                handoffs=desk,
            ),
            limit=2,
            retry_after_s=1,
            options=SessionOptions(comfort_dbfs=-200.0, linger_s=0.0),
            clock=lambda: self.now_s,
        )

    async def passes(self, seconds: float) -> None:
        for _ in range(round(seconds / FRAME_S)):
            self.now_s += FRAME_S
            self.plane.tick(self.now_s)
            for _ in range(5):
                await asyncio.sleep(0)

    async def until(self, done: Callable[[], bool]) -> None:
        for _ in range(3_000):
            if done():
                return
            await self.passes(FRAME_S)
        raise AssertionError("it never happened")

    async def asks_for_a_person(self) -> None:
        self.calls.take(self.leg)
        await self.until(lambda: self.plane.calls == 1)
        self.leg.on_event(KeyPressed(key="0"))

    @property
    def said(self) -> str:
        return " ".join(turn.said for turn in self.records.turns)


async def test_caller_whom_a_person_has_is_off_the_plane_and_still_connected(
    tmp_path: Path,
) -> None:
    desk = ScriptedDesk()
    world = World(desk, tmp_path)
    await world.asks_for_a_person()
    await world.until(lambda: bool(desk.served))
    call, handoff = desk.served[0]
    assert handoff == HandOff(reason="caller_asked", skill="orders")
    assert world.plane.calls == 0
    assert world.leg.hung_up == []
    assert world.records.ended == []
    assert call.story.said_last == "(keys 0)"
    world.leg.on_event(LegEnded(reason="caller_hangup"))
    await world.until(lambda: bool(world.records.ended))
    assert world.records.ended == ["caller_hangup"]


async def test_caller_who_is_taken_back_goes_on_in_the_same_call(tmp_path: Path) -> None:
    desk = ScriptedDesk()
    world = World(desk, tmp_path)
    await world.asks_for_a_person()
    await world.until(lambda: bool(desk.served))
    world.now_s += 60.0  # with the person
    desk.outcome.set_result(TakenBack(ended=HandOffEnded(reason="returned", step="change_address")))
    await world.until(lambda: len(world.records.turns) == 3)
    back = world.records.turns[-1]
    assert (back.index, back.caller_kind, back.said) == (2, "return", "What is your order number?")
    assert back.started_at_s > 60.0
    world.leg.on_event(LegEnded(reason="caller_hangup"))
    await world.until(lambda: bool(world.records.ended))
    await world.calls.close(timeout_s=1.0)
    recording = tmp_path / f"{desk.served[0][0].call_id}.wav"
    with wave.open(str(recording)) as file:
        assert file.getnframes() == len(world.leg.sent) * FRAME_SAMPLES


async def test_without_agents_the_caller_is_promised_a_call_back(tmp_path: Path) -> None:
    world = World(NobodyThere(), tmp_path)
    await world.asks_for_a_person()
    await world.until(lambda: "anything else" in world.said)
    assert "no colleague is free right now. A colleague will call you back." in world.said
    assert [each.name for each in world.actions.performed] == ["request_callback"]
    await world.calls.close(timeout_s=1.0)


async def test_defect_of_the_desk_gives_the_caller_back(tmp_path: Path) -> None:
    class BrokenDesk(NobodyThere):
        async def serve(self, call: CallInHand, handoff: HandOff) -> HandOffOutcome:
            raise KeyError("a defect")

    world = World(BrokenDesk(), tmp_path)
    await world.asks_for_a_person()
    await world.until(lambda: "no colleague is free" in world.said)
    assert world.leg.hung_up == []
    await world.calls.close(timeout_s=1.0)


@pytest.mark.parametrize("taken_back", [False, True])
async def test_shutdown_ends_a_caller_who_is_with_a_person(
    tmp_path: Path, taken_back: bool
) -> None:
    desk = ScriptedDesk()
    world = World(desk, tmp_path)
    await world.asks_for_a_person()
    await world.until(lambda: bool(desk.served))
    if taken_back:  # in the same moment
        desk.end = lambda call_id, reason: None
        closing = asyncio.ensure_future(world.calls.close(timeout_s=5.0))
        await asyncio.sleep(0)
        desk.outcome.set_result(TakenBack(ended=HandOffEnded(reason="returned")))
        await closing
    else:
        await world.calls.close(timeout_s=5.0)
    assert world.records.ended == ["server_shutdown"]
    assert world.leg.hung_up == ["server_shutdown"]
