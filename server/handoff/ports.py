"""What the hand-off asks of those who reach agents, and what it tells them.

An agent is reached at the desk in a browser, or on a SIP phone; both are an AgentLine. Lines report
with the target's events of telephony/transfer_events.py.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias
from uuid import UUID

from server.handoff.context import HandOffContext
from telephony.leg import OutgoingLeg
from telephony.sip.referral import ReferRequest
from telephony.transfer_events import (
    AgentTransferredOn,
    CallReturned,
    TargetAccepted,
    TargetAnswered,
    TargetDeclined,
    TargetFailed,
    TargetGone,
    TargetRinging,
)
from voice.ports import AudioLeg


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldChanged:
    """The agent put the caller on hold, or took them back."""

    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteChanged:
    """The agent's microphone is, or is no longer, heard by anyone."""

    muted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysSent:
    """The agent pressed keys for the caller's network to hear."""

    keys: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ColleagueInvited:
    """The agent wants somebody else in the conversation: a three-way call."""

    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsultedElsewhere:
    """The agent's telephone asked somebody itself, and gives them the caller (RFC 5589 §7).

    The request is to be accepted or declined within 10 s; it names what it replaces.
    """

    request: ReferRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePressedKey:
    """A DTMF key from the agent's phone: 1 takes the caller, 2 declines while the brief plays."""

    key: str


LineEvent: TypeAlias = (
    TargetRinging
    | TargetAnswered
    | TargetAccepted
    | TargetDeclined
    | TargetFailed
    | TargetGone
    | CallReturned
    | AgentTransferredOn
    | HoldChanged
    | MuteChanged
    | KeysSent
    | ColleagueInvited
    | ConsultedElsewhere
    | LinePressedKey
)


LineRequest: TypeAlias = KeysSent | ColleagueInvited | CallReturned | AgentTransferredOn
"""Of what an agent wants, what may turn out not to be possible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One caller offered to one agent."""

    id: UUID
    call_id: UUID
    agent_id: str
    context: HandOffContext
    rings_for_s: float


class AgentLine(Protocol):
    """One agent, reached for one caller. Events come on the event loop, never from within a call.

    After TargetFailed, TargetDeclined or TargetGone nothing more comes, and the leg is freed; but
    after a TargetGone for one of transfer_events.LOSSES the line waits for its agent: it reports
    TargetAnswered when they are back, on the same leg, or TargetGone for `connection_lost`.
    """

    on_event: Callable[[LineEvent], None]

    @property
    def on_telephone(self) -> bool:
        """Whether a telephone is rung, which a machine may answer; else a browser."""
        ...

    @property
    def leg(self) -> AudioLeg | None:
        """The agent's audio, from TargetAnswered on."""
        ...

    def ring(self) -> None:
        """Show the offer and ring."""
        ...

    def joined(self) -> None:
        """Agent and caller hear each other now."""
        ...

    def said(self, who: str, text: str) -> None:
        """A line of the live transcript: `caller`, `frontdesk`, `agent`."""
        ...

    def learned(self, context: HandOffContext) -> None:
        """What is known of the call has changed."""
        ...

    def refused(self, asked: LineRequest, why: str) -> None:
        """What the agent asked for was not done; `why` is for them."""
        ...

    def release(self, reason: str) -> None:
        """Stop ringing, or end the agent's part of the call; idempotent, never raises."""
        ...


class Dial(Protocol):
    """Calls an extension or a number: server.sip_door.SipDoor.dial."""

    def __call__(
        self, target: str, headers: Mapping[str, str] | None = None
    ) -> Awaitable[OutgoingLeg]: ...


class AgentLines(Protocol):
    """Every way to reach an agent."""

    def open(self, offer: Offer) -> AgentLine:
        """A line to the agent of the offer, not yet ringing.

        Raises:
            LookupError: the agent cannot be reached any more.
        """
        ...
