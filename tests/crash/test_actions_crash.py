"""Killed at every boundary of an effect, ledger and shop agree on exactly the truth."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import pytest

from actions.adapters.rest import RestBackEnd, RestOptions
from actions.breaker import CircuitBreaker
from actions.database import Database
from actions.executor import ActionExecutor
from actions.ledger import PostgresLedger
from actions.reconciler import Reconciler
from actions.request import ActionOutcome, ActionRequest, ActionStatus
from server.postgres import EmbeddedPostgres
from tests.fakes.actions import ScriptedBackEnd
from tests.fakes.postgres import PostgresForTests
from tests.fakes.shop import TOKEN, RunningShop, running_shop

pytestmark = pytest.mark.crash

NEW_ADDRESS = "12 Mill Road, Ashford"
CHANGE = ActionRequest(
    name="change_address",
    arguments={"order_number": "4815", "address": NEW_ADDRESS},
    key="call-1:2:0",
)


@dataclass(slots=True, kw_only=True)
class Desk:
    """Our side: a ledger, and executors for whatever shop is up."""

    url: str
    shop_url: str
    database: Database
    ledger: PostgresLedger
    tries: int = 100

    def back_end(self, shop: RunningShop) -> RestBackEnd:
        options = RestOptions(base_url=shop.url, token=TOKEN, read_timeout_s=0.5)
        breaker = CircuitBreaker(failure_limit=self.tries)
        return RestBackEnd(options, breaker=breaker)

    async def perform(self, shop: RunningShop) -> ActionOutcome:
        back_end = self.back_end(shop)
        executor = ActionExecutor(back_end=back_end, ledger=self.ledger)
        try:
            return await executor.perform(CHANGE)
        finally:
            await back_end.close()

    async def settle(self, shop: RunningShop) -> ActionStatus | None:
        back_end = self.back_end(shop)
        reconciler = Reconciler(
            back_end=back_end, ledger=self.ledger, unknown_for_s=0, pending_for_s=0
        )
        await reconciler.settle_once()
        await back_end.close()
        return await self.status()

    async def status(self) -> ActionStatus | None:
        entry = await self.ledger.find(CHANGE.key)
        return entry.status if entry else None


@pytest.fixture
async def desk(postgres: PostgresForTests) -> AsyncGenerator[Desk]:
    url = postgres.fresh_database()
    database = Database(url)
    ledger = PostgresLedger(database)
    await ledger.migrate()
    yield Desk(url=url, shop_url=postgres.fresh_database(), database=database, ledger=ledger)
    await database.close()


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def address_and_version(shop: RunningShop) -> tuple[str, int]:
    async with shop.client() as client:
        order = (await client.get("/v1/orders/4815")).json()
    return order["shipping_address"], order["version"]


async def test_a_shop_killed_before_its_commit_changed_nothing(desk: Desk) -> None:
    async with running_shop(desk.shop_url, faults=("die-before-commit",)) as shop:
        assert (await desk.perform(shop)).status is ActionStatus.UNKNOWN
        assert await desk.settle(shop) is ActionStatus.UNKNOWN  # nobody to ask
    async with running_shop(desk.shop_url, port=shop.port) as shop:
        assert await desk.settle(shop) is ActionStatus.UNAVAILABLE
        assert await address_and_version(shop) == ("7 Cedar Lane, Portland", 1)


async def test_a_shop_killed_after_its_commit_changed_it_once(desk: Desk) -> None:
    async with running_shop(desk.shop_url, faults=("die-after-commit",)) as shop:
        assert (await desk.perform(shop)).status is ActionStatus.UNKNOWN
    async with running_shop(desk.shop_url, port=shop.port) as shop:
        assert await desk.settle(shop) is ActionStatus.SUCCEEDED
        entry = await desk.ledger.find(CHANGE.key)
        assert entry is not None
        assert entry.result["shipping_address"] == NEW_ADDRESS
        assert (await desk.perform(shop)).status is ActionStatus.SUCCEEDED
        assert await address_and_version(shop) == (NEW_ADDRESS, 2)


async def test_a_shop_that_comes_back_within_the_budget_is_one_effect(desk: Desk) -> None:
    async with running_shop(desk.shop_url, faults=("die-after-commit",)) as shop:
        performing = asyncio.create_task(desk.perform(shop))
        await shop.process.wait()
        async with running_shop(desk.shop_url, port=shop.port) as back:
            assert (await performing).status is ActionStatus.SUCCEEDED
            assert await address_and_version(back) == (NEW_ADDRESS, 2)


@pytest.mark.parametrize("fault", ["delay-after=1", "error-500-after=1"])
async def test_a_lost_answer_is_asked_for_again_under_the_same_key(desk: Desk, fault: str) -> None:
    async with running_shop(desk.shop_url, faults=(fault,)) as shop:
        outcome = await desk.perform(shop)
        if outcome.status is ActionStatus.UNKNOWN:
            assert await desk.settle(shop) is ActionStatus.SUCCEEDED
        assert await desk.status() is ActionStatus.SUCCEEDED
        assert await address_and_version(shop) == (NEW_ADDRESS, 2)


async def test_a_shop_that_always_fails_has_changed_nothing(desk: Desk) -> None:
    async with running_shop(desk.shop_url, faults=("error-500",)) as shop:
        assert (await desk.perform(shop)).status is ActionStatus.UNKNOWN
        assert await desk.settle(shop) is ActionStatus.UNAVAILABLE
        assert await address_and_version(shop) == ("7 Cedar Lane, Portland", 1)


async def test_a_request_that_arrives_after_it_was_settled_is_not_applied(desk: Desk) -> None:
    desk.tries = 2
    async with running_shop(desk.shop_url, faults=("delay-before=2",)) as shop:
        outcome = await desk.perform(shop)
        assert outcome.status is ActionStatus.UNKNOWN
        assert await desk.settle(shop) is ActionStatus.UNAVAILABLE
        await asyncio.sleep(2.2)  # the delayed requests reach the database now
        assert await address_and_version(shop) == ("7 Cedar Lane, Portland", 1)
        assert await desk.status() is ActionStatus.UNAVAILABLE


@pytest.mark.parametrize(
    ("fault", "truths"),
    [
        ("delay-before=1", {(ActionStatus.UNAVAILABLE, 1)}),
        ("delay-after=5", {(ActionStatus.SUCCEEDED, 2), (ActionStatus.UNAVAILABLE, 1)}),
    ],
)
async def test_our_own_death_while_waiting_is_settled_to_the_truth(
    desk: Desk, fault: str, truths: set[tuple[ActionStatus, int]]
) -> None:
    async with running_shop(desk.shop_url, faults=(fault,)) as shop:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.fakes.crashing", "change",
            desk.url, shop.url, TOKEN, CHANGE.key,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        assert await process.stdout.readline() == b"sending\n"
        async with asyncio.timeout(10):
            while await desk.ledger.find(CHANGE.key) is None:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)  # let the request leave; the shop holds it for longer
        process.kill()
        await process.wait()
        assert await desk.status() is None  # pending
        settled = await desk.settle(shop)
        await asyncio.sleep(1.2 if fault.startswith("delay-before") else 0)
        _, version = await address_and_version(shop)
        assert (settled, version) in truths
        assert await desk.status() is settled


async def test_a_frozen_ledger_lets_nothing_out_and_is_settled_when_it_thaws(
    tmp_path: Path,
) -> None:
    server = EmbeddedPostgres(tmp_path / "pg")
    await server.start()
    database = Database(await server.ensure_database("desk"))
    ledger = PostgresLedger(database, timeout_s=0.3)
    await ledger.migrate()
    shop = ScriptedBackEnd()
    executor = ActionExecutor(back_end=shop, ledger=ledger)
    assert server.pid is not None
    family = [server.pid, *children(server.pid)]
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(10):
            outcome = await executor.perform(CHANGE)
    finally:
        for pid in family:
            os.kill(pid, signal.SIGCONT)
    assert outcome.status is ActionStatus.UNAVAILABLE
    assert shop.calls == []
    shop.settlements[CHANGE.key] = ActionStatus.UNAVAILABLE
    await Reconciler(back_end=shop, ledger=ledger, pending_for_s=0).settle_once()
    entry = await ledger.find(CHANGE.key)
    # The write may have arrived after all: then it is no longer pending.
    assert entry is None or entry.status is ActionStatus.UNAVAILABLE
    await database.close()
    await server.stop()
