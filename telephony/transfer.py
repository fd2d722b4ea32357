"""A warm transfer: one caller on the way to one person, whatever happens on it.

Theory of operation. The machine is told what the queue, the target, the caller and the network do,
each with the time, and answers with commands for the call's shell to carry out in order. It holds
no leg and reads no clock.

    REQUESTED   made, not begun
    QUEUED      the caller waits for whoever the queue picks
    RINGING     one target is being rung
    BRIEFING    the target hears, alone, who waits and why
    DECIDING    the target knows; we wait for them to accept
    JOINED      caller and target hear each other
    LOST        the target's network failed in the conversation; they have a moment to come back
    REFERRING   a REFER is out: the far end reaches the target itself
    OVER        the caller is frontdesk's again, with the target elsewhere, or gone

The caller is always somewhere: on hold (music) from the request on, joined, taken back, or the
transfer has ended. There is at most one target at a time. Who rang has not accepted: a machine that
picks up the phone never does, so a caller never ends in somebody's voicemail by accident.

A target that fails before it is joined costs the caller nothing. One whom the queue picked is
followed by the next, with the caller first in line, up to `max_attempts`; one whom the flow named
gives the caller back to the dialog with the reason; one whom an agent named in transferring on puts
the caller into the queue, first in line, since that caller had a person already.

In an attended transfer the target that accepted stays on its leg until the REFER with Replaces has
succeeded (RFC 3891), so that a far end that cannot do it costs only the shorter media path: the two
are bridged here instead.

Events that mean nothing in a state are ignored there: phones and networks repeat themselves and
cross our commands. The last command of a transfer is its TakeBack or EndTransfer.
"""

from collections.abc import Callable
from itertools import product
from typing import ClassVar, Final, TypeAlias, assert_never

from telephony.transfer_events import (
    LOSSES,
    AgentTransferredOn,
    BeginWrapUp,
    BriefEnded,
    CallerChose,
    CallerGone,
    CallReturned,
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
    TransferMode,
    TransferRequested,
)
from telephony.transfer_options import TransferOptions, TransferState

_State = TransferState
_BEFORE_JOINING: Final = (_State.RINGING, _State.BRIEFING, _State.DECIDING)
_INTERRUPTIBLE: Final = (_State.QUEUED, *_BEFORE_JOINING, _State.LOST)  # a REFER cannot be undone
_TARGET_ENDS: Final = (TargetFailed, TargetDeclined, TargetGone)
_NEVER: Final = float("inf")
_Rule: TypeAlias = Callable[["Transfer", TransferEvent, float], list[TransferCommand]]


class Transfer:
    """One transfer of one caller; see the module's theory of operation.

    Attributes:
        state: where it is.
        mode: how the caller is being given away.
        target: who is being rung, talked to, waited for or referred to; None: nobody.
        attempts: targets tried since the caller last spoke to a person, the current one included.
    """

    def __init__(self, options: TransferOptions) -> None:
        self.options = options
        self.state = _State.REQUESTED
        self.mode = TransferMode.WARM
        self.target: str | None = None
        self.attempts = 0
        self._without: tuple[str, ...] = ()
        self._named = False  # the target was named, not picked by the queue
        self._had_a_person = False  # so a named target that fails is followed by the queue
        self._losses = 0  # conversations that a network ended
        self._accepted = False  # before the leg was up
        self._target_up = False  # in REFERRING: there is a leg to fall back to
        self._refer_accepted = False
        self._deadline_s = _NEVER
        self._limit_s = _NEVER

    def receive(self, event: TransferEvent, now_s: float) -> tuple[TransferCommand, ...]:
        """Take one event and return the commands it causes, in order; never raises.

        Args:
            event: what happened.
            now_s: monotonic seconds, never less than in the call before.
        """
        rule = self._TABLE.get((self.state, type(event)))
        return () if rule is None else tuple(rule(self, event, now_s))

    @classmethod
    def transitions(cls) -> list[tuple[TransferState, str, str]]:
        """The table as (state, event, rule), for the documents."""
        return [
            (state, event.__name__, rule.__name__.removeprefix("_"))
            for (state, event), rule in cls._TABLE.items()
        ]

    # --- steps that several rules share ---

    def _enter(self, state: TransferState, deadline_s: float = _NEVER) -> None:
        self.state, self._deadline_s = state, deadline_s

    def _seek(self, mode: TransferMode, target: str | None, now_s: float) -> list[TransferCommand]:
        self.mode, self.attempts = mode, 0
        self._limit_s = now_s + self.options.total_s
        self._named = target is not None
        if target is None:
            return self._enter_queue(first=self._had_a_person)
        return self._reach(target, now_s)

    def _enter_queue(self, *, first: bool) -> list[TransferCommand]:
        self.target = None
        self._enter(_State.QUEUED)
        return [EnterQueue(first=first, without=self._without)]

    def _reach(self, target: str, now_s: float) -> list[TransferCommand]:
        self.target = target
        self.attempts += 1
        self._accepted = False
        if self.mode is TransferMode.BLIND:
            return self._refer(now_s, replaces_target=False)
        self._enter(_State.RINGING, now_s + self.options.ring_s)
        return [RingTarget(target=target)]

    def _refer(self, now_s: float, *, replaces_target: bool) -> list[TransferCommand]:
        assert self.target is not None
        self._target_up, self._refer_accepted = replaces_target, False
        self._enter(_State.REFERRING, now_s + self.options.refer_s)
        return [SendRefer(target=self.target, replaces_target=replaces_target)]

    def _join(self, now_s: float) -> list[TransferCommand]:
        """Caller and target are both there and both willing."""
        if self.mode is TransferMode.ATTENDED:
            return self._refer(now_s, replaces_target=True)
        return self._bridge()

    def _bridge(self) -> list[TransferCommand]:
        self._had_a_person = True
        self._enter(_State.JOINED)
        return [JoinCaller()]

    def _try_next(self, reason: str) -> list[TransferCommand]:
        """The target is out of it, and nobody talks to the caller."""
        if self.target is not None and self.target not in self._without:
            self._without = (*self._without, self.target)
        if self._named and not self._had_a_person:
            return self._finish(TakeBack(reason=reason))
        if self.attempts >= self.options.max_attempts:
            return self._finish(TakeBack(reason="nobody_took_it", recovery=self.options.recovery))
        self._named = False
        return self._enter_queue(first=True)

    def _let_go(self, reason: str) -> list[TransferCommand]:
        """Free whatever this state holds, but for the caller."""
        match self.state:
            case _State.REQUESTED | _State.OVER:
                return []
            case _State.QUEUED:
                return [LeaveQueue(reason=reason)]
            case _State.RINGING | _State.DECIDING:
                return [ReleaseTarget(reason=reason)]
            case _State.BRIEFING:
                return [StopBrief(), ReleaseTarget(reason=reason)]
            case _State.JOINED | _State.LOST:
                return [ReleaseTarget(reason=reason), *self._wrap_up()]
            case _State.REFERRING:
                return [ReleaseTarget(reason=reason)] if self._target_up else []
        assert_never(self.state)

    def _wrap_up(self) -> list[TransferCommand]:
        assert self.target is not None
        return [BeginWrapUp(target=self.target)]

    def _finish(self, last: TakeBack | EndTransfer) -> list[TransferCommand]:
        self._enter(_State.OVER)
        self.target = None
        return [last]

    def _take_back(self, reason: str, recovery: Recovery) -> list[TransferCommand]:
        return [*self._let_go(reason), *self._finish(TakeBack(reason=reason, recovery=recovery))]

    def _too_long(self, now_s: float) -> list[TransferCommand]:
        """What the overall limit asks for; nothing while there is time."""
        if now_s < self._limit_s:
            return []
        return self._take_back("took_too_long", self.options.recovery)

    # --- rules, named by what they decide ---

    def _begin(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        assert isinstance(event, TransferRequested)
        return [HoldCaller(), *self._seek(event.mode, event.target, now_s)]

    def _ring_picked(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        assert isinstance(event, TargetPicked)
        return self._reach(event.target, now_s)

    def _queue_gave_up(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        assert isinstance(event, QueueGaveUp)
        return self._finish(TakeBack(reason=event.reason, recovery=event.recovery))

    def _check_limit(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        return self._too_long(now_s)

    def _brief(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        assert isinstance(event, TargetAnswered)
        if self._accepted:
            return self._join(now_s)
        if event.sees_context:
            return self._await_acceptance(event, now_s)
        self._enter(_State.BRIEFING, now_s + self.options.brief_s)
        return [SayBrief()]

    def _await_acceptance(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        self._enter(_State.DECIDING, now_s + self.options.accept_timeout_s)
        return []

    def _accept_before_leg(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        """Accepted at the desk; the audio is on its way."""
        if not self._accepted:
            self._accepted, self._deadline_s = True, now_s + self.options.connect_s
        return []

    def _accept_during_brief(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        return [StopBrief(), *self._join(now_s)]

    def _accept(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        return self._join(now_s)

    def _check_target(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        """Whoever does not answer, or does not accept, is not there."""
        if now_s >= self._limit_s:
            return self._too_long(now_s)
        if now_s < self._deadline_s:
            return []
        reason = "no_answer" if self.state is _State.RINGING else "not_accepted"
        return [*self._let_go(reason), *self._try_next(reason)]

    def _target_ended(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        """Before it was joined: there is nothing of it left to release."""
        brief: list[TransferCommand] = [StopBrief()] if self.state is _State.BRIEFING else []
        match event:
            case TargetFailed(reason=reason):
                return [*brief, *self._try_next(reason)]
            case TargetDeclined():
                return [*brief, *self._try_next("declined")]
            case _:  # the leg's own reason would read as if the caller had gone
                return [*brief, *self._try_next("target_gone")]

    def _agent_left(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        assert isinstance(event, TargetGone)
        if event.reason in LOSSES:
            return self._await_return(event, now_s)
        return [*self._wrap_up(), *self._finish(EndTransfer(reason="agent_hangup"))]

    def _await_return(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        self._enter(_State.LOST, now_s + self.options.reconnect_s)
        return [HoldCaller()]

    def _agent_returned(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        return self._bridge()

    def _lost_again(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        """A loss is often noticed twice, by the signalling and by the media."""
        assert isinstance(event, TargetGone)
        return [] if event.reason in LOSSES else self._queue_again(event, now_s)

    def _check_return(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        return [] if now_s < self._deadline_s else self._queue_again(event, now_s)

    def _queue_again(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        """The agent may have the caller again once they are back: they know each other.

        But not for ever: a house whose network drops one agent after the other has nobody.
        """
        self._losses += 1
        if self._losses >= self.options.max_attempts:
            return self._take_back("connection_lost", self.options.recovery)
        freed = self._let_go("connection_lost")
        self._without = ()
        return [*freed, *self._seek(TransferMode.WARM, None, now_s)]

    def _return_call(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        assert isinstance(event, CallReturned)
        freed = self._let_go("returned")
        return [*freed, *self._finish(TakeBack(reason="returned", step=event.step))]

    def _transfer_on(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        """The agent is free at once; should the next target fail, the queue has the caller."""
        assert isinstance(event, AgentTransferredOn)
        assert self.target is not None
        freed = self._let_go("transferred_on")
        # Who gave the caller away is not offered them at once; they may be, if that target fails.
        self._without = (self.target,) if event.target is None else ()
        return [*freed, HoldCaller(), *self._seek(event.mode, event.target, now_s)]

    def _hear_of_refer(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        assert isinstance(event, ReferProgressed)
        if event.status >= 300:
            return self._refer_failed(f"refer_{event.status}")
        if _reached_target(event):
            return self._referred()
        self._refer_accepted = True
        self._deadline_s = now_s + self.options.refer_s
        return []

    def _hear_of_refer_late(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        """Bridged because nothing was heard of the REFER, and now it has succeeded after all."""
        assert isinstance(event, ReferProgressed)
        if self.mode is TransferMode.ATTENDED and _reached_target(event):
            return self._referred()
        return []

    def _referred(self) -> list[TransferCommand]:
        return [*self._let_go("referred"), *self._finish(EndTransfer(reason="referred"))]

    def _check_refer(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        if now_s >= self._limit_s:
            return self._too_long(now_s)
        return [] if now_s < self._deadline_s else self._refer_failed("refer_timeout")

    def _refer_failed(self, reason: str) -> list[TransferCommand]:
        return self._bridge() if self._target_up else self._try_next(reason)

    def _replaced(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        """The target's leg ends when Replaces takes its place, often before the NOTIFY of it."""
        self._target_up = False
        return []

    def _caller_chose(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        assert isinstance(event, CallerChose)
        return self._take_back("caller_chose", event.recovery)

    def _caller_gone(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        freed = self._let_go("caller_hangup")
        return [*freed, *self._finish(EndTransfer(reason="caller_hangup"))]

    def _caller_gone_referred(self, event: TransferEvent, now_s: float) -> list[TransferCommand]:
        """Who has taken a REFER leaves us to follow it, with or without a NOTIFY of the end."""
        return self._referred() if self._refer_accepted else self._caller_gone(event, now_s)

    _TABLE: ClassVar[dict[tuple[TransferState, type[TransferEvent]], _Rule]] = {
        (_State.REQUESTED, TransferRequested): _begin,
        (_State.QUEUED, TargetPicked): _ring_picked,
        (_State.QUEUED, QueueGaveUp): _queue_gave_up,
        (_State.QUEUED, TimePassed): _check_limit,
        (_State.RINGING, TargetAnswered): _brief,
        (_State.RINGING, TargetAccepted): _accept_before_leg,
        (_State.RINGING, TimePassed): _check_target,
        (_State.BRIEFING, BriefEnded): _await_acceptance,
        (_State.BRIEFING, TargetAccepted): _accept_during_brief,
        (_State.BRIEFING, TimePassed): _check_target,
        (_State.DECIDING, TargetAccepted): _accept,
        (_State.DECIDING, TimePassed): _check_target,
        **dict.fromkeys(product(_BEFORE_JOINING, _TARGET_ENDS), _target_ended),
        (_State.JOINED, TargetGone): _agent_left,
        (_State.JOINED, TargetFailed): _await_return,
        (_State.JOINED, TargetDeclined): _await_return,
        (_State.JOINED, CallReturned): _return_call,
        (_State.JOINED, AgentTransferredOn): _transfer_on,
        (_State.JOINED, ReferProgressed): _hear_of_refer_late,
        (_State.LOST, TargetAnswered): _agent_returned,
        (_State.LOST, TargetAccepted): _agent_returned,
        (_State.LOST, TargetGone): _lost_again,
        (_State.LOST, TargetFailed): _queue_again,
        (_State.LOST, TargetDeclined): _queue_again,
        (_State.LOST, CallReturned): _return_call,
        (_State.LOST, TimePassed): _check_return,
        (_State.REFERRING, ReferProgressed): _hear_of_refer,
        (_State.REFERRING, TimePassed): _check_refer,
        **dict.fromkeys(product([_State.REFERRING], _TARGET_ENDS), _replaced),
        **dict.fromkeys(product(_INTERRUPTIBLE, [CallerChose]), _caller_chose),
        **dict.fromkeys(product(_INTERRUPTIBLE, [CallerGone]), _caller_gone),
        (_State.REQUESTED, CallerGone): _caller_gone,
        (_State.JOINED, CallerGone): _caller_gone,
        (_State.REFERRING, CallerGone): _caller_gone_referred,
    }  # fmt: skip


def _reached_target(event: ReferProgressed) -> bool:
    """Whether it reports success at the target.

    A far end that reports its own 202 in a NOTIFY means that it tries: nobody answers an INVITE so.
    """
    return 200 <= event.status < 300 and event.status != 202 and not event.answer
