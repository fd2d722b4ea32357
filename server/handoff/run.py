"""One caller on the way to a person: the transfer machine's commands carried out.

Whatever happens (to the caller's leg, the agent's line, the queue, a REFER, the clock) is told to
the machine as an event; what the machine commands is done here, in order. A command that causes an
event at once does not interrupt the commands before it: events wait their turn.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol, assert_never
from uuid import UUID, uuid4

from server.handoff.announcements import Announcements
from server.handoff.attempts import Attempts
from server.handoff.context import HandOffContext
from server.handoff.in_hand import CallInHand, CallOver, HandOffOutcome, TakenBack
from server.handoff.ports import (
    AgentLine,
    AgentLines,
    ColleagueInvited,
    HoldChanged,
    KeysSent,
    LineEvent,
    LinePressedKey,
    MuteChanged,
    Offer,
)
from server.handoff.stage import AGENT, CALLER, Stage, StageWorld
from server.handoff.waiting_room import WaitingRoom
from telephony.transfer import Transfer, TransferOptions, TransferState
from telephony.transfer_events import (
    BeginWrapUp,
    BriefEnded,
    CallerChose,
    CallerGone,
    EndTransfer,
    EnterQueue,
    HoldCaller,
    JoinCaller,
    LeaveQueue,
    QueueGaveUp,
    Recovery,
    ReferProgressed,
    ReleaseTarget,
    RingTarget,
    SayBrief,
    SendRefer,
    StopBrief,
    TakeBack,
    TargetAccepted,
    TargetAnswered,
    TargetDeclined,
    TargetFailed,
    TargetGone,
    TargetPicked,
    TimePassed,
    TransferCommand,
    TransferEvent,
    TransferRequested,
)
from voice.events import HandOff, HandOffEnded, KeyPressed, LegEnded, LegEvent
from voice.ports import AudioLeg

log = logging.getLogger(__name__)

_ACCEPT_KEY, _DECLINE_KEY, _CALLBACK_KEY = "1", "2", "1"
_NOT_THERE: Final = frozenset({"no_answer", "not_accepted"})  # the target's own doing


class Refers(Protocol):
    """Sends REFERs on legs that can; SIP ones."""

    def __call__(
        self, leg: AudioLeg, target: str, *, replaces: AudioLeg | None, context: HandOffContext
    ) -> AsyncIterator[ReferProgressed]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWorld:
    """What all runs share."""

    lines: AgentLines
    queue: WaitingRoom
    stage: StageWorld
    refer: Refers
    attempts: Callable[[UUID], Attempts]
    context: Callable[[CallInHand, HandOff, UUID, datetime], HandOffContext]
    summarise: Callable[[HandOffContext], Awaitable[tuple[str, ...]]]  # may take seconds
    brief: Callable[[HandOffContext], str]
    clock: Callable[[], float]
    announcements: Announcements
    options: TransferOptions
    on_line: Callable[[UUID, str, str, float], None]  # call, who, text, seconds since the answer


class TransferRun:
    """Give one caller to a person; `run` it once."""

    def __init__(self, call: CallInHand, handoff: HandOff, world: RunWorld) -> None:
        self.call, self.handoff, self._world = call, handoff, world
        self.id, self._requested_at = uuid4(), datetime.now(UTC)
        self.machine = Transfer(world.options)
        self.stage = Stage(
            call, world.stage, on_line=self._heard_line, on_member_failed=self._member_failed
        )
        self._attempts = world.attempts(self.id)
        self._summary: tuple[str, ...] = ()
        self._line: AgentLine | None = None
        self._target = ""
        self._rung = self._joined = False  # the target of now
        self._callback_offered = False
        self._held_since_s: float | None = None
        self._held_s = 0.0
        self._events: deque[TransferEvent] = deque()
        self._draining = False
        self._outcome: asyncio.Future[HandOffOutcome] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> HandOffOutcome:
        """Until frontdesk has the caller again, or the call is over."""
        self.call.leg.on_event = self._caller_event
        self.stage.open()
        self._attempts.requested(self.context())
        self._spawn(self._summarise())
        try:
            self.tell(TransferRequested(target=self.handoff.target))
            outcome = await self._outcome
        finally:
            self._close()
        return outcome

    def end(self, reason: str) -> None:
        """End the hand-off and the call from our side; idempotent."""
        self._finish(CallOver(reason=reason))
        self.tell(CallerGone(reason=reason))

    def tick(self) -> None:
        self.tell(TimePassed())

    @property
    def agent(self) -> str | None:
        """Who has the caller, or is rung."""
        return self._target or None

    @property
    def state(self) -> TransferState:
        return self.machine.state

    def context(self) -> HandOffContext:
        """Everything known at this moment."""
        known = self._world.context(self.call, self.handoff, self.id, self._requested_at)
        return replace(known, summary=self._summary) if self._summary else known

    async def _summarise(self) -> None:
        """A better summary while the caller waits; until then the templated one is shown."""
        self._summary = await self._world.summarise(self.context())

    # --- what the queue says ---

    def picked(self, agent: str) -> None:
        self.tell(TargetPicked(target=agent))

    def gave_up(self, reason: str, recovery: Recovery) -> None:
        self.tell(QueueGaveUp(reason=reason, recovery=recovery))

    def position(self, position: int, estimated_wait_s: float | None) -> None:
        if self.state is TransferState.QUEUED:
            self.stage.announce(self._world.announcements.standing(position, estimated_wait_s))

    def offer_callback(self) -> None:
        if self.state is TransferState.QUEUED:
            self._callback_offered = True
            self.stage.announce(self._world.announcements.offer_callback)

    # --- events in, commands out ---

    def tell(self, event: TransferEvent) -> None:
        """Tell the machine, after whatever it is being told already."""
        self._events.append(event)
        self._tell_all()

    def _tell_all(self) -> None:
        if self._draining:
            return
        self._draining = True
        try:
            while self._events:
                now_s = self._world.clock()
                for command in self.machine.receive(self._events.popleft(), now_s):
                    self._carry_out(command)
        finally:
            self._draining = False

    def _carry_out(self, command: TransferCommand) -> None:
        match command:
            case HoldCaller():
                self._hold()
            case EnterQueue(first=first, without=without):
                self._world.queue.join(
                    self, self.call.call_id, self.handoff, first=first, without=without
                )
            case LeaveQueue(reason=reason):
                self._world.queue.leave(self.call.call_id, reason)
            case TakeBack() | EndTransfer():
                self._conclude(command)
            case BeginWrapUp(target=target):
                self._world.queue.talk_ended(target, held_s=self._held_s)
            case _:
                self._deal_with_target(command)

    def _deal_with_target(
        self,
        command: RingTarget | ReleaseTarget | SayBrief | StopBrief | JoinCaller | SendRefer,
    ) -> None:
        match command:
            case RingTarget(target=target):
                self._ring(target)
            case ReleaseTarget(reason=reason):
                self._release(reason)
            case SayBrief():
                text = self._world.brief(self.context())
                self.stage.brief(text, on_ended=lambda: self.tell(BriefEnded()))
            case StopBrief():
                self.stage.stop_brief()
            case JoinCaller():
                self._join()
            case SendRefer():
                self._spawn(self._refer(command))
            case _:
                assert_never(command)

    # --- the caller ---

    def _caller_event(self, event: LegEvent) -> None:
        match event:
            case LegEnded(reason=reason):
                self.tell(CallerGone(reason=reason))
            case KeyPressed(key=key):
                if self._callback_offered and key == _CALLBACK_KEY and not self._joined:
                    self.tell(CallerChose(recovery=Recovery.CALLBACK))
            case _:
                assert_never(event)

    def _hold(self) -> None:
        lost = self._joined
        self._joined = False
        self.stage.hold()
        texts = self._world.announcements
        self.stage.announce(texts.reconnecting if lost else texts.hold)

    def _member_failed(self, name: str, error: Exception) -> None:
        if name == CALLER:
            self.tell(CallerGone(reason="network_error"))
        elif name == AGENT:
            self.tell(TargetGone(reason="network_error"))

    # --- the target ---

    def _ring(self, target: str) -> None:
        self._target, self._rung, self._joined, self._held_s = target, True, False, 0.0
        self._attempts.rang(target)
        self._world.queue.rung(target, self.call.call_id)
        offer = Offer(
            id=uuid4(),
            call_id=self.call.call_id,
            agent_id=target,
            context=self.context(),
            rings_for_s=self._world.options.ring_s,
        )
        try:
            line = self._world.lines.open(offer)
        except LookupError as error:
            log.warning("a target cannot be reached", extra={"cause": str(error)})
            self._tell_of_end(TargetFailed(reason="unreachable"), "unreachable")
            return
        self._line = line
        line.on_event = lambda event: self._line_event(line, event)
        line.ring()

    def _line_event(self, line: AgentLine, event: LineEvent) -> None:
        if line is not self._line:
            return  # released: the next target's events are the ones that count
        match event:
            case TargetAnswered():
                if line.leg is not None:
                    self.stage.agent_comes(line.leg)
                self.tell(event)
            case TargetDeclined() | TargetFailed() | TargetGone():
                self._line_ended(event)
            case HoldChanged(held=held):
                self._hold_in_talk(held)
            case MuteChanged(muted=muted):
                self.stage.mute_agent(muted=muted)
            case LinePressedKey(key=key):
                self._agent_key(key)
            case KeysSent() | ColleagueInvited():
                log.info("not possible in this call", extra={"asked": type(event).__name__})
            case _:
                self.tell(event)

    def _line_ended(self, event: TargetDeclined | TargetFailed | TargetGone) -> None:
        self.stage.agent_leaves()
        if self._joined:
            self.tell(event)  # they may come back, on the same line
            return
        self._line = None
        declined = isinstance(event, TargetDeclined)
        self._tell_of_end(event, "declined" if declined else event.reason or "gone")

    def _tell_of_end(self, event: TargetDeclined | TargetFailed | TargetGone, outcome: str) -> None:
        """The machine hears of it before the queue, which may pick the next target at once."""
        self._events.append(event)
        self._turned_away(outcome)
        self._tell_all()

    def _turned_away(self, outcome: str) -> None:
        """The target does not get the caller; idempotent."""
        if not self._rung:
            return
        self._rung = False
        self._attempts.ended(outcome)
        declined = outcome == "declined"
        self._world.queue.turned_away(self._target, self.call.call_id, declined=declined)

    def _agent_key(self, key: str) -> None:
        if self.state not in (TransferState.BRIEFING, TransferState.DECIDING):
            return
        if key == _ACCEPT_KEY:
            self.tell(TargetAccepted())
        elif key == _DECLINE_KEY and (line := self._line) is not None:
            self._line_ended(TargetDeclined(reason="key"))
            line.on_event = _ignore_line
            line.release("declined")

    def _join(self) -> None:
        if AGENT not in self.stage.room.members:
            self.tell(TargetGone(reason="network_error"))
            return
        self.stage.join()
        self._joined, self._rung = True, False
        self._attempts.accepted()
        self._world.queue.answered(self._target, self.call.call_id)
        if self._line is not None:
            self._line.joined()

    def _release(self, reason: str) -> None:
        line, self._line = self._line, None
        self.stage.agent_leaves()
        self._attempts.ended(reason)
        if reason in _NOT_THERE:
            self._turned_away(reason)
        self._rung = False
        if line is not None:
            line.on_event = _ignore_line
            line.release(reason)

    def _hold_in_talk(self, held: bool) -> None:
        if not self._joined:
            return
        self.stage.hold_in_talk(held=held)
        now_s = self._world.clock()
        if held:
            self._held_since_s = now_s
            self.stage.announce(self._world.announcements.on_hold)
        elif self._held_since_s is not None:
            self._held_s += now_s - self._held_since_s
            self._held_since_s = None

    async def _refer(self, command: SendRefer) -> None:
        replaces = self._line.leg if command.replaces_target and self._line else None
        async for progress in self._world.refer(
            self.call.leg, command.target, replaces=replaces, context=self.context()
        ):
            self.tell(progress)

    # --- the end ---

    def _conclude(self, command: TakeBack | EndTransfer) -> None:
        match command:
            case TakeBack(reason=reason, recovery=recovery, step=step):
                promised = None if recovery is Recovery.DIALOG else recovery.value
                ended = HandOffEnded(reason=reason, recovery=promised, step=step)
                self._attempts.concluded(f"returned: {step}" if reason == "returned" else reason)
                self._finish(TakenBack(ended=ended))
            case EndTransfer(reason=reason):
                self._attempts.concluded(reason)
                self._finish(CallOver(reason=reason))
            case _:
                assert_never(command)

    def _finish(self, outcome: HandOffOutcome) -> None:
        if not self._outcome.done():
            self._outcome.set_result(outcome)

    def _close(self) -> None:
        """Whatever is left is let go, also when the run was cancelled."""
        self._release("closed")
        self.stage.close()
        for task in self._tasks:
            task.cancel()

    def _heard_line(self, who: str, text: str, at_s: float) -> None:
        self.call.story.said(who, text, at_s)
        if self._line is not None:
            self._line.said(who, text)
        self._world.on_line(self.call.call_id, who, text, at_s)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _ignore_line(event: LineEvent) -> None:
    pass
