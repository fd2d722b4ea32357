"""Calls as the server has them, on scripted engines and virtual time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

from dialog.flow import load_flow
from models.vad import SileroVad
from server.admission import Admission, Limits
from server.calls import Calls, CallServices
from server.feed import Feed
from server.handoff.in_hand import HandOffDesk
from server.observability import Metrics
from server.records.calls import CallStart
from tests.fakes.incoming_leg import FakeIncomingLeg
from tests.fakes.voice import FakeActions, FakeStt, FakeTts
from voice.events import KeyPressed, TurnRecord
from voice.frames import FRAME_S
from voice.plane import MediaPlane
from voice.session import SessionOptions

FLOW = load_flow(Path(__file__).parents[2] / "dialog" / "flows" / "orders.yaml")

_TWO_LINES = Limits(calls=2)


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


class CallsWorld:
    """One leg and the calls that take it; nothing is said to those whose call is cut short."""

    def __init__(
        self,
        desk: HandOffDesk,
        folder: Path,
        *,
        limits: Limits = _TWO_LINES,
        farewell: str = "",
        terse: bool = False,
    ) -> None:
        self.now_s = 100.0
        self.tts, self.metrics = FakeTts(), Metrics()
        self.leg, self.records, self.actions = FakeIncomingLeg(), KeptRecords(), FakeActions()
        vad = SileroVad()
        self.plane = MediaPlane(vad)
        self.calls = Calls(
            CallServices(
                stt=FakeStt(),
                tts=self.tts,
                vad=vad,
                plane=self.plane,
                flow=FLOW,
                classifier=Nothing(),
                actions=self.actions,
                records=self.records,
                metrics=self.metrics,
                feed=Feed(),
                recordings=folder,
                handoffs=desk,
                terse=lambda: terse,
            ),
            admission=Admission(limits),
            retry_after_s=1,
            farewell=farewell,
            options=SessionOptions(comfort_dbfs=-200.0, linger_s=0.0),
            clock=lambda: self.now_s,
        )

    async def passes(self, seconds: float) -> None:
        for _ in range(round(seconds / FRAME_S)):
            self.now_s += FRAME_S
            self.plane.tick(self.now_s)
            for _ in range(5):
                await asyncio.sleep(0)

    async def during(self, work: Awaitable[None]) -> None:
        """Let time pass until this is done."""
        doing = asyncio.ensure_future(work)
        await self.until(doing.done)
        await doing

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
