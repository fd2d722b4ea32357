"""Hand-offs kept in the records and told to others, as they happen.

handoff.requested   handoff_id, call_id and the whole context, before anyone is rung
handoff.accepted    handoff_id, agent, accepted_at: once, when a person takes the caller
handoff.ended       handoff_id, agent, outcome, ended_at, and who was rung on the way
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from server.handoff.attempts import HandOffStore
from server.records.desk_facts import HandOffProgress, HandOffRequest


class ToldStore:
    """Implements HandOffStore; passes everything on to the store that keeps it."""

    def __init__(
        self, kept: HandOffStore, tell: Callable[[str, Mapping[str, Any]], object]
    ) -> None:
        """
        Args:
            tell: takes the kind of an event and JSON-ready data, as Webhook.send; never blocks.
        """
        self._kept, self._tell = kept, tell
        self._accepted: set[UUID] = set()  # hand-offs that go on, with a person

    def handoff_requested(self, request: HandOffRequest) -> None:
        """See HandOffStore."""
        self._kept.handoff_requested(request)
        self._tell(
            "handoff.requested",
            {
                "handoff_id": str(request.id),
                "call_id": str(request.call_id),
                "context": request.context,
            },
        )

    def handoff_progressed(self, handoff_id: UUID, progress: HandOffProgress) -> None:
        """See HandOffStore."""
        self._kept.handoff_progressed(handoff_id, progress)
        if progress.accepted_at is None or handoff_id in self._accepted:
            return
        self._accepted.add(handoff_id)
        self._tell(
            "handoff.accepted",
            {
                "handoff_id": str(handoff_id),
                "agent": progress.agent,
                "accepted_at": progress.accepted_at.isoformat(),
            },
        )

    def handoff_ended(
        self, handoff_id: UUID, progress: HandOffProgress, *, at: datetime, outcome: str
    ) -> None:
        """See HandOffStore."""
        self._kept.handoff_ended(handoff_id, progress, at=at, outcome=outcome)
        self._accepted.discard(handoff_id)
        self._tell(
            "handoff.ended",
            {
                "handoff_id": str(handoff_id),
                "agent": progress.agent if progress.accepted_at else None,
                "outcome": outcome,
                "ended_at": at.isoformat(),
                "attempts": [
                    {
                        "agent": each.agent,
                        "rang_at": each.rang_at.isoformat(),
                        "outcome": each.outcome,
                    }
                    for each in progress.attempts
                ],
            },
        )
