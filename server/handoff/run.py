"""One caller on the way to a person: the transfer machine's commands carried out.

Whatever happens (to the caller's leg, the agent's line, the queue, a REFER, the clock) is told to
the machine as an event; what the machine commands is done here, in order. A command that causes an
event at once does not interrupt the commands before it: events wait their turn.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, assert_never
from uuid import uuid4

from server.handoff.callback_choice import CallbackChoice
from server.handoff.called_back_leg import NOT_REACHED
from server.handoff.consulted import ConsultedSide
from server.handoff.context import HandOffContext
from server.handoff.guest_side import GuestSide
from server.handoff.in_hand import CallInHand, CallOver, HandOffOutcome, TakenBack
from server.handoff.in_turn import InTurn
from server.handoff.leg_abilities import CanBeReplaced, press
from server.handoff.ports import (
    AgentLine,
    LineEvent,
    LineRequest,
    Offer,
)
from server.handoff.run_world import RunWorld
from server.handoff.stage import AGENT, CALLER, GUEST, Stage
from server.handoff.target_side import TargetSide
from server.handoff.wishes import Wishes
from telephony.transfer import Transfer, TransferState
from telephony.transfer_events import (
    AgentTransferredOn,
    BeginWrapUp,
    BriefEnded,
    CallerGone,
    EndTransfer,
    EnterQueue,
    HoldCaller,
    JoinCaller,
    LeaveQueue,
    QueueGaveUp,
    Recovery,
    ReleaseTarget,
    RingTarget,
    SayBrief,
    SendRefer,
    StopBrief,
    TakeBack,
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


class TransferRun:
    """Give one caller to a person; `run` it once."""

    def __init__(
        self,
        call: CallInHand,
        handoff: HandOff,
        world: RunWorld,
        *,
        on_joined: Callable[["TransferRun"], None] | None = None,
    ) -> None:
        """
        Args:
            on_joined: told once, when caller and target hear each other for the first time.
        """
        self.call, self.handoff, self._world = call, handoff, world
        self.id, self._requested_at = uuid4(), datetime.now(UTC)
        self.machine = Transfer(world.options)
        self.stage = Stage(
            call, world.stage, on_line=self._heard_line, on_member_failed=self._member_failed
        )
        self._attempts = world.attempts(self.id)
        self._target = TargetSide(self, self.stage, self._attempts, world)
        self._guest = GuestSide(self, self.stage, self._attempts, world)
        self._consulted = ConsultedSide(
            self,
            self.stage,
            self._target,
            self._attempts,
            consultations=world.consultations,
            patience_s=world.options.ring_s,
            clock=world.clock,
        )
        self._wishes = Wishes(self, self._target, self._guest, self._consulted, world.queue.routing)
        self._summary: tuple[str, ...] = ()
        self._known_agent: str | None = None
        self._over_for: str | None = None  # why we ended it ourselves
        self._callback = CallbackChoice(self, self.stage, world)
        self._on_joined = on_joined
        self._events = InTurn[TransferEvent](self._deal_with)
        self._caller_left = "caller_hangup"  # or whatever their leg says when it ends
        self._outcome: asyncio.Future[HandOffOutcome] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> HandOffOutcome:
        """Until frontdesk has the caller again, or the call is over."""
        leg = self.call.leg
        leg.on_event = self._caller_event
        if isinstance(leg, CanBeReplaced):
            leg.on_replaced = self._replaced
        self.stage.open()
        self._attempts.requested(self.context())
        self._spawn(self._summarise())
        try:
            self._known_agent = await self._world.known_agent(self.call)
            self.tell(TransferRequested(target=self.handoff.target))
            outcome = await self._outcome
        finally:
            self._close()
        return outcome

    def end(self, reason: str) -> None:
        """End the hand-off and the call from our side; idempotent.

        A caller who chose to be called back is promised it.
        """
        if self._target.joined or not self._callback.caller_left():
            self.over(reason)

    def over(self, reason: str) -> None:
        """See callback_choice.ChoosingRun."""
        self._over_for = reason
        self._finish(CallOver(reason=reason))
        self.tell(CallerGone(reason=reason))

    def tick(self) -> None:
        self._guest.tick()
        self._consulted.tick()
        self.tell(TimePassed())

    @property
    def agent(self) -> str | None:
        """Who has the caller, or is rung."""
        return self._target.name or None

    @property
    def state(self) -> TransferState:
        return self.machine.state

    def context(self) -> HandOffContext:
        """Everything known at this moment."""
        known = self._world.context(self.call, self.handoff, self.id, self._requested_at)
        return replace(known, summary=self._summary) if self._summary else known

    async def _summarise(self) -> None:
        """A better summary while the caller waits; until then the templated one is shown."""
        known = self.context()
        summary = await self._world.summarise(known)
        if summary != known.summary:
            self._summary = summary
            self._show_context()

    def refresh(self) -> None:
        """Something of the call was settled: what is known of it is another now."""
        self._summary = ()
        self._show_context()
        self._spawn(self._summarise())

    def _show_context(self) -> None:
        context = self.context()
        for line in (self._target.line, self._guest.line):
            if line is not None:
                line.learned(context)

    # --- what the queue says ---

    def picked(self, agent: str) -> None:
        self.tell(TargetPicked(target=agent))

    def gave_up(self, reason: str, recovery: Recovery) -> None:
        self.tell(QueueGaveUp(reason=reason, recovery=recovery))

    def position(self, position: int, estimated_wait_s: float | None) -> None:
        if self.state is TransferState.QUEUED:
            self.stage.announce(self._world.announcements.standing(position, estimated_wait_s))

    def offer_callback(self) -> None:
        self._callback.offer()

    # --- what guests of the target do ---

    def host_left(self) -> bool:
        """See run_world.Run."""
        return self._guest.host_left() or self._consulted.host_left()

    def succeed(self, name: str, line: AgentLine) -> None:
        """See guest_side.Host."""
        self._target.succeed(name, line)

    def send_keys(self, keys: str) -> str | None:
        """See guest_side.Host."""
        return press(self.call.leg, keys)

    # --- events in, commands out ---

    def tell(self, event: TransferEvent) -> None:
        """Tell the machine, after whatever it is being told already."""
        self._events.tell(event)

    def tell_before(self, event: TransferEvent, then: Callable[[], None]) -> None:
        """See run_world.Run."""
        self._events.put(event)
        then()
        self._events.drain()

    def _deal_with(self, event: TransferEvent) -> None:
        for command in self.machine.receive(event, self._world.clock()):
            self._carry_out(command)

    def _carry_out(self, command: TransferCommand) -> None:
        match command:
            case HoldCaller():
                self._hold()
            case EnterQueue(first=first, without=without):
                self._wait(first=first, without=without)
            case LeaveQueue(reason=reason):
                self._world.queue.leave(self.call.call_id, reason)
            case TakeBack() | EndTransfer():
                self._conclude(command)
            case BeginWrapUp():  # of a guest, if the target has left the caller to them
                self._world.queue.talk_ended(self._target.name, held_s=self._target.held_s)
            case _:
                self._deal_with_target(command)

    def _deal_with_target(
        self,
        command: RingTarget | ReleaseTarget | SayBrief | StopBrief | JoinCaller | SendRefer,
    ) -> None:
        match command:
            case RingTarget(target=target):
                self._target.ring(target)
            case ReleaseTarget(reason=reason):
                self._guest.end(reason)
                self._consulted.end(reason)
                self._target.release(reason)
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

    def _wait(self, *, first: bool, without: tuple[str, ...]) -> None:
        self._world.queue.join(
            self,
            self.call.call_id,
            self.handoff,
            first=first,
            without=without,
            language=self.context().language,
            known_agent=self._known_agent,
        )

    def _join(self) -> None:
        self._target.join()
        if self._target.joined and (told := self._on_joined) is not None:
            self._on_joined = None
            told(self)

    # --- the caller ---

    def _caller_event(self, event: LegEvent) -> None:
        match event:
            case LegEnded(reason=reason):
                self._caller_left = reason
                self._caller_gone(reason)
            case KeyPressed(key=key):
                self._callback.key_pressed(key)
            case _:
                assert_never(event)

    def _caller_gone(self, reason: str) -> None:
        if not self._target.joined and self._callback.caller_left():
            return
        if reason == NOT_REACHED:  # whoever called them back has nothing to wrap up
            self._target.release(reason)
        self.tell(CallerGone(reason=reason))

    def _replaced(self, uri: str) -> None:
        """Their phone system gave the call to another phone (RFC 3891); whoever it is stays."""
        self.note(f"(The call was passed on at the caller's end, to {uri}.)")

    def _hold(self) -> None:
        lost, self._target.joined = self._target.joined, False
        self.stage.hold()
        texts = self._world.announcements
        self.stage.announce(texts.reconnecting if lost else texts.hold)

    def _member_failed(self, name: str, error: Exception) -> None:
        if name == CALLER:
            self.tell(CallerGone(reason="network_error"))
        elif name == AGENT:
            self._agent_failed()
        elif name == GUEST:
            self._guest.failed()

    def _agent_failed(self) -> None:
        """Their leg raised; it is out of the room already."""
        if not self.host_left():
            self.tell(TargetGone(reason="network_error"))

    # --- what targets ask for ---

    def offer(self, target: str) -> Offer:
        """The caller, offered to this target as things stand."""
        return Offer(
            id=uuid4(),
            call_id=self.call.call_id,
            agent_id=target,
            context=self.context(),
            rings_for_s=self._world.options.ring_s,
        )

    def asked(self, event: LineEvent) -> None:
        """See run_world.Run."""
        self._wishes.hear(event)

    def requeue(self, skill: str | None) -> None:
        """See wishes.GrantingRun; None: the queue they came by."""
        self.handoff = replace(self.handoff, skill=skill or self.handoff.skill, target=None)
        self.tell(AgentTransferredOn())

    # --- see consulted.py, for whom these are ---

    @property
    def skill(self) -> str | None:
        return self.handoff.skill

    def has_guest(self) -> bool:
        return not self._guest.alone

    def surrender(self) -> tuple[str, AgentLine, AudioLeg] | None:
        return self._target.surrender()

    async def _refer(self, command: SendRefer) -> None:
        line = self._target.line
        replaces = line.leg if command.replaces_target and line else None
        async for progress in self._world.refer(
            self.call.leg, command.target, replaces=replaces, context=self.context()
        ):
            self.tell(progress)

    # --- the end ---

    def _conclude(self, command: TakeBack | EndTransfer) -> None:
        match command:
            case TakeBack(reason=reason, recovery=recovery, step=step):
                self.call.story.colleague = self.agent if reason == "returned" else None
                promised = None if recovery is Recovery.DIALOG else recovery.value
                ended = HandOffEnded(reason=reason, recovery=promised, step=step)
                self._attempts.concluded(reason if step is None else f"{reason}: {step}")
                self._finish(TakenBack(ended=ended))
            case EndTransfer(reason=reason):
                self._attempts.concluded(self._over_for or reason)
                # To the hand-off whoever is gone has hung up; the call's record knows how.
                gone = reason == "caller_hangup"
                self._finish(CallOver(reason=self._caller_left if gone else reason))
            case _:
                assert_never(command)

    def _finish(self, outcome: HandOffOutcome) -> None:
        if not self._outcome.done():
            self._outcome.set_result(outcome)

    def _close(self) -> None:
        """Whatever is left is let go, also when the run was cancelled."""
        leg = self.call.leg
        if isinstance(leg, CanBeReplaced):
            leg.on_replaced = None
        self._guest.end("closed")
        self._consulted.end("closed")
        self._target.release("closed")
        self.stage.close()
        for task in self._tasks:
            task.cancel()

    def refuse(self, asked: LineRequest, why: str) -> None:
        """See guest_side.Host."""
        if self._target.line is not None:
            self._target.line.refused(asked, why)

    def note(self, text: str) -> None:
        """Add a word of ours to the transcript."""
        at_s = self._world.clock() - self.call.answered_at_s
        self._heard_line("frontdesk", text, at_s)

    def _heard_line(self, who: str, text: str, at_s: float) -> None:
        self.call.story.said(who, text, at_s)
        for line in (self._target.line, self._guest.line):
            if line is not None:
                line.said(who, text)
        self._world.on_line(self.call.call_id, who, text, at_s)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
