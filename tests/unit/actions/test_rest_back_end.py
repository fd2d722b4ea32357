"""Rules of calling a REST back end."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from actions.adapters.rest import RestBackEnd, RestOptions
from actions.breaker import BreakerState, CircuitBreaker
from actions.contract import Action
from actions.errors import BackEndUnavailableError
from actions.ports import Reply
from actions.request import ActionRequest, ActionStatus

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"version": "1"},
    "paths": {
        "/orders/{number}": {
            "get": {
                "operationId": "get_order",
                "parameters": [{"name": "number", "in": "path", "schema": {"type": "string"}}],
            }
        },
        "/change": {
            "post": {
                "operationId": "change",
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
            }
        },
        "/keys/{key}": {
            "get": {"x-frontdesk-settlement": "find"},
            "delete": {"x-frontdesk-settlement": "void"},
        },
    },
}
OPTIONS = RestOptions(
    base_url="http://shop.test", token="secret-token", backoff_first_s=0.0, backoff_max_s=0.0
)

Step = httpx.Response | httpx.TransportError


class ScriptedNetwork:
    """Answers each request with the next step of a script; the last one for ever."""

    def __init__(self, *steps: Step, document: dict[str, Any] = DOCUMENT) -> None:
        self.steps = list(steps)
        self.requests: list[httpx.Request] = []
        self.document = document

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/openapi.json":
            return httpx.Response(200, json=self.document)
        self.requests.append(request)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, httpx.TransportError):
            raise step
        return step


def back_end(
    network: Callable[[httpx.Request], httpx.Response], breaker: CircuitBreaker | None = None
) -> RestBackEnd:
    return RestBackEnd(OPTIONS, breaker=breaker, transport=httpx.MockTransport(network))


async def call(back_end: RestBackEnd, name: str = "change", budget_s: float = 1.0) -> Reply:
    action: Action = (await back_end.catalogue()).actions[name]
    arguments = {"number": "4815"} if name == "get_order" else {"a": 1}
    request = ActionRequest(name=name, arguments=arguments, key="c:1:0")
    return await back_end.call(action, request, budget_s)


async def test_an_effect_carries_its_key_and_our_token() -> None:
    network = ScriptedNetwork(httpx.Response(200, json={"version": 2}))
    reply = await call(back_end(network))
    assert reply.outcome.status is ActionStatus.SUCCEEDED
    assert reply.outcome.result == {"version": 2}
    assert network.requests[0].headers["Idempotency-Key"] == "c:1:0"
    assert network.requests[0].headers["Authorization"] == "Bearer secret-token"


async def test_a_look_up_carries_no_key() -> None:
    network = ScriptedNetwork(httpx.Response(200, json={}))
    await call(back_end(network), "get_order")
    assert "Idempotency-Key" not in network.requests[0].headers


@pytest.mark.parametrize(
    "failure",
    [httpx.ReadTimeout("x"), httpx.ConnectError("x"), httpx.Response(503), httpx.Response(429)],
)
async def test_failures_are_tried_again_under_the_same_key(failure: Step) -> None:
    network = ScriptedNetwork(failure, failure, httpx.Response(200, json={}))
    reply = await call(back_end(network))
    assert reply.outcome.status is ActionStatus.SUCCEEDED
    assert reply.attempts == 3
    assert {request.headers["Idempotency-Key"] for request in network.requests} == {"c:1:0"}


async def test_a_refusal_is_final() -> None:
    problem = {"code": "already_shipped", "title": "Shipped"}
    network = ScriptedNetwork(httpx.Response(409, json=problem))
    reply = await call(back_end(network))
    assert reply.outcome.status is ActionStatus.REFUSED
    assert reply.outcome.result == {"code": "already_shipped"}
    assert len(network.requests) == 1


async def test_a_refusal_after_a_lost_answer_means_that_nothing_changed() -> None:
    network = ScriptedNetwork(
        httpx.ReadTimeout("x"), httpx.Response(409, json={"code": "already_shipped"})
    )
    assert (await call(back_end(network))).outcome.status is ActionStatus.REFUSED


async def test_an_effect_that_was_never_sent_is_unavailable() -> None:
    reply = await call(back_end(ScriptedNetwork(httpx.ConnectError("refused"))))
    assert reply.outcome.status is ActionStatus.UNAVAILABLE


async def test_an_effect_that_went_out_unanswered_is_unknown() -> None:
    reply = await call(back_end(ScriptedNetwork(httpx.ReadTimeout("x"))))
    assert reply.outcome.status is ActionStatus.UNKNOWN


async def test_once_sent_unanswered_later_refused_connections_do_not_make_it_certain() -> None:
    network = ScriptedNetwork(httpx.ReadTimeout("x"), httpx.ConnectError("refused"))
    assert (await call(back_end(network))).outcome.status is ActionStatus.UNKNOWN


async def test_a_look_up_is_never_unknown() -> None:
    reply = await call(back_end(ScriptedNetwork(httpx.ReadTimeout("x"))), "get_order")
    assert reply.outcome.status is ActionStatus.UNAVAILABLE


async def test_without_budget_nothing_is_sent() -> None:
    network = ScriptedNetwork(httpx.Response(200, json={}))
    reply = await call(back_end(network), budget_s=0.0)
    assert (reply.outcome.status, reply.attempts) == (ActionStatus.UNAVAILABLE, 0)
    assert network.requests == []


async def test_repeated_failures_open_the_breaker_and_later_calls_fail_fast() -> None:
    network = ScriptedNetwork(httpx.ConnectError("x"))
    shop = back_end(network, CircuitBreaker(failure_limit=3, cool_down_s=1e9))
    await call(shop)
    assert shop.breaker_state is BreakerState.OPEN
    assert len(network.requests) == 3
    reply = await call(shop)
    assert (reply.outcome.status, reply.attempts) == (ActionStatus.UNAVAILABLE, 0)
    assert len(network.requests) == 3


async def test_refusals_do_not_open_the_breaker() -> None:
    network = ScriptedNetwork(httpx.Response(404, json={"code": "order_not_found"}))
    shop = back_end(network, CircuitBreaker(failure_limit=1))
    await call(shop)
    assert shop.breaker_state is BreakerState.CLOSED


async def test_the_catalogue_is_fetched_once_it_can_be() -> None:
    steps: list[httpx.Response] = [httpx.Response(503), httpx.Response(200, json=DOCUMENT)]
    shop = back_end(lambda _: steps.pop(0))
    with pytest.raises(BackEndUnavailableError):
        await shop.catalogue()
    assert set((await shop.catalogue()).actions) == {"get_order", "change"}
    await shop.catalogue()  # a third fetch would find no step


async def test_settling_finds_the_stored_answer() -> None:
    network = ScriptedNetwork(httpx.Response(200, json={"status": 200, "body": {"version": 2}}))
    outcome = await back_end(network).settle("change", "c:1:0", age_s=1)
    assert outcome is not None
    assert outcome.status is ActionStatus.SUCCEEDED
    assert outcome.result == {"version": 2}


async def test_settling_closes_a_key_that_was_never_applied() -> None:
    network = ScriptedNetwork(
        httpx.Response(404, json={"code": "key_not_found"}),
        httpx.Response(200, json={"status": 409, "body": {"code": "key_voided"}}),
    )
    outcome = await back_end(network).settle("change", "c:1:0", age_s=1)
    assert outcome is not None
    assert outcome.status is ActionStatus.UNAVAILABLE
    assert [request.method for request in network.requests] == ["GET", "DELETE"]


async def test_settling_heeds_an_effect_that_arrives_before_its_key_is_closed() -> None:
    network = ScriptedNetwork(
        httpx.Response(404, json={"code": "key_not_found"}),
        httpx.Response(200, json={"status": 200, "body": {"version": 2}}),
    )
    outcome = await back_end(network).settle("change", "c:1:0", age_s=1)
    assert outcome is not None
    assert outcome.status is ActionStatus.SUCCEEDED


@pytest.mark.parametrize(
    "failure", [httpx.ConnectError("x"), httpx.Response(500), httpx.Response(404)]
)
async def test_settling_waits_while_nothing_is_certain(failure: Step) -> None:
    shop = back_end(ScriptedNetwork(failure))
    assert await shop.settle("change", "c:1:0", age_s=1e9) is None


async def test_where_keys_cannot_be_closed_never_takes_time() -> None:
    paths = {**DOCUMENT["paths"], "/keys/{key}": {"get": {"x-frontdesk-settlement": "find"}}}
    network = ScriptedNetwork(
        httpx.Response(404, json={"code": "key_not_found"}), document={**DOCUMENT, "paths": paths}
    )
    shop = back_end(network)
    assert await shop.settle("change", "c:1:0", age_s=OPTIONS.applies_within_s - 1) is None
    outcome = await shop.settle("change", "c:1:0", age_s=OPTIONS.applies_within_s)
    assert outcome is not None
    assert outcome.status is ActionStatus.UNAVAILABLE


def test_the_token_is_masked() -> None:
    assert "secret-token" not in repr(OPTIONS)
