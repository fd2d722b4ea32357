"""The demo shop over HTTP, on a real database."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from actions.contract import read_catalogue
from actions.database import Database
from actions.shop.app import create_app
from actions.shop.faults import Faults
from actions.shop.store import ShopStore
from tests.fakes.shop import running_shop

TOKEN = "t0ken"
CHANGE = {"order_number": "4815", "address": "12 Mill Road, Ashford"}


@pytest.fixture
async def store(database_url: str) -> AsyncGenerator[ShopStore]:
    database = Database(database_url)
    store = ShopStore(database, Faults())
    await store.prepare()
    yield store
    await database.close()


@pytest.fixture
async def shop(store: ShopStore) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_app(store, Faults(), token=TOKEN))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://shop.test", headers=headers
    ) as client:
        yield client


async def change(shop: httpx.AsyncClient, key: str, **changes: Any) -> httpx.Response:
    return await shop.post(
        "/v1/actions/change_address", json=CHANGE | changes, headers={"Idempotency-Key": key}
    )


async def order(shop: httpx.AsyncClient, number: str = "4815") -> dict[str, Any]:
    return (await shop.get(f"/v1/orders/{number}")).json()


async def test_an_order_is_found(shop: httpx.AsyncClient) -> None:
    found = await order(shop)
    assert found["postcode"] == "90210"
    assert found["shipping_address"] == "7 Cedar Lane, Portland"
    assert found["status"] == "processing"
    assert found["version"] == 1


async def test_an_order_that_is_not_there_is_a_problem_with_a_code(shop: httpx.AsyncClient) -> None:
    response = await shop.get("/v1/orders/0000")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "order_not_found"


async def test_an_address_changes_once_per_key(shop: httpx.AsyncClient) -> None:
    first, second = await change(shop, "k"), await change(shop, "k")
    assert first.status_code == 200
    assert second.json() == first.json()
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert (await order(shop))["version"] == 2


async def test_ten_at_once_under_one_key_are_one_effect(shop: httpx.AsyncClient) -> None:
    responses = await asyncio.gather(*(change(shop, "k") for _ in range(10)))
    assert {response.status_code for response in responses} == {200}
    assert sum("Idempotency-Replayed" not in response.headers for response in responses) == 1
    assert (await order(shop))["version"] == 2


async def test_one_key_for_another_body_is_refused(shop: httpx.AsyncClient) -> None:
    await change(shop, "k")
    response = await change(shop, "k", address="1 Other Street, Elsewhere")
    assert response.status_code == 422
    assert response.json()["code"] == "idempotency_key_reused"
    assert (await order(shop))["shipping_address"] == CHANGE["address"]


async def test_an_effect_without_a_key_is_refused(shop: httpx.AsyncClient) -> None:
    response = await shop.post("/v1/actions/change_address", json=CHANGE)
    assert response.status_code == 400
    assert response.json()["code"] == "idempotency_key_missing"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"order_number": "9042"}, "already_shipped"),
        ({"order_number": "2736"}, "already_delivered"),
        ({"order_number": "0000"}, "order_not_found"),
        ({"address": "12345 678"}, "invalid_address"),
        ({"address": "abc"}, "invalid_address"),
    ],
)
async def test_refusals_have_their_code_and_are_kept_under_the_key(
    shop: httpx.AsyncClient, changes: dict[str, str], code: str
) -> None:
    first, second = await change(shop, "k", **changes), await change(shop, "k", **changes)
    assert first.json()["code"] == code
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.status_code == first.status_code
    stored = (await shop.get("/v1/actions/k")).json()
    assert stored == {"status": first.status_code, "body": first.json()}


async def test_a_voided_key_can_never_be_applied(shop: httpx.AsyncClient) -> None:
    assert (await shop.get("/v1/actions/k")).json()["code"] == "key_not_found"
    voided = await shop.delete("/v1/actions/k")
    assert voided.json()["body"]["code"] == "key_voided"
    assert (await change(shop, "k")).json()["code"] == "key_voided"
    assert (await order(shop))["version"] == 1


async def test_voiding_a_used_key_gives_its_answer(shop: httpx.AsyncClient) -> None:
    done = await change(shop, "k")
    assert (await shop.delete("/v1/actions/k")).json() == {"status": 200, "body": done.json()}


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Basic dDBrZW4="])
async def test_nobody_enters_without_the_token(shop: httpx.AsyncClient, authorization: str) -> None:
    response = await shop.get("/v1/orders/4815", headers={"Authorization": authorization})
    assert response.status_code == 401
    assert response.json()["code"] == "unauthorized"


async def test_the_document_describes_the_actions(shop: httpx.AsyncClient) -> None:
    catalogue = read_catalogue((await shop.get("/openapi.json")).json())
    assert set(catalogue.actions) == {"get_order", "change_address"}
    assert catalogue.actions["get_order"].read_only
    assert catalogue.actions["change_address"].violations(CHANGE) == []
    assert catalogue.find is not None
    assert catalogue.void is not None


async def test_seeding_leaves_what_is_there(shop: httpx.AsyncClient, store: ShopStore) -> None:
    await change(shop, "k")
    await store.prepare()
    assert (await order(shop))["shipping_address"] == CHANGE["address"]


async def test_the_process_says_where_it_listens(database_url: str) -> None:
    async with running_shop(database_url) as running, running.client() as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await order(client, "1659"))["postcode"] == "73301"


@pytest.mark.parametrize("specification", ["explode", "delay-before", "die-after-commit=2"])
def test_an_unknown_fault_is_an_error(specification: str) -> None:
    with pytest.raises(ValueError, match="unknown fault"):
        Faults([specification])
