"""Calls as the records hold them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Record

from actions.ports import LedgerEntry
from telephony.leg import CallerInfo
from voice.events import Hypothesis, TurnRecord, TurnTimes, Understanding


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStart:
    """A call as it arrives."""

    id: UUID
    network_call_id: str  # the network's own id: the SIP Call-ID
    caller: str
    callee: str
    transport: str
    started_at: datetime  # with a time zone

    @classmethod
    def of(cls, call_id: UUID, info: CallerInfo, started_at: datetime) -> "CallStart":
        """The call of whom the network states this."""
        return cls(
            id=call_id,
            network_call_id=info.call_id,
            caller=info.caller,
            callee=info.callee,
            transport=info.transport,
            started_at=started_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """A call as far as it is known; while `ended_at` is None it is up."""

    id: UUID
    network_call_id: str
    caller: str
    callee: str
    transport: str
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    end_reason: str | None  # `server_crash` when we died during the call
    outcome: str | None
    recording_path: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDetail:
    call: CallRecord
    turns: Sequence[TurnRecord]
    actions: Sequence[LedgerEntry]  # effects; look-ups leave no entry


def call_from_row(row: Record) -> CallRecord:
    return CallRecord(**dict(row))


def turn_from_row(row: Record) -> TurnRecord:
    fields: dict[str, Any] = dict(row)
    understanding = fields["understanding"]
    fields["n_best"] = tuple(Hypothesis(**each) for each in fields["n_best"])
    fields["understanding"] = Understanding(**understanding) if understanding else None
    fields["actions"] = tuple(fields["actions"])
    fields["times"] = TurnTimes(**fields["times"])
    return TurnRecord(**fields)
