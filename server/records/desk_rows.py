"""What happens at the desk as rows for the spool; pure. Queries are in sql/desk.sql."""

from datetime import datetime
from typing import Any
from uuid import UUID

from server.records.desk_facts import (
    CallbackPromise,
    CountedInterval,
    Disposition,
    HandOffProgress,
    HandOffRequest,
    Note,
    OverheardLine,
)
from server.records.rows import Row


def handoff_requested(request: HandOffRequest, instance: UUID, life: UUID) -> Row:
    return "handoff_requested", (
        str(request.id),
        str(request.call_id),
        request.requested_at.isoformat(),
        request.reason,
        request.skill,
        dict(request.context),
        str(instance),
        str(life),
    )


def handoff_progressed(handoff_id: UUID, progress: HandOffProgress) -> Row:
    return "handoff_progressed", _progress(handoff_id, progress)


def handoff_ended(
    handoff_id: UUID, progress: HandOffProgress, ended_at: datetime, outcome: str
) -> Row:
    return "handoff_ended", (*_progress(handoff_id, progress), ended_at.isoformat(), outcome)


def presence_changed(
    agent: str, at: datetime, state: str, reason: str, instance: UUID, life: UUID
) -> Row:
    return "presence_changed", (agent, at.isoformat(), state, reason, str(instance), str(life))


def note_saved(note: Note) -> Row:
    return "note_saved", (str(note.call_id), note.agent, note.text, note.saved_at.isoformat())


def disposition_saved(disposition: Disposition) -> Row:
    return "disposition_saved", (
        str(disposition.call_id),
        disposition.agent,
        disposition.code,
        disposition.text,
        disposition.saved_at.isoformat(),
    )


def callback_promised(promise: CallbackPromise) -> Row:
    return "callback_promised", (
        str(promise.id),
        str(promise.call_id),
        promise.number,
        promise.skill,
        promise.place,
        promise.queued_at.isoformat(),
        promise.promised_at.isoformat(),
    )


def callback_settled(callback_id: UUID, at: datetime, outcome: str) -> Row:
    return "callback_settled", (str(callback_id), at.isoformat(), outcome)


def overheard(call_id: UUID, line: OverheardLine) -> Row:
    return "overheard", (str(call_id), line.at_s, line.who, line.text)


def _progress(handoff_id: UUID, progress: HandOffProgress) -> tuple[Any, ...]:
    return (
        str(handoff_id),
        progress.agent,
        _iso(progress.rang_at),
        _iso(progress.accepted_at),
        [
            {"agent": each.agent, "rang_at": each.rang_at.isoformat(), "outcome": each.outcome}
            for each in progress.attempts
        ],
    )


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def interval_counted(counted: CountedInterval, instance: UUID, life: UUID) -> Row:
    counters = counted.counters
    return "interval_counted", (
        str(instance),
        str(life),
        counted.queue,
        counted.starts_at.isoformat(),
        counted.interval_s,
        counters.offered,
        counters.answered,
        counters.answered_in_time,
        counters.abandoned,
        counters.abandoned_short,
        counters.redirected,
        counters.overflowed,
        {why.value: count for why, count in counters.given_up.items()},
        counters.waited_s,
        counters.longest_wait_s,
        counters.handled,
        counters.talk_s,
        counters.held_s,
        counters.wrap_up_s,
    )
