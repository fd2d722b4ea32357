"""A REST back end: the BackEnd port over httpx.

Theory of operation: a call is tried until it has an answer or its budget is spent. That is safe
because look-ups change nothing, and every try of an effect carries the same `Idempotency-Key`,
under which the back end applies it once. Once a try went out and got no certain answer, only an
answer can make the outcome certain again; without one it is UNKNOWN, and `settle` asks later.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_result, wait_random_exponential

from actions.adapters.answer import (
    Done,
    MaybeApplied,
    No,
    NotApplied,
    Verdict,
    judge_failure,
    judge_response,
    judge_stored,
)
from actions.breaker import BreakerState, CircuitBreaker
from actions.contract import Action, Catalogue, HttpCall, Settlement, read_catalogue
from actions.errors import BackEndUnavailableError
from actions.ports import Reply
from actions.request import ActionOutcome, ActionRequest, ActionStatus

_log = logging.getLogger(__name__)

IDEMPOTENCY_HEADER: Final = "Idempotency-Key"
OPENAPI_PATH: Final = "/openapi.json"

_MIN_TRY_S: Final = 0.05  # with less time than this left, another try could not end
_SETTLE_TIMEOUT_S: Final = 5.0  # nobody waits on the line for this one


@dataclass(frozen=True, slots=True, kw_only=True)
class RestOptions:
    """Where the back end is and how patient to be with it."""

    base_url: str
    token: str | None = field(default=None, repr=False)
    connect_timeout_s: float = 1.0
    read_timeout_s: float = 2.0  # of one try: half a budget, so that there can be a second
    backoff_first_s: float = 0.1
    backoff_max_s: float = 1.0
    applies_within_s: float = 60.0
    """After which the back end certainly applies no request any more that it once received.

    Only for back ends without an operation that voids a key.
    """


class RestBackEnd:
    """One back end. Open it, use it from one event loop, close it."""

    def __init__(
        self,
        options: RestOptions,
        *,
        breaker: CircuitBreaker | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            options: where it is and how patient to be.
            breaker: shared by all calls; one with default limits when left out.
            transport: instead of the network.
            clock: monotonic seconds.
        """
        self._options = options
        self._breaker = breaker or CircuitBreaker()
        self._clock = clock
        self._catalogue: Catalogue | None = None
        headers = {"Accept": "application/json"}
        if options.token:
            headers["Authorization"] = f"Bearer {options.token}"
        self._client = httpx.AsyncClient(
            base_url=options.base_url,
            headers=headers,
            transport=transport,
            trust_env=False,  # a proxy from the environment must not see callers' data
        )

    @property
    def breaker_state(self) -> BreakerState:
        return self._breaker.state

    async def close(self) -> None:
        await self._client.aclose()

    async def catalogue(self) -> Catalogue:
        if self._catalogue is None:
            verdict = await self._try("GET", OPENAPI_PATH, timeout_s=_SETTLE_TIMEOUT_S)
            if not isinstance(verdict, Done):
                raise BackEndUnavailableError(verdict.error)
            self._catalogue = read_catalogue(verdict.result)
            _log.info(
                "catalogue read",
                extra={"version": self._catalogue.version, "count": len(self._catalogue.actions)},
            )
        return self._catalogue

    async def call(self, action: Action, request: ActionRequest, budget_s: float) -> Reply:
        attempt = _Attempt(
            call=action.http_call(request.arguments),
            key=None if action.read_only else request.key,
            deadline_s=self._clock() + budget_s,
        )
        verdict = await self._retrying(attempt)
        return Reply(outcome=_outcome(request, verdict, attempt), attempts=attempt.sent)

    async def settle(self, name: str, key: str, *, age_s: float) -> ActionOutcome | None:
        try:
            catalogue = await self.catalogue()
        except BackEndUnavailableError:
            return None
        if catalogue.find is None:
            return None
        verdict = await self._ask(catalogue.find, key)
        if isinstance(verdict, NotApplied) and verdict.retryable:
            if catalogue.void is not None:
                # A request may still be on its way: close the key, so that "never" stays true.
                verdict = await self._ask(catalogue.void, key)
            elif age_s < self._options.applies_within_s:
                return None
        return _settled(name, key, verdict)

    # --- requests -------------------------------------------------------------------------------

    async def _retrying(self, attempt: "_Attempt") -> Verdict:
        """Try until something certain is known or the budget is spent; the last verdict."""
        backoff = wait_random_exponential(
            multiplier=self._options.backoff_first_s, max=self._options.backoff_max_s
        )

        def wait(state: RetryCallState) -> float:
            asked_s = attempt.last.retry_after_s if isinstance(attempt.last, NotApplied) else 0.0
            return max(backoff(state), asked_s)

        def stop(state: RetryCallState) -> bool:
            left_s = attempt.deadline_s - self._clock() - state.upcoming_sleep
            return left_s < _MIN_TRY_S or self._breaker.state is BreakerState.OPEN

        return await AsyncRetrying(
            retry=retry_if_result(_worth_another),
            wait=wait,
            stop=stop,
            retry_error_callback=lambda _: attempt.last,
        )(self._try_once, attempt)

    async def _try_once(self, attempt: "_Attempt") -> Verdict:
        left_s = attempt.deadline_s - self._clock()
        if left_s < _MIN_TRY_S:
            verdict: Verdict = NotApplied(error="the budget was spent", retryable=False)
        elif not self._breaker.allow(self._clock()):
            verdict = NotApplied(error="the back end is failing; not tried", retryable=False)
        else:
            attempt.sent += 1
            verdict = await self._try(
                attempt.call.method,
                attempt.call.path,
                call=attempt.call,
                key=attempt.key,
                timeout_s=min(left_s, self._options.read_timeout_s),
            )
            self._report(verdict)
        attempt.maybe_applied |= isinstance(verdict, MaybeApplied) and attempt.key is not None
        attempt.last = verdict
        return verdict

    async def _try(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float,
        call: HttpCall | None = None,
        key: str | None = None,
    ) -> Verdict:
        """One request, whole within `timeout_s`, and what its answer says."""
        try:
            response = await self._send(method, path, timeout_s=timeout_s, call=call, key=key)
        except httpx.TransportError as error:
            return judge_failure(error)
        except (TimeoutError, httpx.HTTPError) as error:
            return MaybeApplied(error=f"{type(error).__name__}: {error}".rstrip(": "))
        return judge_response(response)

    async def _ask(self, settlement: Settlement, key: str) -> Verdict | None:
        """What is stored under a key; None when there was no certain answer."""
        path = settlement.path_for(key)
        try:
            response = await self._send(settlement.method, path, timeout_s=_SETTLE_TIMEOUT_S)
        except (TimeoutError, httpx.HTTPError):
            return None
        return judge_stored(response)

    async def _send(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float,
        call: HttpCall | None = None,
        key: str | None = None,
    ) -> httpx.Response:
        # httpx's own time-outs count each read; the outer one ends an answer that drips.
        async with asyncio.timeout(timeout_s):
            return await self._client.request(
                method,
                path,
                params=dict(call.query) if call and call.query else None,
                json=call.body if call else None,
                headers={IDEMPOTENCY_HEADER: key} if key else None,
                timeout=httpx.Timeout(
                    timeout_s, connect=min(self._options.connect_timeout_s, timeout_s)
                ),
            )

    def _report(self, verdict: Verdict) -> None:
        answered = isinstance(verdict, NotApplied) and verdict.answered
        if answered or isinstance(verdict, Done | No):
            self._breaker.succeeded()
        else:
            self._breaker.failed(self._clock())


@dataclass(slots=True, kw_only=True)
class _Attempt:
    """One call and all its tries."""

    call: HttpCall
    key: str | None  # None of a look-up
    deadline_s: float
    sent: int = 0
    maybe_applied: bool = False
    last: Verdict = field(default_factory=lambda: NotApplied(error="not tried"))


def _worth_another(verdict: Verdict) -> bool:
    match verdict:
        case MaybeApplied():
            return True
        case NotApplied():
            return verdict.retryable
        case Done() | No():
            return False


def _outcome(request: ActionRequest, verdict: Verdict, attempt: _Attempt) -> ActionOutcome:
    result: Mapping[str, Any] = {}
    error: str | None = None
    match verdict:
        case Done():
            status, result = ActionStatus.SUCCEEDED, verdict.result
        case No():
            status, result, error = ActionStatus.REFUSED, verdict.result, verdict.error
        case NotApplied() | MaybeApplied():
            unknown = attempt.maybe_applied
            status = ActionStatus.UNKNOWN if unknown else ActionStatus.UNAVAILABLE
            error = verdict.error
        case _:
            assert_never(verdict)
    return ActionOutcome(
        name=request.name, key=request.key, status=status, result=result, error=error
    )


def _settled(name: str, key: str, verdict: Verdict | None) -> ActionOutcome | None:
    """The outcome that a stored answer stands for; None while nothing is certain."""
    result: Mapping[str, Any] = {}
    error: str | None = None
    match verdict:
        case Done():
            status, result = ActionStatus.SUCCEEDED, verdict.result
        case No():
            status, result, error = ActionStatus.REFUSED, verdict.result, verdict.error
        case NotApplied():
            status, error = ActionStatus.UNAVAILABLE, verdict.error
        case MaybeApplied() | None:
            return None
        case _:
            assert_never(verdict)
    return ActionOutcome(name=name, key=key, status=status, result=result, error=error)
