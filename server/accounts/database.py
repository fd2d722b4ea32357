"""Accounts' connections to the database of the records."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from actions.database import FAILURES, Connection, Database, describe
from server.records.errors import RecordsUnavailableError
from server.records.writer import migrate_records

_TIMEOUT_S: Final = 5.0
_SETUP_TIMEOUT_S: Final = 60.0
_POOL_SIZE: Final = 4


class AccountsDatabase:
    """Every method may raise RecordsUnavailableError: the database does not answer."""

    def __init__(self, dsn: str) -> None:
        """
        Raises:
            ValueError: this is no URL of a PostgreSQL database.
        """
        self._database = Database(dsn, max_size=_POOL_SIZE)

    async def prepare(self) -> None:
        """Make or upgrade the tables.

        Raises:
            MigrationError: the database is newer than this program.
        """
        async with self._connection(_SETUP_TIMEOUT_S) as connection:
            await migrate_records(connection)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Connection]:
        async with self._connection(_TIMEOUT_S) as connection:
            yield connection

    @asynccontextmanager
    async def changing(self) -> AsyncGenerator[Connection]:
        """A connection within a transaction: all is kept, or nothing."""
        async with self._connection(_TIMEOUT_S) as connection, connection.transaction():
            yield connection

    async def close(self) -> None:
        await self._database.close()

    @asynccontextmanager
    async def _connection(self, timeout_s: float) -> AsyncGenerator[Connection]:
        try:
            async with self._database.connection(timeout_s) as connection:
                yield connection
        except FAILURES as error:
            raise RecordsUnavailableError(describe(error)) from error
