"""A pool of PostgreSQL connections, typed: the one place that touches asyncpg's own pool."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Protocol, cast

import asyncpg
from asyncpg import Record

FAILURES: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg makes of a connection that dies under it
    OSError,
    TimeoutError,
)
"""What a statement raises when the database is gone, refuses, or is too slow."""

_CLOSE_TIMEOUT_S: Final = 5.0


class Connection(Protocol):
    """What we use of asyncpg's connection; jsonb travels as Python values."""

    async def execute(self, query: str, *args: Any) -> str: ...
    async def fetch(self, query: str, *args: Any) -> Sequence[Record]: ...
    async def fetchrow(self, query: str, *args: Any) -> Record | None: ...
    async def fetchval(self, query: str, *args: Any) -> Any: ...
    def transaction(self) -> AbstractAsyncContextManager[Any]: ...


class Database:
    """A lazy pool: nothing is connected before the first use, and it survives a restart."""

    def __init__(self, dsn: str, *, max_size: int = 8) -> None:
        """
        Args:
            dsn: as in `postgresql://user:password@host:port/database`.
            max_size: of the pool.

        Raises:
            ValueError: this is no URL of a PostgreSQL database.
        """
        if not dsn.startswith(("postgresql://", "postgres://")):
            raise ValueError("a database URL begins with postgresql://")
        self._pool = asyncpg.create_pool(dsn, min_size=0, max_size=max_size, init=_prepare)

    @asynccontextmanager
    async def connection(self, timeout_s: float) -> AsyncGenerator[Connection]:
        """A connection to use for at most `timeout_s`, the wait for it included.

        Raises:
            TimeoutError: the time is over.
        """
        await self._pool
        async with asyncio.timeout(timeout_s):
            connection = cast(Any, await self._pool.acquire(timeout=timeout_s))
            try:
                yield connection
            finally:
                # A connection that died is dropped here with an error, after the work was done:
                # how the work ended is what counts.
                with contextlib.suppress(*FAILURES):
                    await self._pool.release(connection)

    async def close(self) -> None:
        """Close politely, and after a while not."""
        try:
            await asyncio.wait_for(self._pool.close(), _CLOSE_TIMEOUT_S)
        except (TimeoutError, asyncpg.InterfaceError):
            self._pool.terminate()


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
    )


def describe(error: BaseException) -> str:
    """An error for logs and outcomes; asyncpg's data errors quote the data, so only their name."""
    name = type(error).__name__
    if isinstance(error, asyncpg.DataError | asyncpg.IntegrityConstraintViolationError):
        return name
    return f"{name}: {error}".rstrip(": ")
