"""The record of one hand-off: who was rung, when, and what came of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from server.handoff.context import HandOffContext
from server.records.desk_facts import Attempt, HandOffProgress, HandOffRequest


class HandOffStore(Protocol):
    """Where hand-offs are kept; writing never blocks."""

    def handoff_requested(self, request: HandOffRequest) -> None: ...

    def handoff_progressed(self, handoff_id: UUID, progress: HandOffProgress) -> None: ...

    def handoff_ended(
        self, handoff_id: UUID, progress: HandOffProgress, *, at: datetime, outcome: str
    ) -> None: ...


def _now() -> datetime:
    return datetime.now(UTC)


class Attempts:
    """One hand-off's; each step is written as it happens."""

    def __init__(
        self, handoff_id: UUID, store: HandOffStore, *, wall: Callable[[], datetime] = _now
    ) -> None:
        self._id, self._store, self._wall = handoff_id, store, wall
        self._progress = HandOffProgress()
        self._ringing: tuple[str, datetime] | None = None

    def requested(self, context: HandOffContext) -> None:
        self._store.handoff_requested(
            HandOffRequest(
                id=self._id,
                call_id=context.call_id,
                requested_at=context.requested_at,
                reason=context.reason,
                skill=context.skill,
                context=context.as_json(),
            )
        )

    def rang(self, target: str) -> None:
        at = self._wall()
        self._ringing = (target, at)
        self._write(replace(self._progress, agent=target, rang_at=at))

    def accepted(self) -> None:
        """Again after a lost connection: the first time counts."""
        if self._ringing is not None:
            self.ended("accepted")
            self._write(replace(self._progress, accepted_at=self._wall()))

    def ended(self, outcome: str) -> None:
        """The ringing ended so; idempotent."""
        ringing, self._ringing = self._ringing, None
        if ringing is None:
            return
        target, rang_at = ringing
        attempt = Attempt(agent=target, rang_at=rang_at, outcome=outcome)
        self._write(replace(self._progress, attempts=(*self._progress.attempts, attempt)))

    def joined_in(self, guest: str, rang_at: datetime) -> None:
        """Whoever has the call asked this agent in, and they came."""
        attempt = Attempt(agent=guest, rang_at=rang_at, outcome="joined_in")
        self._write(replace(self._progress, attempts=(*self._progress.attempts, attempt)))

    def took_over(self, guest: str) -> None:
        """The call is theirs: who had it before left."""
        self._write(replace(self._progress, agent=guest))

    def concluded(self, outcome: str) -> None:
        """The hand-off is over."""
        self.ended("gone")
        self._store.handoff_ended(self._id, self._progress, at=self._wall(), outcome=outcome)

    def _write(self, progress: HandOffProgress) -> None:
        self._progress = progress
        self._store.handoff_progressed(self._id, progress)
