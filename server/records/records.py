"""The records: every call, its turns and its actions."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import asyncpg

from actions.database import FAILURES, Database, describe
from actions.ledger import actions_of_call
from actions.sql import MigrationError
from server.records import rows
from server.records.calls import (
    CallDetail,
    CallRecord,
    CallStart,
    call_from_row,
    turn_from_row,
)
from server.records.desk import LIST_LIMIT, QUERY_TIMEOUT_S, DeskRecords
from server.records.errors import RecordsSetupError, RecordsUnavailableError
from server.records.spool import Spool
from server.records.writer import SQL, SpoolWriter
from voice.events import TurnRecord

_PING_TIMEOUT_S: Final = 2.0
_OPEN_WAIT_S: Final = 10.0
_CLOSE_WAIT_S: Final = 5.0

# Waiting does not mend these.
_MISCONFIGURED: Final = (
    asyncpg.ClientConfigurationError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)


class Records:
    """Open with `Records.open`; writes never block or raise, queries ask the database."""

    def __init__(self, database: Database, spool: Spool) -> None:
        self._database = database
        self._spool = spool
        self._life = uuid4()
        self._writer = SpoolWriter(database, spool, self._life)
        self.desk = DeskRecords(database, self._writer, instance=spool.instance, life=self._life)
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, dsn: str, spool_folder: Path, *, wait_s: float = _OPEN_WAIT_S) -> "Records":
        """Begin to keep records.

        Calls and hand-offs that an earlier life of this server left open are marked as ended by
        `server_crash`, after what it had not yet written is written. When the database does not
        answer within `wait_s`, writes go to the spool until it does.

        Args:
            dsn: the database.
            spool_folder: on a disk that survives; one server each.
            wait_s: how long to wait for the database.

        Raises:
            RecordsSetupError: waiting will not help; the message tells what will.
        """
        try:
            database = Database(dsn)
        except ValueError as error:
            raise RecordsSetupError(f"DATABASE_URL cannot be read: {error}") from error
        records = cls(database, Spool(spool_folder))
        try:
            await records._start(wait_s)
        except BaseException:
            await records.close()
            raise
        return records

    @property
    def spooled(self) -> int:
        """Bytes that wait in the spool for the database."""
        return self._writer.backlog_bytes

    @property
    def accepted(self) -> int:
        """Rows taken over in this life."""
        return self._writer.accepted

    @property
    def written(self) -> int:
        """Rows the database confirmed in this life."""
        return self._writer.written

    @property
    def rejected(self) -> int:
        """Rows the database will never take; they lie in the spool folder's rejected.jsonl."""
        return self._writer.rejected

    @property
    def lost(self) -> int:
        """Rows given up: the disk was full, the database away, and memory over its bound."""
        return self._writer.lost

    # --- writes: acknowledged when they return, in the database soon ------------------------------

    def call_started(self, call: CallStart) -> None:
        self._writer.accept(rows.call_started(call, self._spool.instance, self._life))

    def call_answered(self, call_id: UUID, at: datetime) -> None:
        self._writer.accept(rows.call_answered(call_id, at))

    def call_ended(
        self,
        call_id: UUID,
        at: datetime,
        *,
        reason: str,
        outcome: str | None = None,
        recording_path: str | None = None,
    ) -> None:
        self._writer.accept(rows.call_ended(call_id, at, reason, outcome, recording_path))

    def turn(self, call_id: UUID, record: TurnRecord) -> None:
        """Write a turn; again with the same index replaces it."""
        self._writer.accept(rows.turn(call_id, record))

    # --- queries ----------------------------------------------------------------------------------

    async def get_call(self, call_id: UUID) -> CallDetail | None:
        """One call with its turns and effects, None when there is none.

        Raises:
            RecordsUnavailableError: the database does not answer.
        """
        try:
            async with self._database.connection(QUERY_TIMEOUT_S) as connection:
                call = await connection.fetchrow(SQL["find_call"], call_id)
                if call is None:
                    return None
                return CallDetail(
                    call=call_from_row(call),
                    turns=[
                        turn_from_row(row)
                        for row in await connection.fetch(SQL["turns_of_call"], call_id)
                    ],
                    actions=await actions_of_call(connection, str(call_id)),
                )
        except FAILURES as error:
            raise RecordsUnavailableError(describe(error)) from error

    async def list_calls(self, limit: int = 50, before: UUID | None = None) -> Sequence[CallRecord]:
        """Calls, newest first.

        Args:
            limit: at most 500.
            before: the last call of the page before.

        Raises:
            RecordsUnavailableError: the database does not answer.
        """
        try:
            async with self._database.connection(QUERY_TIMEOUT_S) as connection:
                found = await connection.fetch(SQL["list_calls"], min(limit, LIST_LIMIT), before)
        except FAILURES as error:
            raise RecordsUnavailableError(describe(error)) from error
        return [call_from_row(row) for row in found]

    async def ping(self) -> bool:
        """Whether the database answers."""
        try:
            async with self._database.connection(_PING_TIMEOUT_S) as connection:
                await connection.fetchval("SELECT 1")
        except FAILURES:
            return False
        return True

    async def drain(self, timeout_s: float) -> bool:
        """Wait until the database has every row; False when the time is over first."""
        try:
            await asyncio.wait_for(self._writer.drained(), timeout_s)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Write what can be written soon; the rest stays in the spool for the next life."""
        if self._task is not None:
            if not self._writer.database_away:
                await self.drain(_CLOSE_WAIT_S)
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._writer.clear()
            await self._writer.sync()
        await self._database.close()
        self._spool.close()

    async def _start(self, wait_s: float) -> None:
        """Start the writer; what waiting cannot mend is raised here."""
        try:
            await asyncio.wait_for(self._writer.set_up_once(), wait_s)
        except MigrationError as error:
            raise RecordsSetupError(str(error)) from error
        except _MISCONFIGURED as error:
            raise RecordsSetupError(
                f"the database refuses us: {error}: fix DATABASE_URL"
            ) from error
        except FAILURES:
            pass  # away; the writer keeps trying
        self._task = asyncio.create_task(self._writer.run(), name="records-writer")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._writer.set_up.wait(), wait_s)
