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
from server.handoff.ports import AgentLines, LineEvent, Offer
from server.handoff.stage import StageWorld
from server.handoff.waiting_room import WaitingRoom
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWorld:
    """What all runs share."""

    lines: AgentLines
    queue: WaitingRoom
    stage: StageWorld
    callbacks: CallbackDesk
    refer: Refers
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
