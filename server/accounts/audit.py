"""The audit: who signed in, heard a recording, spoke into a call, changed whose rights.

Theory of operation: each entry carries the hash of the one before it and its own, so that an entry
that is changed, left out or put in between breaks the chain where it stands. Entries are written
one at a time, under a lock of the database, in the transaction of what they tell of. What was cut
off at the end shows only to whoever kept an earlier head.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from asyncpg import Record

from actions.database import Connection
from actions.sql import load_queries
from server.accounts.database import AccountsDatabase
from server.accounts.users import Actor

_SQL: Final = load_queries(Path(__file__).parent / "sql" / "audit.sql")
_LOCK: Final = 0x6175646974  # any fixed number: the advisory lock of the chain's end
_FIRST: Final = bytes(32)  # what the first entry has before it
_PAGE: Final = 1000
_LIST_LIMIT: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """Something that somebody did; `kind` in the past tense."""

    kind: str
    actor: Actor
    subject: str = ""  # what it was done to: a user's id, a call's
    detail: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    seq: int
    at: datetime
    kind: str
    actor: str
    actor_name: str
    address: str
    subject: str
    detail: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a look at the whole chain found."""

    entries: int  # that are as they were written
    head: str  # hex: the hash of the last of them
    broken_at: int | None  # the first entry that is not, or is missing; None: all are well


class Audit:
    """Every method may raise RecordsUnavailableError: what cannot be audited is not done."""

    def __init__(self, database: AccountsDatabase) -> None:
        self._database = database

    async def write(self, event: AuditEvent, at: datetime | None = None) -> None:
        """Append one event; it is in the database when this returns."""
        async with self._database.changing() as connection:
            await append(connection, event, at or datetime.now(UTC))

    async def entries(self, limit: int = 50, before: int | None = None) -> Sequence[AuditEntry]:
        """The latest entries, newest first, at most 500; `before`: the last of the page before."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["latest"], min(limit, _LIST_LIMIT), before)
        return [_entry(row) for row in rows]

    async def verify(self) -> Verdict:
        """Follow the chain from the first entry to the last."""
        previous, seq = _FIRST, 0
        while True:
            async with self._database.reading() as connection:
                rows = await connection.fetch(_SQL["page"], seq, _PAGE)
            if not rows:
                return Verdict(entries=seq, head=previous.hex(), broken_at=None)
            for row in rows:
                whole = row["seq"] == seq + 1 and row["previous"] == previous
                if not whole or _hash(previous, _entry(row)) != row["hash"]:
                    return Verdict(entries=seq, head=previous.hex(), broken_at=seq + 1)
                previous, seq = row["hash"], row["seq"]


async def append(connection: Connection, event: AuditEvent, at: datetime) -> None:
    """Append within the transaction of what the event tells of."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    last = await connection.fetchrow(_SQL["last"])
    previous = last["hash"] if last else _FIRST
    entry = AuditEntry(
        seq=last["seq"] + 1 if last else 1,
        at=at,
        kind=event.kind,
        actor=event.actor.key,
        actor_name=_storable(event.actor.name),
        address=_storable(event.actor.address),
        subject=_storable(event.subject),
        detail={name: _storable(text) for name, text in event.detail.items()},
    )
    await connection.execute(
        _SQL["append"],
        entry.seq,
        entry.at,
        entry.kind,
        entry.actor,
        entry.actor_name,
        entry.address,
        entry.subject,
        entry.detail,
        previous,
        _hash(previous, entry),
    )


def _hash(previous: bytes, entry: AuditEntry) -> bytes:
    fields = [
        entry.seq,
        entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        entry.kind,
        entry.actor,
        entry.actor_name,
        entry.address,
        entry.subject,
        dict(entry.detail),
    ]
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return sha256(previous + text.encode()).digest()


def _entry(row: Record) -> AuditEntry:
    return AuditEntry(
        seq=row["seq"],
        at=row["at"],
        kind=row["kind"],
        actor=row["actor"],
        actor_name=row["actor_name"],
        address=row["address"],
        subject=row["subject"],
        detail=row["detail"],
    )


def _storable(text: str) -> str:
    """As PostgreSQL keeps it, or the hash would be of something else."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
