"""The vocabulary of a warm transfer: what happens to it, and what it asks for.

Events are named in the past tense, commands in the imperative; telephony/transfer.py is the machine
between them. The caller is one leg, the target (an agent at the desk, a SIP phone, an extension, an
outside number) the other, and frontdesk stands between them until it leaves.

The target's events are those of the target that was rung last: whatever a line still reports after
ReleaseTarget is dropped by who carries out the commands.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias


class TransferMode(StrEnum):
    """How the caller is given away."""

    WARM = "warm"  # bridged here: ring, brief, join; the caller can always be taken back
    ATTENDED = "attended"  # ring and brief here, then REFER with Replaces: the media path is freed
    BLIND = "blind"  # REFER at once: the far end takes over, its NOTIFYs say how it went


class Recovery(StrEnum):
    """What becomes of a caller whom nobody took."""

    CALLBACK = "callback"  # they chose to be called back, or were promised it
    VOICEMAIL = "voicemail"
    DIALOG = "dialog"  # back to frontdesk, which says what can be done


# --- what happened --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRequested:
    """The caller is to be given to a person.

    target: an agent's id or an address to dial; None: whoever the queue picks.
    """

    mode: TransferMode = TransferMode.WARM
    target: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPicked:
    """The queue gave this caller a target."""

    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueGaveUp:
    """Nobody will come: `closed`, `full`, `waited_too_long`, `nobody_signed_in`."""

    reason: str
    recovery: Recovery


LOSSES: Final = frozenset({"network_error", "media_timeout", "browser_closed"})
"""Reasons of TargetGone that nobody chose: the target may be back in a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRinging:
    """The target's phone or desk rings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetAnswered:
    """The target hears us: their leg is up. They have not taken the caller yet.

    Of a target that was lost in the conversation: they are back, on a new leg.
    """

    sees_context: bool = False  # the desk is open before them: nothing needs to be spoken


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetAccepted:
    """The target takes the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetDeclined:
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFailed:
    """No leg came up: `busy`, `no_answer`, `unreachable`, `voicemail`, or a SIP status."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetGone:
    """The target's leg ended after it was up.

    reason: one of LOSSES, when nobody meant to end it; anything else is a hang-up.
    """

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BriefEnded:
    """The spoken brief was said to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferProgressed:
    """What a NOTIFY of a REFER of ours reports, or how the REFER itself was answered.

    answer: the status is the REFER's own. A 2xx of it says only that the far end will try
    (RFC 3515 §2.4.2); whether it reached the target is what the NOTIFYs say (§2.4.5).
    """

    status: int
    answer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerGone:
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerChose:
    """The caller, waiting, asked for this instead."""

    recovery: Recovery


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReturned:
    """The agent gives the call back to frontdesk, at a named step of the flow if there is one."""

    step: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTransferredOn:
    """The agent gives the call to somebody else."""

    mode: TransferMode = TransferMode.WARM
    target: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePassed:
    """Sent often enough for every deadline, at least once a second."""


TransferEvent: TypeAlias = (
    TransferRequested
    | TargetPicked
    | QueueGaveUp
    | TargetRinging
    | TargetAnswered
    | TargetAccepted
    | TargetDeclined
    | TargetFailed
    | TargetGone
    | BriefEnded
    | ReferProgressed
    | CallerGone
    | CallerChose
    | CallReturned
    | AgentTransferredOn
    | TimePassed
)


# --- what is asked for ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldCaller:
    """The caller hears music and announcements, and nothing of what is said elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterQueue:
    """Wait for whoever is free; `first`: before the others, for who was turned away already."""

    first: bool = False
    without: tuple[str, ...] = ()  # targets that declined or did not answer this caller


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveQueue:
    """Wait no longer: `caller_hangup`, `caller_chose`, `took_too_long`; the queue counts by it."""

    reason: str = "caller_hangup"


@dataclass(frozen=True, slots=True, kw_only=True)
class RingTarget:
    """Show the context to the target, and ring."""

    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseTarget:
    """Cancel the ringing or hang up the target's leg; `reason` is for the desk and the records.

    Only `no_answer` and `not_accepted` are the target's own doing: with any other reason a target
    that was rung has missed nothing.

    Of a target that was lost in the conversation: they may not come back to this caller any more.
    """

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SayBrief:
    """Tell the target, and nobody else, who waits and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopBrief:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinCaller:
    """Caller and target hear each other from now on; music and brief end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRefer:
    """REFER the caller's leg to the target; with Replaces when the target's leg is up."""

    target: str
    replaces_target: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBack:
    """The caller is frontdesk's again.

    step: where the dialog goes on; None: it says that nobody could be reached, and why.
    """

    reason: str
    recovery: Recovery = Recovery.DIALOG
    step: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndTransfer:
    """It is over and nothing is left to hold: `caller_hangup`, `agent_hangup`, `referred`.

    Whatever is left of the caller's leg is hung up.
    """

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginWrapUp:
    """The agent who had the call finishes their notes."""

    target: str


TransferCommand: TypeAlias = (
    HoldCaller
    | EnterQueue
    | LeaveQueue
    | RingTarget
    | ReleaseTarget
    | SayBrief
    | StopBrief
    | JoinCaller
    | SendRefer
    | TakeBack
    | EndTransfer
    | BeginWrapUp
)
