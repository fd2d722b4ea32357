"""The ledger, call-backs and the executor on a real database."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from actions import callbacks
from actions.database import Connection, Database
from actions.errors import ActionRefusedError, KeyReusedError, LedgerUnavailableError
from actions.executor import ActionExecutor
from actions.ledger import PostgresLedger, actions_of_call
from actions.request import ActionOutcome, ActionRequest, ActionStatus
from tests.fakes.actions import ScriptedBackEnd

CHANGE = ActionRequest(
    name="change_address", arguments={"order_number": "4815", "n": [1, None]}, key="call-1:2:0"
)
CALLBACK = ActionRequest(
    name=callbacks.NAME,
    arguments={"phone": "+15550100", "reason": "system_unavailable", "facts": {"order": "4815"}},
    key="call-1:3:0",
)


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
async def ledger(database: Database) -> PostgresLedger:
    ledger = PostgresLedger(database)
    await ledger.migrate()
    return ledger


@pytest.fixture
def executor(ledger: PostgresLedger) -> ActionExecutor:
    local = {callbacks.NAME: callbacks.request_callback}
    return ActionExecutor(back_end=ScriptedBackEnd(), ledger=ledger, local=local)


def outcome(status: ActionStatus) -> ActionOutcome:
    return ActionOutcome(
        name=CHANGE.name, key=CHANGE.key, status=status, result={"v": 2}, error="why"
    )


async def count(database: Database, table: str) -> int:
    async with database.connection(5) as connection:
        return await connection.fetchval(f"SELECT count(*) FROM {table}")


async def test_an_entry_keeps_what_was_asked_and_what_came_of_it(ledger: PostgresLedger) -> None:
    assert await ledger.begin(CHANGE) is None
    pending = await ledger.begin(CHANGE)
    assert pending is not None
    assert (pending.status, pending.arguments) == (None, CHANGE.arguments)
    await ledger.finish(outcome(ActionStatus.SUCCEEDED), attempts=2)
    entry = await ledger.find(CHANGE.key)
    assert entry is not None
    assert entry.outcome == outcome(ActionStatus.SUCCEEDED)
    assert (entry.attempts, entry.call_id) == (2, "call-1")


async def test_a_key_stands_for_one_action(ledger: PostgresLedger) -> None:
    await ledger.begin(CHANGE)
    with pytest.raises(KeyReusedError):
        await ledger.begin(ActionRequest(name=CHANGE.name, arguments={}, key=CHANGE.key))


async def test_a_settled_entry_does_not_change(ledger: PostgresLedger) -> None:
    await ledger.begin(CHANGE)
    assert await ledger.finish(outcome(ActionStatus.UNKNOWN), attempts=1)
    assert await ledger.finish(outcome(ActionStatus.UNAVAILABLE), attempts=0)
    assert not await ledger.finish(outcome(ActionStatus.SUCCEEDED), attempts=0)


async def test_unsettled_entries_are_those_left_alone_long_enough(ledger: PostgresLedger) -> None:
    await ledger.begin(CHANGE)
    assert not await ledger.unsettled(unknown_for_s=0, pending_for_s=60, limit=10)
    assert len(await ledger.unsettled(unknown_for_s=0, pending_for_s=0, limit=10)) == 1
    await ledger.finish(outcome(ActionStatus.UNKNOWN), attempts=1)
    assert len(await ledger.unsettled(unknown_for_s=0, pending_for_s=60, limit=10)) == 1
    assert not await ledger.unsettled(unknown_for_s=60, pending_for_s=0, limit=10)
    await ledger.finish(outcome(ActionStatus.SUCCEEDED), attempts=0)
    assert not await ledger.unsettled(unknown_for_s=0, pending_for_s=0, limit=10)


async def test_the_effects_of_a_call_come_in_order(
    executor: ActionExecutor, database: Database
) -> None:
    await executor.perform(CHANGE)
    await executor.perform(CALLBACK)
    async with database.connection(5) as connection:
        entries = await actions_of_call(connection, "call-1")
    assert [entry.name for entry in entries] == [CHANGE.name, CALLBACK.name]


async def test_a_callback_is_noted_once_with_its_entry(
    executor: ActionExecutor, ledger: PostgresLedger, database: Database
) -> None:
    first = await executor.perform(CALLBACK)
    assert first.status is ActionStatus.SUCCEEDED
    assert await executor.perform(CALLBACK) == first
    async with database.connection(5) as connection:
        rows = await connection.fetch("SELECT key, call_id, phone, reason, facts FROM callbacks")
    assert [tuple(row) for row in rows] == [
        (CALLBACK.key, "call-1", "+15550100", "system_unavailable", {"order": "4815"})
    ]
    entry = await ledger.find(CALLBACK.key)
    assert entry is not None
    assert entry.attempts == 1


@pytest.mark.parametrize("error", [RuntimeError("bug"), ConnectionError("gone")])
async def test_a_local_action_that_fails_leaves_nothing(
    ledger: PostgresLedger, database: Database, error: Exception
) -> None:
    async def fail_late(connection: Connection, request: ActionRequest) -> Mapping[str, Any]:
        await callbacks.request_callback(connection, request)
        raise error

    executor = ActionExecutor(
        back_end=ScriptedBackEnd(), ledger=ledger, local={callbacks.NAME: fail_late}
    )
    assert (await executor.perform(CALLBACK)).status is ActionStatus.UNAVAILABLE
    assert await count(database, "callbacks") == 0
    assert await ledger.find(CALLBACK.key) is None


async def test_a_local_refusal_leaves_its_entry_only(
    ledger: PostgresLedger, database: Database
) -> None:
    async def refuse_late(connection: Connection, request: ActionRequest) -> Mapping[str, Any]:
        await callbacks.request_callback(connection, request)
        raise ActionRefusedError("no_number", "nobody to ring")

    executor = ActionExecutor(
        back_end=ScriptedBackEnd(), ledger=ledger, local={callbacks.NAME: refuse_late}
    )
    refused = await executor.perform(CALLBACK)
    assert (refused.status, refused.result) == (ActionStatus.REFUSED, {"code": "no_number"})
    assert await executor.perform(CALLBACK) == refused
    assert await count(database, "callbacks") == 0


class LosesAnswers(Database):
    """Commits, and then the connection breaks before anybody hears of it."""

    times = 0

    @asynccontextmanager
    async def connection(self, timeout_s: float) -> AsyncGenerator[Connection]:
        async with super().connection(timeout_s) as connection:
            yield connection
        if self.times > 0:
            self.times -= 1
            raise ConnectionResetError("lost")


@pytest.mark.parametrize(
    ("losses", "status"), [(1, ActionStatus.SUCCEEDED), (2, ActionStatus.UNKNOWN)]
)
async def test_a_lost_confirmation_is_looked_up_and_otherwise_not_taken_for_failure(
    database_url: str, losses: int, status: ActionStatus
) -> None:
    database = LosesAnswers(database_url)
    ledger = PostgresLedger(database)
    await ledger.migrate()
    database.times = losses
    assert (await ledger.perform_local(CALLBACK, callbacks.request_callback)).status is status
    again = await ledger.perform_local(CALLBACK, callbacks.request_callback)
    assert again.status is ActionStatus.SUCCEEDED
    assert await count(database, "callbacks") == 1
    await database.close()


async def test_arguments_the_ledger_cannot_hold_are_not_sent(ledger: PostgresLedger) -> None:
    shop = ScriptedBackEnd()
    executor = ActionExecutor(back_end=shop, ledger=ledger)
    request = ActionRequest(
        name="change_address", arguments={"order_number": "secret\x00"}, key="c:1:0"
    )
    outcome = await executor.perform(request)
    assert outcome.status is ActionStatus.UNAVAILABLE
    assert "secret" not in str(outcome.error)
    assert shop.calls == []


async def test_a_ledger_without_a_database_is_unavailable() -> None:
    ledger = PostgresLedger(Database("postgresql:///x?host=/nowhere"))
    with pytest.raises(LedgerUnavailableError):
        await ledger.begin(CHANGE)
