"""Calling somebody back: the agent first, then the caller, then both as in any hand-off."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID, uuid4

from dialog.standing import Standing
from server.handoff.announcements import Announcements
from server.handoff.callbacks import Promise, Result
from server.handoff.called_back_leg import CalledBackLeg
from server.handoff.context import HandOffContext
from server.handoff.coordinator import HandOffs
from server.handoff.in_hand import CallInHand, CallOver
from server.handoff.run import TransferRun
from server.handoff.story import CallStory
from server.handoff.waiting_room import WaitingRoom
from server.live_calls import LiveCall, LiveCalls, TappedRecorder
from server.recording import NoRecorder, StereoRecorder
from server.records.calls import CallStart
from telephony.leg import CallerInfo, LegGoneError, LegRefusedError, OutgoingLeg
from telephony.sip.errors import SipError
from voice.events import HandOff
from voice.plane import MediaPlane

log = logging.getLogger(__name__)

_RINGS_S: Final = 40.0  # longer than most voicemails wait
_REASON: Final = "callback"


class CallStore(Protocol):
    """Where calls are kept; writing never blocks."""

    def call_started(self, call: CallStart) -> None: ...

    def call_answered(self, call_id: UUID, at: datetime) -> None: ...

    def call_ended(
        self, call_id: UUID, at: datetime, *, reason: str, recording_path: str | None = None
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CallingWorld:
    """What calls of ours need.

    recordings: the folder; None: nothing is recorded.
    clock: monotonic seconds.
    """

    handoffs: HandOffs
    queue: WaitingRoom
    plane: MediaPlane
    live: LiveCalls
    records: CallStore
    recordings: Path | None
    writer: ThreadPoolExecutor
    dial: Callable[[str], Awaitable[OutgoingLeg]]
    clock: Callable[[], float]
    announcements: Announcements


class CallingBack:
    """server.handoff.callbacks.CallBack.

    A call of ours begins with the agent, and its times count from there: so do its recording and
    what is said in it.
    """

    def __init__(self, world: CallingWorld) -> None:
        self._world = world

    async def __call__(self, promise: Promise, context: HandOffContext, agent: str) -> Result:
        """See CallBack."""
        world, call_id, started_at = self._world, uuid4(), datetime.now(UTC)
        leg = CalledBackLeg(
            CallerInfo(
                call_id=call_id.hex,
                caller=promise.number,
                callee=context.callee,
                transport="callback",
                peer="",
            )
        )
        recorder = self._recorder(call_id)
        tapped = TappedRecorder(recorder)
        call = CallInHand(
            call_id=call_id,
            leg=leg,
            info=leg.info,
            plane=world.plane,
            recorder=tapped,
            story=CallStory.without_dialog(),
            standing=lambda: _standing(context),
            started_at=started_at,
            answered_at_s=world.clock(),
            has_dialog=False,
        )
        world.records.call_started(CallStart.of(call_id, leg.info, started_at))
        world.live.add(LiveCall(in_hand=call, tapped=tapped))
        world.queue.called_back_by(call_id, promise.call_id)
        reason = "internal_error"
        try:
            reason = await self._hand_over(call, leg, promise, context, agent)
        except asyncio.CancelledError:
            reason = "server_shutdown"
            raise
        finally:
            world.live.remove(call_id)
            recorder.close()
            path = str(recorder.path) if leg.reached and recorder.path else None
            world.records.call_ended(call_id, datetime.now(UTC), reason=reason, recording_path=path)
            await leg.hang_up(reason)
        if leg.reached:
            return Result.TALKED
        return Result.NOT_REACHED if leg.failed else Result.NO_AGENT

    async def _hand_over(
        self,
        call: CallInHand,
        leg: CalledBackLeg,
        promise: Promise,
        context: HandOffContext,
        agent: str,
    ) -> str:
        """Why the call ended."""
        dialling: list[asyncio.Task[None]] = []

        def dial(run: TransferRun) -> None:
            dialling.append(asyncio.create_task(self._dial(run, leg, promise.number)))

        handoff = HandOff(reason=_REASON, skill=promise.skill, task=context.task, target=agent)
        try:
            outcome = await self._world.handoffs.call_back(call, handoff, context, dial)
        finally:
            for task in dialling:
                task.cancel()
        if leg.failed:
            return "not_reached"
        return outcome.reason if isinstance(outcome, CallOver) else outcome.ended.reason

    async def _dial(self, run: TransferRun, leg: CalledBackLeg, number: str) -> None:
        world = self._world
        run.stage.tell_agent(world.announcements.calling_back)
        outgoing: OutgoingLeg | None = None
        try:
            async with asyncio.timeout(_RINGS_S):
                outgoing = await world.dial(number)
                if not leg.dialled(outgoing):
                    await outgoing.hang_up("agent_gone")
                    return
                await outgoing.answered()
        except (LegRefusedError, LegGoneError, SipError, TimeoutError) as error:
            log.info("a caller was not reached", extra={"cause": str(error) or "no answer"})
            run.note("(They did not answer. They will be called again later.)")
            leg.not_answered()
            if outgoing is not None:
                await outgoing.hang_up("no_answer")
            return
        world.records.call_answered(run.call.call_id, run.call.started_at)
        leg.answered()
        run.stage.announce(world.announcements.called_back)

    def _recorder(self, call_id: UUID) -> StereoRecorder | NoRecorder:
        world = self._world
        if world.recordings is None:
            return NoRecorder()
        return StereoRecorder(world.recordings / f"{call_id}.wav", world.writer)


def _standing(context: HandOffContext) -> Standing:
    """No dialog goes on in a call of ours: only what the caller was at is known."""
    return Standing(
        task=context.task,
        slots=(),
        missing=(),
        verified=context.verified,
        facts={},
        says={},
        returns={},
        verifiable=False,
    )
