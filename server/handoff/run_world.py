"""What all hand-offs share, and what a hand-off is to the sides of its targets."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from server.handoff.announcements import Announcements
from server.handoff.attempts import Attempts
from server.handoff.context import HandOffContext
from server.handoff.in_hand import CallInHand
from server.handoff.phone_line import PhoneLine
from server.handoff.ports import AgentLine, AgentLines, LineEvent, Offer
from server.handoff.stage import StageWorld
from server.handoff.waiting_room import WaitingRoom
from telephony.sip.referral import ReferRequest
from telephony.sip.replaces import Replaces
from telephony.transfer import TransferOptions, TransferState
from telephony.transfer_events import ReferProgressed, TransferEvent
from voice.events import HandOff
from voice.ports import AudioLeg


class CallbackDesk(Protocol):
    """Promises callbacks: server.handoff.callbacks.Callbacks."""

    def can_call(self, call: CallInHand) -> bool:
        """Whether this caller could be called back."""
        ...

    def promise(self, call: CallInHand, handoff: HandOff, context: HandOffContext) -> None:
        """Keep the place of a caller who waits."""
        ...

    def tick(self) -> None: ...


class Refers(Protocol):
    """Sends REFERs on legs that can; SIP ones."""

    def __call__(
        self, leg: AudioLeg, target: str, *, replaces: AudioLeg | None, context: HandOffContext
    ) -> AsyncIterator[ReferProgressed]: ...


class OtherRun(Protocol):
    """The hand-off in which a consultation through frontdesk is."""

    @property
    def skill(self) -> str | None:
        """Which queue it waits in, or waited in."""
        ...

    def surrender(self) -> tuple[str, AgentLine, AudioLeg] | None:
        """Give whoever has its caller to another hand-off; None: nobody has."""
        ...

    def over(self, reason: str) -> None:
        """End it, and its call."""
        ...


class Consultations(Protocol):
    """The calls that telephones made to whom they consulted."""

    def line(self, request: ReferRequest, handoff_id: UUID) -> PhoneLine:
        """A line to whom was consulted, which takes the telephone's place; not yet ringing."""
        ...

    def own(self, replaces: Replaces) -> CallInHand:
        """The call to frontdesk that is named so.

        Raises:
            DialogError: no call of ours is (481), or not one whose caller could be another.
        """
        ...

    def run_of(self, own: CallInHand) -> OtherRun | None:
        """The hand-off that such a call is in; None: frontdesk's dialog has it."""
        ...

    def hang_up(self, own: CallInHand) -> None:
        """End such a call that is in no hand-off."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWorld:
    """What all runs share."""

    lines: AgentLines
    queue: WaitingRoom
    stage: StageWorld
    callbacks: CallbackDesk
    refer: Refers
    consultations: Consultations
    attempts: Callable[[UUID], Attempts]
    context: Callable[[CallInHand, HandOff, UUID, datetime], HandOffContext]
    known_agent: Callable[[CallInHand], Awaitable[str | None]]  # whom a caller had before; soon
    summarise: Callable[[HandOffContext], Awaitable[tuple[str, ...]]]  # may take seconds
    brief: Callable[[HandOffContext], str]
    name_of: Callable[[str], str]  # how people know a target
    clock: Callable[[], float]
    announcements: Announcements
    options: TransferOptions
    on_line: Callable[[UUID, str, str, float], None]  # call, who, text, seconds since the answer


class Run(Protocol):
    """One hand-off, as the side of its target sees it."""

    call: CallInHand

    @property
    def state(self) -> TransferState: ...

    def tell(self, event: TransferEvent) -> None:
        """Tell the machine, after whatever it is being told already."""
        ...

    def tell_before(self, event: TransferEvent, then: Callable[[], None]) -> None:
        """Tell the machine, which hears of it before what `then` leads to."""
        ...

    def asked(self, event: LineEvent) -> None:
        """The target asks for something that concerns more than their own side."""
        ...

    def host_left(self) -> bool:
        """The target is gone from the conversation; whether a guest of theirs has it now."""
        ...

    def offer(self, target: str) -> Offer:
        """The caller, offered to this target as things stand."""
        ...
