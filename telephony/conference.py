"""A second person in a call: one guest at a time, beside the agent who has the caller.

Theory of operation. The agent who talks to the caller, here the host, invites somebody. The machine
is told what the guest's line, the host and the clock do, and answers with commands, as that of
telephony/transfer.py does for the host; it uses the same words for what a line reports.

    ALONE       the host and the caller, nobody else
    RINGING     the guest is being rung; host and caller talk on
    BRIEFING    the guest hears, alone, who is there and why
    DECIDING    the guest knows; we wait for them to accept
    JOINED      all three hear each other

A guest who does not come costs nothing: the host is told. Either of the two may leave once they are
three: the guest, and all is as before; or the host, and the guest has the call from then on and may
invite somebody in turn. Whatever ends or interrupts the host's conversation before the guest has
joined lets the guest go.

Events that mean nothing in a state are ignored there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import ClassVar, Final, TypeAlias

from telephony.transfer import TransferOptions
from telephony.transfer_events import (
    BriefEnded,
    ReleaseTarget,
    RingTarget,
    SayBrief,
    StopBrief,
    TargetAccepted,
    TargetAnswered,
    TargetDeclined,
    TargetFailed,
    TargetGone,
    TimePassed,
)


class ConferenceState(StrEnum):
    """The states, in the words of the theory of operation."""

    ALONE = "alone"
    RINGING = "ringing"
    BRIEFING = "briefing"
    DECIDING = "deciding"
    JOINED = "joined"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestInvited:
    """The host wants this agent or address in the call."""

    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLeft:
    """The host hung up, or their network failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkEnded:
    """Host and caller do not talk any more: the caller is gone, or given to somebody else."""

    reason: str


ConferenceEvent: TypeAlias = (
    GuestInvited
    | HostLeft
    | TalkEnded
    | TargetAnswered
    | TargetAccepted
    | TargetDeclined
    | TargetFailed
    | TargetGone
    | BriefEnded
    | TimePassed
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinGuest:
    """All three hear each other from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteGuest:
    """The guest has the call from now on, and the host is out of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseInvitation:
    """Tell the host that this is not possible now: there is a guest already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TellHost:
    """The guest does not come, or left: `declined`, `no_answer`, `not_accepted`, `left`, …."""

    reason: str


ConferenceCommand: TypeAlias = (
    RingTarget
    | ReleaseTarget
    | SayBrief
    | StopBrief
    | JoinGuest
    | PromoteGuest
    | RefuseInvitation
    | TellHost
)

_State = ConferenceState
_COMING: Final = (_State.RINGING, _State.BRIEFING, _State.DECIDING)
_ENDS: Final = (TargetDeclined, TargetFailed, TargetGone)
_Rule: TypeAlias = Callable[["Conference", ConferenceEvent, float], list[ConferenceCommand]]


class Conference:
    """Of one call; see the module's theory of operation.

    Attributes:
        state: where it is.
        guest: who was invited; None: nobody.
    """

    def __init__(self, options: TransferOptions) -> None:
        """
        Args:
            options: how long a guest may take is as for any target.
        """
        self.options = options
        self.state = _State.ALONE
        self.guest: str | None = None
        self._accepted = False  # before the leg was up
        self._deadline_s = float("inf")

    def receive(self, event: ConferenceEvent, now_s: float) -> tuple[ConferenceCommand, ...]:
        """Take one event and return the commands it causes, in order; never raises.

        Args:
            event: what happened.
            now_s: monotonic seconds, never less than in the call before.
        """
        rule = self._TABLE.get((self.state, type(event)))
        return () if rule is None else tuple(rule(self, event, now_s))

    def _enter(self, state: ConferenceState, deadline_s: float = float("inf")) -> None:
        self.state, self._deadline_s = state, deadline_s

    def _ring(self, event: ConferenceEvent, now_s: float) -> list[ConferenceCommand]:
        assert isinstance(event, GuestInvited)
        self.guest, self._accepted = event.target, False
        self._enter(_State.RINGING, now_s + self.options.ring_s)
        return [RingTarget(target=event.target)]

    def _refuse(self, event: ConferenceEvent, now_s: float) -> list[ConferenceCommand]:
        return [RefuseInvitation()]

    def _brief(self, event: ConferenceEvent, now_s: float) -> list[ConferenceCommand]:
        assert isinstance(event, TargetAnswered)
        if self._accepted:
            return self._join(event, now_s)
        if event.sees_context:
            return self._await_acceptance(event, now_s)
        self._enter(_State.BRIEFING, now_s + self.options.brief_s)
        return [SayBrief()]

    def _accept_before_leg(self, event: ConferenceEvent, now_s: float) -> list[ConferenceCommand]:
        self._accepted = True
        self._deadline_s = now_s + self.options.connect_s
        return []

    def _await_acceptance(self, event: ConferenceEvent, now_s: float) -> list[ConferenceCommand]:
        self._enter(_State.DECIDING, now_s + self.options.accept_timeout_s)
        return []

    def _accept_during_brief(self, event: ConferenceEvent, now_s: float) -> list[ConferenceCommand]:
        return [StopBrief(), *self._join(event, now_s)]

    def _join(self, event: ConferenceEvent, now_s: float) -> list[ConferenceCommand]:
        self._enter(_State.JOINED)
        return [JoinGuest()]

    def _check(self, event: ConferenceEvent, now_s: float) -> list[ConferenceCommand]:
        if now_s < self._deadline_s:
            return []
        return self._give_up("no_answer" if self.state is _State.RINGING else "not_accepted")

    def _does_not_come(self, event: ConferenceEvent, now_s: float) -> list[ConferenceCommand]:
        match event:
            case TargetFailed(reason=reason):
                return self._give_up(reason)
            case TargetDeclined():
                return self._give_up("declined")
            case _:  # the leg's own reason would read as if the caller had gone
                return self._give_up("guest_gone")

    def _give_up(self, reason: str) -> list[ConferenceCommand]:
        return [*self._let_go(reason), TellHost(reason=reason)]

    def _let_go(self, reason: str) -> list[ConferenceCommand]:
        brief = [StopBrief()] if self.state is _State.BRIEFING else []
        self.guest = None
        self._enter(_State.ALONE)
        return [*brief, ReleaseTarget(reason=reason)]

    def _guest_left(self, event: ConferenceEvent, now_s: float) -> list[ConferenceCommand]:
        return self._give_up("left")

    def _host_left_early(self, event: ConferenceEvent, now_s: float) -> list[ConferenceCommand]:
        return self._let_go("host_left")

    def _host_left(self, event: ConferenceEvent, now_s: float) -> list[ConferenceCommand]:
        self.guest = None
        self._enter(_State.ALONE)
        return [PromoteGuest()]

    def _end(self, event: ConferenceEvent, now_s: float) -> list[ConferenceCommand]:
        assert isinstance(event, TalkEnded)
        return self._let_go(event.reason)

    _TABLE: ClassVar[dict[tuple[ConferenceState, type[ConferenceEvent]], _Rule]] = {
        (_State.ALONE, GuestInvited): _ring,
        **dict.fromkeys(product((*_COMING, _State.JOINED), [GuestInvited]), _refuse),
        (_State.RINGING, TargetAnswered): _brief,
        (_State.RINGING, TargetAccepted): _accept_before_leg,
        (_State.BRIEFING, BriefEnded): _await_acceptance,
        (_State.BRIEFING, TargetAccepted): _accept_during_brief,
        (_State.DECIDING, TargetAccepted): _join,
        **dict.fromkeys(product(_COMING, [TimePassed]), _check),
        **dict.fromkeys(product(_COMING, _ENDS), _does_not_come),
        **dict.fromkeys(product([_State.JOINED], _ENDS), _guest_left),
        **dict.fromkeys(product(_COMING, [HostLeft]), _host_left_early),
        (_State.JOINED, HostLeft): _host_left,
        **dict.fromkeys(product((*_COMING, _State.JOINED), [TalkEnded]), _end),
    }  # fmt: skip
