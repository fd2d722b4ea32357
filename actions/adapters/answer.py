"""What an answer of a REST back end, or its absence, says about an action; pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import httpx

_IN_PROGRESS: Final = "in_progress"  # problem code: the same key is being worked on right now
_KEY_VOIDED: Final = "key_voided"  # problem code: the reconciler has closed this key
_KEY_NOT_FOUND: Final = "key_not_found"  # problem code: nothing is stored under this key

# Problem members that are for us or for people; the rest is the refusal's data.
_PROBLEM_MEMBERS: Final = frozenset({"type", "title", "status", "detail", "instance"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """2xx: done; `result` is the JSON object."""

    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class No:
    """The back end will not: nothing changed."""

    result: Mapping[str, Any]  # `code` and the problem's extension members
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotApplied:
    """This request changed nothing; another try may fare better if `retryable`."""

    error: str
    retryable: bool = True
    answered: bool = False  # the back end itself said so: it is up
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MaybeApplied:
    """The request went out and nothing certain came back."""

    error: str


Verdict: TypeAlias = Done | No | NotApplied | MaybeApplied


def judge_response(response: httpx.Response) -> Verdict:
    """What a complete response says."""
    if response.status_code == 429:
        return NotApplied(error="HTTP 429", answered=True, retry_after_s=_retry_after_s(response))
    return _judge(response.status_code, _json_object(response))


def judge_stored(response: httpx.Response) -> Verdict | None:
    """What the back end has stored under a key; None when this is no certain answer.

    200 with `{"status": …, "body": {…}}` is the answer that was given to the key; 404 with the
    problem code `key_not_found` is a key that was never applied.
    """
    body = _json_object(response)
    if body is None:
        return None
    if response.status_code == 404 and body.get("code") == _KEY_NOT_FOUND:
        return NotApplied(error="never reached the back end", answered=True)
    status, stored = body.get("status"), body.get("body")
    if response.status_code != 200 or not isinstance(status, int) or not isinstance(stored, dict):
        return None
    return _judge(status, cast(Mapping[str, Any], stored))


def _judge(status: int, body: Mapping[str, Any] | None) -> Verdict:
    if 200 <= status < 300:
        if body is None:
            return MaybeApplied(error=f"HTTP {status} without a JSON object")
        return Done(result=body)
    if status == 408 or not 400 <= status < 500:
        return MaybeApplied(error=f"HTTP {status}")
    code = body.get("code") if body else None
    if status in (401, 403) or body is None or not isinstance(code, str):
        # Our credentials or our address are wrong: no decision about this action was taken.
        return NotApplied(error=f"HTTP {status} without a refusal", retryable=False, answered=True)
    if code == _IN_PROGRESS:
        # An earlier request under this key may yet be applied: not certain, and worth another look.
        return MaybeApplied(error="the back end is still working on this key")
    if code == _KEY_VOIDED:
        return NotApplied(error="the key was voided", retryable=False, answered=True)
    result = {name: value for name, value in body.items() if name not in _PROBLEM_MEMBERS}
    error = body.get("detail") or body.get("title") or code
    return No(result=result, error=str(error))


def judge_failure(error: httpx.TransportError) -> Verdict:
    """What a request that got no response says: did it ever leave?"""
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    never_sent = (
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.PoolTimeout,
        httpx.UnsupportedProtocol,
        httpx.ProxyError,
    )
    if isinstance(error, never_sent):
        return NotApplied(error=text, retryable=not isinstance(error, httpx.UnsupportedProtocol))
    return MaybeApplied(error=text)


def _json_object(response: httpx.Response) -> Mapping[str, Any] | None:
    try:
        body = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None
    return cast(Mapping[str, Any], body) if isinstance(body, dict) else None


def _retry_after_s(response: httpx.Response) -> float:
    try:
        return max(float(response.headers.get("Retry-After", "0")), 0.0)
    except ValueError:  # a date: our budget is too short for those
        return 0.0
