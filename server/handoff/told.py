"""Hand-offs on record, and told to a CRM as they happen."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from server.handoff.attempts import HandOffStore
from server.records.desk_facts import HandOffProgress, HandOffRequest


class ToldStore:
    """A HandOffStore that also sends an event for each request, acceptance and end.

    Args:
        send: server.handoff.webhook.Webhook.send; never blocks.
    """

    def __init__(
        self, store: HandOffStore, send: Callable[[str, Mapping[str, Any]], object]
    ) -> None:
        self._store, self._send = store, send
        self._accepted: set[UUID] = set()

    def handoff_requested(self, request: HandOffRequest) -> None:
        """See HandOffStore."""
        self._store.handoff_requested(request)
        self._send("handoff.requested", request.context)

    def handoff_progressed(self, handoff_id: UUID, progress: HandOffProgress) -> None:
        """See HandOffStore."""
        self._store.handoff_progressed(handoff_id, progress)
        if progress.accepted_at is not None and handoff_id not in self._accepted:
            self._accepted.add(handoff_id)
            self._send("handoff.accepted", _json(handoff_id, progress))

    def handoff_ended(
        self, handoff_id: UUID, progress: HandOffProgress, *, at: datetime, outcome: str
    ) -> None:
        """See HandOffStore."""
        self._store.handoff_ended(handoff_id, progress, at=at, outcome=outcome)
        self._accepted.discard(handoff_id)
        ended = {"ended_at": at.isoformat(), "outcome": outcome}
        self._send("handoff.ended", _json(handoff_id, progress) | ended)


def _json(handoff_id: UUID, progress: HandOffProgress) -> dict[str, Any]:
    """JSON-ready: times as ISO 8601 strings."""
    told: dict[str, Any] = {"handoff_id": str(handoff_id), **asdict(progress)}
    for key in ("rang_at", "accepted_at"):
        told[key] = told[key].isoformat() if told[key] else None
    told["attempts"] = [
        {**attempt, "rang_at": attempt["rang_at"].isoformat()} for attempt in told["attempts"]
    ]
    return told
