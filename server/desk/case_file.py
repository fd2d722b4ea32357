"""What is known and noted of one call on a desk, from the offer to the end of its wrap-up."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from server.desk.protocol import PendingAction, TranscriptLine
from server.handoff.context import HandOffContext
from server.handoff.ports import Offer

_LINES_KEPT: Final = 1_000  # two hours of talk; the records keep everything


@dataclass(slots=True, kw_only=True)
class CaseFile:
    """One per offer; the line fills it, the wrap-up finishes it."""

    offer_id: UUID
    context: HandOffContext
    transcript: deque[TranscriptLine] = field(
        default_factory=lambda: deque[TranscriptLine](maxlen=_LINES_KEPT)
    )
    note: str = ""
    disposition: str | None = None
    approvals: tuple[PendingAction, ...] = ()

    @classmethod
    def of(cls, offer: Offer) -> "CaseFile":
        case = cls(offer_id=offer.id, context=offer.context)
        case.transcript.extend(
            TranscriptLine(who=line.who, text=line.text, at_s=line.at_s, heard=line.heard)
            for line in offer.context.lines
        )
        return case

    @property
    def call_id(self) -> UUID:
        return self.context.call_id

    def said(self, who: str, text: str, wall: Callable[[], datetime]) -> TranscriptLine:
        """Add a line that was said now."""
        at_s = (wall() - self.context.started_at).total_seconds()
        line = TranscriptLine(who=who, text=text, at_s=max(0.0, round(at_s, 2)))
        self.transcript.append(line)
        return line
