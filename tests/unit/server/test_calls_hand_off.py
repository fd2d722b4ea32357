"""A call that is handed off lives on, with one recording, one dialog and one row of turns."""

import asyncio
import wave
from pathlib import Path
from uuid import UUID

import pytest

from server.handoff.in_hand import (
    CallInHand,
    CallOver,
    HandOffOutcome,
    NobodyThere,
    TakenBack,
)
from tests.fakes.calls_world import CallsWorld
from voice.events import HandOff, HandOffEnded, LegEnded
from voice.frames import FRAME_SAMPLES


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


async def test_caller_whom_a_person_has_is_off_the_plane_and_still_connected(
    tmp_path: Path,
) -> None:
    desk = ScriptedDesk()
    world = CallsWorld(desk, tmp_path)
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
    world = CallsWorld(desk, tmp_path)
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
    world = CallsWorld(NobodyThere(), tmp_path)
    await world.asks_for_a_person()
    await world.until(lambda: "anything else" in world.said)
    assert "no colleague is free right now. A colleague will call you back." in world.said
    assert [each.name for each in world.actions.performed] == ["request_callback"]
    await world.calls.close(timeout_s=1.0)


async def test_defect_of_the_desk_gives_the_caller_back(tmp_path: Path) -> None:
    class BrokenDesk(NobodyThere):
        async def serve(self, call: CallInHand, handoff: HandOff) -> HandOffOutcome:
            raise KeyError("a defect")

    world = CallsWorld(BrokenDesk(), tmp_path)
    await world.asks_for_a_person()
    await world.until(lambda: "lost the line to our colleagues" in world.said)
    assert world.leg.hung_up == []
    await world.calls.close(timeout_s=1.0)


@pytest.mark.parametrize("taken_back", [False, True])
async def test_shutdown_ends_a_caller_who_is_with_a_person(
    tmp_path: Path, taken_back: bool
) -> None:
    desk = ScriptedDesk()
    world = CallsWorld(desk, tmp_path)
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
