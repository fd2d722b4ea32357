"""A circuit breaker: fail fast while a back end is down; pure.

Theory of operation: closed, calls pass and failures in a row are counted; at the limit it opens
and refuses calls for the cool-down; then it is half open and lets one call through as a probe,
whose end closes it or opens it again. A probe that never reports is given up after another
cool-down. A failure reported while open is of a call from before, and changes nothing.

    CLOSED --failures reach the limit--> OPEN --cool-down over, one call--> HALF_OPEN
    HALF_OPEN --success--> CLOSED        HALF_OPEN --failure--> OPEN
"""

from enum import StrEnum


class BreakerState(StrEnum):
    CLOSED = "closed"  # calls pass
    OPEN = "open"  # calls are refused
    HALF_OPEN = "half_open"  # one call is out to see


class CircuitBreaker:
    def __init__(self, *, failure_limit: int = 5, cool_down_s: float = 5.0) -> None:
        """
        Args:
            failure_limit: failures in a row that open it.
            cool_down_s: how long it stays open before a probe.
        """
        self._failure_limit = failure_limit
        self._cool_down_s = cool_down_s
        self._failures = 0
        self._state = BreakerState.CLOSED
        self._since_s = 0.0  # when the state was entered; of no meaning while closed

    @property
    def state(self) -> BreakerState:
        return self._state

    def allow(self, now_s: float) -> bool:
        """Whether a call may go out now; who is allowed must report success or failure."""
        if self._state is BreakerState.CLOSED:
            return True
        if now_s - self._since_s < self._cool_down_s:
            return False
        self._enter(BreakerState.HALF_OPEN, now_s)
        return True

    def succeeded(self) -> None:
        """The back end answered, were it with a refusal."""
        self._failures = 0
        self._state = BreakerState.CLOSED

    def failed(self, now_s: float) -> None:
        """The back end was not reached, did not answer, or failed."""
        if self._state is BreakerState.OPEN:
            return
        self._failures += 1
        if self._state is BreakerState.HALF_OPEN or self._failures >= self._failure_limit:
            self._enter(BreakerState.OPEN, now_s)

    def _enter(self, state: BreakerState, now_s: float) -> None:
        self._state = state
        self._since_s = now_s
