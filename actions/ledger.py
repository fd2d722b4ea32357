"""The ledger on PostgreSQL: every effect is in it before it goes out, its outcome after."""

import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast

from asyncpg import Record

from actions.database import FAILURES, Connection, Database, describe
from actions.errors import ActionRefusedError, KeyReusedError, LedgerUnavailableError
from actions.ports import LedgerEntry, LocalAction
from actions.request import ActionOutcome, ActionRequest, ActionStatus
from actions.sql import load_queries, migrate

_HERE: Final = Path(__file__).parent
_SQL: Final = load_queries(_HERE / "sql" / "ledger.sql")
_MIGRATION_TIMEOUT_S: Final = 30.0

TIMEOUT_S: Final = 1.0  # a quarter of an action's budget; a healthy ledger takes milliseconds


async def migrate_actions(connection: Connection) -> None:
    """Make or upgrade the tables that belong to actions."""
    await migrate(connection, _HERE / "migrations", component="actions")


async def actions_of_call(connection: Connection, call_id: str) -> list[LedgerEntry]:
    """The effects of one call, oldest first; the connection was prepared."""
    return [_entry(row) for row in await connection.fetch(_SQL["of_call"], call_id)]


class PostgresLedger:
    """The Ledger port on PostgreSQL."""

    def __init__(self, database: Database, *, timeout_s: float = TIMEOUT_S) -> None:
        """
        Args:
            database: `migrate` has brought its tables up to date, or will.
            timeout_s: after which the ledger counts as unavailable.
        """
        self._database = database
        self._timeout_s = timeout_s

    async def migrate(self) -> None:
        """Make or upgrade the tables.

        Raises:
            LedgerUnavailableError: the database does not answer or refuses us.
            MigrationError: the database is newer than this program.
        """
        try:
            async with self._database.connection(_MIGRATION_TIMEOUT_S) as connection:
                await migrate_actions(connection)
        except FAILURES as error:
            raise LedgerUnavailableError(
                f"cannot make the ledger's tables: {describe(error)}"
            ) from error

    async def begin(self, request: ActionRequest) -> LedgerEntry | None:
        async with self._connection() as connection:
            fresh = await connection.fetchval(_SQL["begin"], *_identity(request))
            return None if fresh else await _standing(connection, request)

    async def finish(self, outcome: ActionOutcome, *, attempts: int) -> bool:
        async with self._connection() as connection:
            row = await connection.fetchval(_SQL["finish"], *_ending(outcome), attempts)
            return row is not None

    async def find(self, key: str) -> LedgerEntry | None:
        """The entry of `key`, if there is one."""
        async with self._connection() as connection:
            row = await connection.fetchrow(_SQL["find"], key)
            return _entry(row) if row else None

    async def perform_local(self, request: ActionRequest, action: LocalAction) -> ActionOutcome:
        outcome: ActionOutcome | None = None
        try:
            async with self._connection() as connection, connection.transaction():
                outcome = await _perform_local(connection, request, action)
        except LedgerUnavailableError:
            if outcome is None:  # COMMIT was never sent
                raise
            return await self._after_lost_commit(request)
        return outcome

    async def _after_lost_commit(self, request: ActionRequest) -> ActionOutcome:
        """What came of a transaction whose COMMIT was sent and not answered."""
        with contextlib.suppress(LedgerUnavailableError):
            entry = await self.find(request.key)
            if entry is not None:
                return entry.outcome
        return ActionOutcome(
            name=request.name,
            key=request.key,
            status=ActionStatus.UNKNOWN,
            result={},
            error="the ledger did not confirm",
        )

    async def unsettled(
        self, *, unknown_for_s: float, pending_for_s: float, limit: int
    ) -> Sequence[LedgerEntry]:
        async with self._connection() as connection:
            rows = await connection.fetch(_SQL["unsettled"], unknown_for_s, pending_for_s, limit)
            return [_entry(row) for row in rows]

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Connection]:
        """A connection, for as long as the ledger may take."""
        try:
            async with self._database.connection(self._timeout_s) as connection:
                yield connection
        except FAILURES as error:
            raise LedgerUnavailableError(f"the ledger failed: {describe(error)}") from error


async def _perform_local(
    connection: Connection, request: ActionRequest, action: LocalAction
) -> ActionOutcome:
    """Within the caller's transaction."""
    if not await connection.fetchval(_SQL["begin"], *_identity(request)):
        return (await _standing(connection, request)).outcome
    try:
        async with connection.transaction():  # a savepoint: a refusal leaves nothing but its row
            outcome = ActionOutcome(
                name=request.name,
                key=request.key,
                status=ActionStatus.SUCCEEDED,
                result=await action(connection, request),
            )
    except ActionRefusedError as refusal:
        outcome = ActionOutcome(
            name=request.name,
            key=request.key,
            status=ActionStatus.REFUSED,
            result={"code": refusal.code},
            error=str(refusal),
        )
    await connection.fetchval(_SQL["finish"], *_ending(outcome), 1)
    return outcome


async def _standing(connection: Connection, request: ActionRequest) -> LedgerEntry:
    """The entry that has the request's key.

    Raises:
        KeyReusedError: it is for another action or other arguments.
    """
    row = await connection.fetchrow(_SQL["find"], request.key)
    if row is None:
        raise TimeoutError("the entry vanished between two statements")
    entry = _entry(row)
    if entry.name != request.name or entry.arguments != dict(request.arguments):
        raise KeyReusedError(f"key {request.key} stands for another {entry.name}")
    return entry


def _identity(request: ActionRequest) -> tuple[str, str, str, dict[str, Any]]:
    return request.key, request.call_id, request.name, dict(request.arguments)


def _ending(outcome: ActionOutcome) -> tuple[str, str, dict[str, Any], str | None]:
    return outcome.key, outcome.status.value, dict(outcome.result), outcome.error


def _entry(row: Record) -> LedgerEntry:
    status = cast(str, row["status"])
    return LedgerEntry(
        key=row["key"],
        call_id=row["call_id"],
        name=row["name"],
        arguments=cast(Mapping[str, Any], row["arguments"]),
        status=None if status == "pending" else ActionStatus(status),
        result=cast(Mapping[str, Any], row["result"]),
        error=row["error"],
        attempts=row["attempts"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
