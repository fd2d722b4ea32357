"""Rules by which an answer, or its absence, is judged."""

from typing import Any

import httpx
import pytest

from actions.adapters.answer import (
    Done,
    MaybeApplied,
    No,
    NotApplied,
    judge_failure,
    judge_response,
    judge_stored,
)


def test_success_with_an_object_is_done() -> None:
    assert judge_response(httpx.Response(201, json={"a": 1})) == Done(result={"a": 1})


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[1]),
        httpx.Response(302),
        httpx.Response(408),
        httpx.Response(500, json={"code": "x"}),
        httpx.Response(503),
        httpx.Response(409, json={"code": "in_progress"}),
    ],
)
def test_what_may_have_been_applied_stays_open(response: httpx.Response) -> None:
    assert isinstance(judge_response(response), MaybeApplied)


def test_a_problem_with_a_code_is_a_refusal_with_its_data() -> None:
    body = {
        "type": "about:blank",
        "title": "No",
        "detail": "Shipped yesterday",
        "status": 409,
        "code": "already_shipped",
        "carrier": "UPS",
    }
    assert judge_response(httpx.Response(409, json=body)) == No(
        result={"code": "already_shipped", "carrier": "UPS"}, error="Shipped yesterday"
    )


def test_an_idempotency_mismatch_is_a_refusal() -> None:
    response = httpx.Response(422, json={"code": "idempotency_key_reused", "title": "Reused"})
    verdict = judge_response(response)
    assert isinstance(verdict, No)
    assert verdict.result["code"] == "idempotency_key_reused"


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(401, json={"code": "unauthorized"}),
        httpx.Response(403, json={"code": "forbidden"}),
        httpx.Response(404, text="nginx"),
        httpx.Response(404, json={"detail": "Not Found"}),
    ],
)
def test_our_own_misconfiguration_is_no_refusal(response: httpx.Response) -> None:
    verdict = judge_response(response)
    assert isinstance(verdict, NotApplied)
    assert not verdict.retryable


@pytest.mark.parametrize(("header", "expected_s"), [("0.5", 0.5), ("Fri, 31 Dec 1999", 0.0)])
def test_too_many_requests_asks_for_patience(header: str, expected_s: float) -> None:
    verdict = judge_response(httpx.Response(429, headers={"Retry-After": header}))
    assert isinstance(verdict, NotApplied)
    assert verdict.retryable
    assert verdict.retry_after_s == expected_s


@pytest.mark.parametrize("error", [httpx.ConnectError("x"), httpx.ConnectTimeout("x")])
def test_what_never_connected_was_not_applied(error: httpx.TransportError) -> None:
    assert isinstance(judge_failure(error), NotApplied)


@pytest.mark.parametrize(
    "error", [httpx.ReadTimeout("x"), httpx.WriteError("x"), httpx.RemoteProtocolError("x")]
)
def test_what_was_sent_without_an_answer_may_be_applied(error: httpx.TransportError) -> None:
    assert isinstance(judge_failure(error), MaybeApplied)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"status": 200, "body": {"v": 2}}, Done),
        (200, {"status": 409, "body": {"code": "already_shipped"}}, No),
        (200, {"status": 409, "body": {"code": "key_voided"}}, NotApplied),
        (404, {"code": "key_not_found"}, NotApplied),
    ],
)
def test_stored_answers_are_judged_like_the_first_time(
    status: int, body: dict[str, Any], expected: type
) -> None:
    assert isinstance(judge_stored(httpx.Response(status, json=body)), expected)


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(404, json={"detail": "no such route"}),
        httpx.Response(500, json={}),
        httpx.Response(200, json={"unexpected": 1}),
        httpx.Response(401, json={"code": "unauthorized"}),
    ],
)
def test_an_uncertain_settlement_settles_nothing(response: httpx.Response) -> None:
    assert judge_stored(response) is None
