"""The shop's orders and the answers under their keys, on PostgreSQL.

Theory of operation of an effect: one transaction claims the key, changes the order and stores the
answer. A second request under the key waits at the claim until the first has committed, and gets
its answer; if the first died, the claim is gone with it and the second does the work.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import asyncpg
from asyncpg import Record

from actions.database import Connection, Database
from actions.shop.answers import Answer, problem
from actions.shop.faults import Faults
from actions.sql import load_queries, migrate

_HERE: Final = Path(__file__).parent
_SQL: Final = load_queries(_HERE / "sql" / "shop.sql")
_TIMEOUT_S: Final = 10.0
_LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = '2s'"  # shorter than its callers wait

_ADDRESS_LENGTHS: Final = range(5, 201)  # characters that fit a label and name a place

_CLOSED_STATUSES: Final[Mapping[str, tuple[str, str]]] = {
    "shipped": ("already_shipped", "The order has been shipped"),
    "delivered": ("already_delivered", "The order has been delivered"),
    "cancelled": ("already_cancelled", "The order was cancelled"),
}


class ShopStore:
    """Every method may raise what actions/database.py lists as FAILURES."""

    def __init__(self, database: Database, faults: Faults) -> None:
        self._database = database
        self._faults = faults

    async def prepare(self) -> None:
        """Make or upgrade the tables, and fill them when they are empty."""
        async with self._database.connection(_TIMEOUT_S) as connection, connection.transaction():
            await migrate(connection, _HERE / "migrations", component="shop")
            if not await connection.fetchval(_SQL["any_order"]):
                await connection.execute(_SQL["seed"])

    async def ping(self) -> None:
        async with self._database.connection(_TIMEOUT_S) as connection:
            await connection.fetchval("SELECT 1")

    async def order(self, order_number: str) -> Answer:
        async with self._database.connection(_TIMEOUT_S) as connection:
            row = await connection.fetchrow(_SQL["find_order"], order_number)
        return Answer(status=200, body=_order(row)) if row else _order_not_found()

    async def change_address(self, key: str, order_number: str, address: str) -> Answer:
        """Change an order's address once per key; the stored answer thereafter."""
        fingerprint = _fingerprint("change_address", order_number, address)
        try:
            async with (
                self._database.connection(_TIMEOUT_S) as connection,
                connection.transaction(),
            ):
                await connection.execute(_LOCK_TIMEOUT)
                if not await connection.fetchval(_SQL["claim_key"], key, fingerprint):
                    return await _replay(connection, key, fingerprint)
                answer = await _change_address(connection, order_number, address)
                await connection.execute(
                    _SQL["store_answer"], key, answer.status, dict(answer.body)
                )
                self._faults.before_commit()
        except asyncpg.LockNotAvailableError:
            return problem(409, "in_progress", "A request under this key is still being worked on")
        return answer

    async def answer(self, key: str) -> Answer:
        """What is stored under `key`."""
        async with self._database.connection(_TIMEOUT_S) as connection:
            row = await connection.fetchrow(_SQL["find_answer"], key)
        return _stored(row) if row else problem(404, "key_not_found", "Nothing has this key")

    async def void(self, key: str) -> Answer:
        """What is stored under `key`; a key without an answer is closed for ever."""
        closed = problem(409, "key_voided", "The key was voided before it was used")
        try:
            async with (
                self._database.connection(_TIMEOUT_S) as connection,
                connection.transaction(),
            ):
                await connection.execute(_LOCK_TIMEOUT)
                await connection.execute(_SQL["void_key"], key, closed.status, dict(closed.body))
        except asyncpg.LockNotAvailableError:
            return problem(409, "in_progress", "A request under this key is still being worked on")
        return await self.answer(key)


async def _change_address(connection: Connection, order_number: str, address: str) -> Answer:
    status = await connection.fetchval(_SQL["lock_order"], order_number)
    if status is None:
        return _order_not_found()
    if status in _CLOSED_STATUSES:
        return problem(409, *_CLOSED_STATUSES[status])
    if len(address) not in _ADDRESS_LENGTHS or not any(map(str.isalpha, address)):
        return problem(422, "invalid_address", "We cannot deliver to this address")
    row = await connection.fetchrow(_SQL["change_address"], order_number, address)
    assert row is not None  # it is locked
    return Answer(status=200, body=dict(row))


async def _replay(connection: Connection, key: str, fingerprint: str) -> Answer:
    row = await connection.fetchrow(_SQL["find_answer"], key)
    assert row is not None  # the claim found it, and answers are never deleted
    if row["request_hash"] not in (None, fingerprint):
        return problem(422, "idempotency_key_reused", "The key was used for another request")
    return Answer(status=row["status"], body=row["body"], replayed=True)


def _stored(row: Record) -> Answer:
    return Answer(status=200, body={"status": row["status"], "body": row["body"]})


def _order(row: Record) -> dict[str, Any]:
    return {
        **dict(row),
        "eta": row["eta"].isoformat() if row["eta"] else None,
        "updated_at": row["updated_at"].isoformat(),
    }


def _order_not_found() -> Answer:
    return problem(404, "order_not_found", "There is no order with this number")


def _fingerprint(*parts: str) -> str:
    return sha256(json.dumps(parts).encode()).hexdigest()
