"""A call on its way to a person: what the hand-off is given, and what it ends in.

The caller's leg belongs to the hand-off from `serve` until it returns. Neither end of that may be
torn: set `leg.on_event` before awaiting anything, and do not await after giving it up, or the
caller's hanging up goes unnoticed.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias
from uuid import UUID

from dialog.standing import Standing
from server.handoff.story import CallStory
from telephony.leg import CallerInfo, Leg
from voice.events import HandOff, HandOffEnded
from voice.plane import MediaPlane
from voice.ports import Recorder

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInHand:
    """One answered call.

    plane: serves whoever has the call; nobody is on it when `serve` is called, nor after.
    recorder: stays open for the whole call; closed by who opened it.
    standing: where the dialog stands.
    """

    call_id: UUID
    leg: Leg
    info: CallerInfo
    plane: MediaPlane
    recorder: Recorder
    story: CallStory
    standing: Callable[[], Standing]
    started_at: datetime
    answered_at_s: float  # on the clock of the call sessions, monotonic
    has_dialog: bool = True  # it can be given back to; a call that we make has none


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """The caller is still there and frontdesk's again; the dialog is told `ended`."""

    ended: HandOffEnded


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOver:
    """The call is over for frontdesk; its leg is hung up with this reason."""

    reason: str


HandOffOutcome: TypeAlias = TakenBack | CallOver


class HandOffDesk(Protocol):
    """Gives callers to people."""

    async def serve(self, call: CallInHand, handoff: HandOff) -> HandOffOutcome:
        """Give the caller to a person; returns when frontdesk has them again, or when they left."""
        ...

    def end(self, call_id: UUID, reason: str) -> None:
        """End the hand-off of this call, and the call: `serve` returns CallOver; idempotent."""
        ...


async def serve_safely(desk: HandOffDesk, call: CallInHand, handoff: HandOff) -> HandOffOutcome:
    """What the desk makes of it; after a defect of the desk's the caller is frontdesk's again."""
    try:
        return await desk.serve(call, handoff)
    except Exception:
        log.exception("a hand-off failed by a defect; the caller is taken back")
        return TakenBack(ended=HandOffEnded(reason="internal_error"))


class NobodyThere:
    """A frontdesk without agents: nobody ever takes a caller, who is to be called back."""

    async def serve(self, call: CallInHand, handoff: HandOff) -> HandOffOutcome:
        """See HandOffDesk."""
        return TakenBack(ended=HandOffEnded(reason="nobody_signed_in", recovery="callback"))

    def end(self, call_id: UUID, reason: str) -> None:
        """See HandOffDesk; nothing goes on here that could be ended."""
