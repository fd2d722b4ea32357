"""A caller of one process and the people of another, a real Unix socket between them.

Each process has a media plane of its own and virtual time; both planes tick in turn.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from server.approvals import Approvals
from server.handoff.in_hand import CallInHand, HandOffOutcome
from server.handoff.story import CallStory
from server.handoff.supervision import seen
from server.lifetime import background
from server.live_calls import LiveCalls, TappedRecorder
from server.tie_lines.connection import Connection
from server.tie_lines.far_calls import FarCalls
from server.tie_lines.far_desk import FarDesk
from server.tie_lines.service import Reception, answering
from server.tie_lines.showing import Showing
from tests.fakes.handoff_contexts import CALL_ID
from tests.fakes.handoff_parts import CallerLeg, KeptCalls, NoDetectors
from tests.fakes.handoff_world import HandOffWorld
from tests.fakes.rooms import TONES_HZ, tone, voices
from tests.fakes.voice import FakeActions, FakeJournal, FakeRecorder
from voice.events import HandOff, LegEnded
from voice.frames import FRAME_S
from voice.plane import MediaPlane

_STARTED_AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
_IO_S = 0.001  # for what one process says to reach the other


class TieLineWorld:
    """`desk` has the people; the caller's line ends in the other process."""

    def __init__(self, path: Path, parts: AsyncExitStack) -> None:
        self.path, self._parts = path, parts
        self.desk = HandOffWorld()
        self.live, self.calls = LiveCalls(), KeptCalls()
        self.happened: list[UUID] = []
        self.desk_approvals, self.home_approvals = Approvals(), Approvals(["change_address"])
        self.home_live, self.far = LiveCalls(), FarCalls(self.desk.plane)
        self.desk_ticks = self.home_ticks = True
        self._hosted: dict[asyncio.Task[None], Callable[[str], None]] = {}
        self._service: AsyncExitStack | None = None
        self.plane = MediaPlane(NoDetectors())
        self.caller = CallerLeg(tone(TONES_HZ["caller"]))
        self.recorder, self.actions = FakeRecorder(), FakeActions(released=False)
        self.story = CallStory(journal=FakeJournal(), actions=self.actions)
        self.tapped = TappedRecorder(self.recorder)
        self.outcome: asyncio.Task[HandOffOutcome] | None = None

    async def open_desk(self) -> None:
        """The process with the desk is there."""
        world = Reception(
            handoffs=self.desk.handoffs,
            live=self.live,
            plane=self.desk.plane,
            records=self.calls,
            host=self,
            happened=self.happened.append,
            approvals=self.desk_approvals,
            far=self.far,
        )
        self._service = AsyncExitStack()
        await self._service.enter_async_context(answering(self.path, world))

    async def close_desk(self) -> None:
        """It dies: its sockets close, whatever was going on."""
        if self._service is not None:
            service, self._service = self._service, None
            await service.aclose()
        for task in self._hosted:
            task.cancel()

    async def open_home(self, *, patience_s: float = 5.0) -> None:
        """The process with the caller is there."""
        self.far_desk = FarDesk(self.path, self._showing, patience_s=patience_s)
        self._home = await self._parts.enter_async_context(AsyncExitStack())
        await background(self._home, self.far_desk.run(), "way to the desk")

    def _showing(self, connection: Connection) -> Showing:
        return Showing(
            connection,
            self.home_live,
            self.home_approvals,
            row=lambda call: seen(call, self.desk.now_s),
        )

    async def close_home(self) -> None:
        """It dies."""
        await self._home.aclose()

    def host(self, work: Coroutine[None, None, None], end: Callable[[str], None]) -> None:
        """See server.tie_lines.service.Host."""
        task = asyncio.ensure_future(work)
        self._hosted[task] = end
        task.add_done_callback(lambda done: self._hosted.pop(done, None))

    def stop_desk(self, reason: str) -> None:
        """The server of the desk stops in order."""
        for end in tuple(self._hosted.values()):
            end(reason)

    # --- what the test does ---

    async def hands_off(self, handoff: HandOff | None = None) -> None:
        call = self.in_hand()
        wanted = handoff or HandOff(reason="caller_asked")
        self.outcome = asyncio.ensure_future(self.far_desk.serve(call, wanted))
        await self.passes(0.3)

    def in_hand(self) -> CallInHand:
        """The call, as home has it."""
        return CallInHand(
            call_id=CALL_ID,
            leg=self.caller,
            info=self.caller.info,
            plane=self.plane,
            recorder=self.tapped,
            story=self.story,
            standing=lambda: self.desk.dialog.standing,
            started_at=_STARTED_AT,
            answered_at_s=self.desk.now_s,
        )

    async def passes(self, seconds: float) -> None:
        for _ in range(round(seconds / FRAME_S)):
            if self.home_ticks:
                self.plane.tick(self.desk.now_s)
            if self.desk_ticks:
                await self.desk.passes(FRAME_S)
            await asyncio.sleep(_IO_S)

    async def until(self, done: Callable[[], object]) -> None:
        for _ in range(1_000):
            if done():
                return
            await self.passes(FRAME_S)
        raise AssertionError("it never happened")

    async def ended(self) -> HandOffOutcome:
        assert self.outcome is not None
        await self.until(self.outcome.done)
        return self.outcome.result()

    def hangs_up(self) -> None:
        self.caller.on_event(LegEnded(reason="caller_hangup"))

    def caller_hears(self) -> set[str]:
        return voices(self.caller.sent[-1])


@asynccontextmanager
async def tie_line_world(folder: Path) -> AsyncGenerator[TieLineWorld]:
    """Neither process is there yet."""
    async with AsyncExitStack() as parts:
        world = TieLineWorld(folder / "desk.sock", parts)
        try:
            yield world
        finally:
            await world.close_desk()
