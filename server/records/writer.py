"""Carries rows from the spool to the database, in order, each exactly once in effect.

Theory of operation: `accept` appends to the spool and returns. One task reads the spool from where
it left off, executes a batch in one transaction, and moves on. When nothing is left the spool is
cleared, once nothing has come for a while or it has grown; not each time, because a file is not cut
before the disk has written what it is at, and this loop serves calls. While the database is away
rows stay in the spool, which is flushed to the disk, and the task tries again. After a crash the
whole spool is executed again, which changes nothing for rows that had arrived: every query is
idempotent. Only when the disk refuses a row does it wait in memory, bounded; from then on so do
those after it, until the database has them all, to keep the order.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg

from actions.database import FAILURES, Connection, Database, describe
from actions.ledger import migrate_actions
from actions.sql import MigrationError, load_queries, migrate
from server.records.rows import Row, decode, encode
from server.records.spool import Spool

_log = logging.getLogger(__name__)

_HERE: Final = Path(__file__).parent
SQL: Final = {
    **load_queries(_HERE / "sql" / "records.sql"),
    **load_queries(_HERE / "sql" / "desk.sql"),
}
_END_CRASHED: Final = ("end_crashed", "end_crashed_handoffs", "end_crashed_presence")

_BATCH_BYTES: Final = 262_144  # some 300 turns: a transaction of tens of milliseconds
_BATCH_TIMEOUT_S: Final = 15.0
_SETUP_TIMEOUT_S: Final = 60.0
_BACKOFF_FIRST_S: Final = 0.05
_BACKOFF_MAX_S: Final = 1.0  # also how old an unflushed row can get while the database is away
_CLEARED_BYTES: Final = 1_000_000  # a minute of a hundred calls; a crash repeats no more than that
_QUIET_S: Final = 5.0  # nothing has come for so long
_MEMORY_ROWS: Final = 10_000  # with a full disk and no database; the oldest are lost beyond that

# The database is well and will never take this row.
_POISON: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


async def migrate_records(connection: Connection) -> None:
    """Make or upgrade the tables of records and accounts.

    Raises:
        MigrationError: the database is newer than this program.
    """
    await migrate(connection, _HERE / "migrations", component="records")


class SpoolWriter:
    """The only writer of one spool. `accept` on the loop that runs `run`."""

    def __init__(self, database: Database, spool: Spool, life: UUID) -> None:
        self._database = database
        self._spool = spool
        self._life = life
        self._inherited_size = spool.size  # what an earlier life left
        self._offset = 0
        self._synced_size = 0
        self._memory: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._set_up = False
        self.set_up = asyncio.Event()
        """Set once the tables are there and what an earlier life left is in the database."""
        self.database_away = False
        """Whether the last try to write failed."""
        self.accepted = 0
        self.written = 0
        self.rejected = 0
        self.lost = 0
        if spool.size:
            self._wake.set()

    @property
    def backlog_bytes(self) -> int:
        """What the database does not have yet."""
        return self._spool.size - self._offset + sum(map(len, self._memory))

    def accept(self, row: Row) -> None:
        """Take a row over: from here it outlives this process. Never blocks, never raises."""
        line = encode(row)
        self.accepted += 1
        self._idle.clear()
        self._wake.set()
        if not self._memory:
            try:
                self._spool.append(line)
            except OSError as error:
                _log.error("spool refuses rows", extra={"error": error.strerror})
            else:
                return
        if len(self._memory) >= _MEMORY_ROWS:
            self._memory.popleft()
            self.lost += 1
        self._memory.append(line)

    async def drained(self) -> None:
        """Wait until the database has all."""
        await self._idle.wait()

    async def run(self) -> None:
        """Write until cancelled."""
        delay_s = _BACKOFF_FIRST_S
        while True:
            try:
                await self._carry()
            except (*FAILURES, MigrationError) as error:
                self.database_away = True
                _log.warning("records wait for the database", extra={"error": describe(error)})
                await self.sync()
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, _BACKOFF_MAX_S)
            else:
                self.database_away = False
                delay_s = _BACKOFF_FIRST_S
                await self._more()

    async def set_up_once(self) -> None:
        """Make or upgrade the tables.

        Raises:
            MigrationError: the database is newer than this program.
            FAILURES: the database does not answer, or refuses us.
        """
        if self._set_up:
            return
        async with self._database.connection(_SETUP_TIMEOUT_S) as connection:
            await migrate_actions(connection)
            await migrate_records(connection)
        self._set_up = True

    async def _carry(self) -> None:
        """Write all there is."""
        await self.set_up_once()
        self._wake.clear()
        while self._offset < self._spool.size:
            await self._carry_batch()
            await self._end_crashed()
        await self._end_crashed()
        while self._memory:
            await self._carry_memory()
        self._idle_if_done()

    async def _carry_batch(self) -> None:
        data = await asyncio.to_thread(self._spool.read, self._offset, _BATCH_BYTES)
        if not data:
            raise OSError("the spool was cut short by somebody else")
        await self._write(data.splitlines(keepends=True))
        self._offset += len(data)
        if self._offset >= _CLEARED_BYTES:
            self.clear()

    def clear(self) -> None:
        """Forget what the database has, if it has all; it may take as long as the disk does."""
        if self._spool.size and self._offset == self._spool.size:
            # Should the disk refuse, the rows are executed again after a crash: harmless.
            with contextlib.suppress(OSError):
                self._spool.clear()
                self._inherited_size = self._offset = self._synced_size = 0

    async def _more(self) -> None:
        """Wait until there is more to write."""
        try:
            async with asyncio.timeout(_QUIET_S):
                await self._wake.wait()
        except TimeoutError:
            self.clear()
            await self._wake.wait()

    async def _carry_memory(self) -> None:
        lines = list(self._memory)
        await self._write(lines)
        for line in lines:
            if self._memory and self._memory[0] is line:
                self._memory.popleft()

    async def _end_crashed(self) -> None:
        """Once what an earlier life left is written, what it had open is over."""
        if self.set_up.is_set() or self._offset < self._inherited_size:
            return
        async with (
            self._database.connection(_BATCH_TIMEOUT_S) as connection,
            connection.transaction(),
        ):
            for query in _END_CRASHED:
                await connection.execute(SQL[query], self._spool.instance, self._life)
        self.set_up.set()

    async def _write(self, lines: Sequence[bytes]) -> None:
        try:
            await self._write_together(lines)
        except _POISON:
            for line in lines:
                await self._write_alone(line)

    async def _write_together(self, lines: Sequence[bytes]) -> None:
        """All of them in one transaction, or none; damaged lines are set aside afterwards."""
        rows, damaged = _decode(lines)
        if rows:
            async with (
                self._database.connection(_BATCH_TIMEOUT_S) as connection,
                connection.transaction(),
            ):
                for query, parameters in rows:
                    await connection.execute(SQL[query], *parameters)
        self.written += len(rows)
        for line in damaged:
            self._reject(line, "damaged")

    async def _write_alone(self, line: bytes) -> None:
        try:
            await self._write_together([line])
        except _POISON as error:
            self._reject(line, type(error).__name__)

    def _reject(self, line: bytes, reason: str) -> None:
        self.rejected += 1
        _log.error("row set aside", extra={"reason": reason})
        with contextlib.suppress(OSError):
            self._spool.set_aside(line)

    async def sync(self) -> None:
        """Make what is in the spool outlive the machine; a failure is logged."""
        size = self._spool.size
        if size == self._synced_size:
            return
        try:
            await asyncio.to_thread(self._spool.sync)
        except OSError as error:
            _log.error("spool cannot be flushed", extra={"error": error.strerror})
        else:
            self._synced_size = size

    def _idle_if_done(self) -> None:
        if self._offset == self._spool.size and not self._memory:
            self._idle.set()


def _decode(lines: Sequence[bytes]) -> tuple[list[Row], list[bytes]]:
    rows: list[Row] = []
    damaged: list[bytes] = []
    for line in lines:
        try:
            rows.append(decode(line))
        except ValueError:
            damaged.append(line)
    return rows, damaged
