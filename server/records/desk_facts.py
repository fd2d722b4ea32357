"""What happens at the desk, as the records hold it: hand-offs, notes, dispositions, callbacks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Record

from telephony.queue_events import GiveUpReason
from telephony.queue_statistics import Counters


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One target that was rung for a caller."""

    agent: str  # an agent's id, or an address that was dialled
    rang_at: datetime  # with a time zone
    outcome: str  # accepted, joined_in, declined, no_answer, busy, unreachable, voicemail, gone


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOffProgress:
    """How far a hand-off has come; each write holds all of it."""

    agent: str | None = None  # who is rung, or has the caller
    rang_at: datetime | None = None
    accepted_at: datetime | None = None
    attempts: Sequence[Attempt] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOffRequest:
    id: UUID
    call_id: UUID
    requested_at: datetime
    reason: str
    skill: str | None
    context: Mapping[str, Any]  # HandOffContext.as_json()


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOffRecord:
    """A hand-off as far as it is known; while `ended_at` is None it goes on."""

    id: UUID
    call_id: UUID
    requested_at: datetime
    reason: str
    skill: str | None
    context: Mapping[str, Any]
    agent: str | None
    rang_at: datetime | None
    accepted_at: datetime | None
    ended_at: datetime | None
    outcome: str | None  # `server_crash` when we died during it
    attempts: Sequence[Attempt]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What one agent wrote down during a call: the whole text, the last one counts."""

    call_id: UUID
    agent: str
    text: str
    saved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposition:
    """How the call ended for the caller, in one agent's judgement; the last one counts."""

    call_id: UUID
    agent: str
    code: str
    text: str
    saved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackPromise:
    """A caller who is to be called back, and keeps their place in line."""

    id: UUID
    call_id: UUID
    number: str
    skill: str | None
    place: int  # in line when it was promised; 1 is next
    queued_at: datetime
    promised_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackRecord:
    id: UUID
    call_id: UUID
    number: str
    skill: str | None
    place: int
    queued_at: datetime
    promised_at: datetime
    settled_at: datetime | None
    outcome: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OverheardLine:
    """One thing caller or agent said to each other."""

    at_s: float  # since the call was answered
    who: str  # caller, agent
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskDetail:
    """All of one call that happened at the desk."""

    handoffs: Sequence[HandOffRecord]
    notes: Sequence[Note]
    dispositions: Sequence[Disposition]
    overheard: Sequence[OverheardLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierCall:
    """An earlier call of the same caller, as an agent wants to know it."""

    call_id: UUID
    started_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    outcome: str | None
    summary: Sequence[str]  # of its last hand-off; empty when it had none
    actions: Sequence[str]  # as in TurnRecord.actions
    dispositions: Sequence[Mapping[str, str]]  # each with `code` and `text`
    agent: str | None  # who had it last; None: nobody took it
    note: str  # what all agents wrote down


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedInterval:
    """What one life of the server counted of one queue in one interval."""

    queue: str
    starts_at: datetime
    interval_s: int
    counters: Counters


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStatistics:
    """One agent over a span of time."""

    agent: str
    offered: int
    accepted: int
    declined: int
    mean_ring_s: float | None  # of the calls they took; None: they took none
    talk_s: float
    seconds_by_state: Mapping[str, float]  # as presence was written, offline left out


def handoff_from_row(row: Record) -> HandOffRecord:
    fields: dict[str, Any] = dict(row)
    fields["attempts"] = tuple(_attempt(each) for each in fields["attempts"])
    return HandOffRecord(**fields)


def _attempt(fields: Mapping[str, Any]) -> Attempt:
    return Attempt(
        agent=fields["agent"],
        rang_at=datetime.fromisoformat(fields["rang_at"]),
        outcome=fields["outcome"],
    )


def interval_from_row(row: Record) -> CountedInterval:
    fields: dict[str, Any] = dict(row)
    queue, starts_at, interval_s = (fields.pop(n) for n in ("queue", "starts_at", "interval_s"))
    given_up = {GiveUpReason(why): count for why, count in fields.pop("given_up").items()}
    return CountedInterval(
        queue=queue,
        starts_at=starts_at,
        interval_s=interval_s,
        counters=Counters(given_up=Counter(given_up), **fields),
    )
