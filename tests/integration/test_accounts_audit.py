"""The audit's chain, and what breaks it."""

import asyncio
from collections.abc import AsyncGenerator

import asyncpg
import pytest

from actions.database import Database
from server.accounts.audit import Audit, AuditEvent
from server.accounts.database import AccountsDatabase
from tests.fakes.accounts import TESTER


@pytest.fixture
async def audit(database_url: str) -> AsyncGenerator[Audit]:
    database = AccountsDatabase(database_url)
    await database.prepare()
    yield Audit(database)
    await database.close()


@pytest.fixture
async def database(database_url: str, audit: Audit) -> AsyncGenerator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


def event(number: int) -> AuditEvent:
    return AuditEvent(
        kind="barged_in",
        actor=TESTER,
        subject=f"call {number}",
        detail={"quoted": '"é\x00', "from": "x"},
    )


async def test_an_audit_that_nobody_touched_is_whole(audit: Audit) -> None:
    assert (await audit.verify()).entries == 0
    for number in range(5):
        await audit.write(event(number))
    verdict = await audit.verify()
    assert (verdict.entries, verdict.broken_at) == (5, None)
    await audit.write(event(5))
    assert (await audit.verify()).head != verdict.head


async def test_entries_written_at_once_make_one_chain(audit: Audit) -> None:
    await asyncio.gather(*(audit.write(event(number)) for number in range(20)))
    verdict = await audit.verify()
    assert (verdict.entries, verdict.broken_at) == (20, None)


@pytest.mark.parametrize(
    ("tampering", "broken_at"),
    [
        ("UPDATE audit SET actor_name = 'somebody else' WHERE seq = 3", 3),
        ("UPDATE audit SET at = at + interval '1 microsecond' WHERE seq = 3", 3),
        ("UPDATE audit SET detail = '{}' WHERE seq = 1", 1),
        ("DELETE FROM audit WHERE seq = 2", 2),
        ("DELETE FROM audit WHERE seq = 1", 1),
        ("UPDATE audit SET hash = sha256(hash) WHERE seq = 5", 5),
    ],
)
async def test_an_entry_changed_or_left_out_breaks_the_chain_where_it_stood(
    audit: Audit, database: Database, tampering: str, broken_at: int
) -> None:
    for number in range(5):
        await audit.write(event(number))
    async with database.connection(5) as connection:
        await connection.execute("ALTER TABLE audit DISABLE TRIGGER ALL")
        await connection.execute(tampering)
    verdict = await audit.verify()
    assert (verdict.broken_at, verdict.entries) == (broken_at, broken_at - 1)


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET kind = 'x'", "DELETE FROM audit", "TRUNCATE audit"]
)
async def test_the_database_lets_nobody_rewrite_it_by_mistake(
    audit: Audit, database: Database, statement: str
) -> None:
    await audit.write(event(0))
    with pytest.raises(asyncpg.PostgresError, match="appended"):
        async with database.connection(5) as connection:
            await connection.execute(statement)
    assert (await audit.verify()).entries == 1


async def test_entries_are_listed_newest_first_page_by_page(audit: Audit) -> None:
    for number in range(5):
        await audit.write(event(number))
    first = await audit.entries(limit=3)
    second = await audit.entries(limit=3, before=first[-1].seq)
    assert [entry.seq for entry in [*first, *second]] == [5, 4, 3, 2, 1]
