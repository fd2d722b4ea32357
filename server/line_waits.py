"""How long work waits in a line before it begins: of late, and right now.

Asked twice a second, told from whichever thread begins the work.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from math import ceil
from typing import Final

_WINDOW_S: Final = 5.0  # with 20 calls, about a dozen utterances
_MOST: Final = 1_000  # waits kept: more than a machine begins in that time
_FRACTION: Final = 0.9


class LineWaits:
    """Work joins the line, and later begins or leaves it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives monotonic seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[object, float] = {}  # since when
        self._begun: deque[tuple[float, float]] = deque(maxlen=_MOST)  # when, after how long

    def join(self) -> object:
        """Work is put in line; returns what it is to be named by."""
        ticket = object()
        with self._lock:
            self._waiting[ticket] = self._clock()
        return ticket

    def begin(self, ticket: object) -> None:
        """It is its turn."""
        now_s = self._clock()
        with self._lock:
            joined_s = self._waiting.pop(ticket, None)
            if joined_s is not None:
                self._begun.append((now_s, now_s - joined_s))

    def leave(self, ticket: object) -> None:
        """It was given up, or is done; harmless after `begin`."""
        with self._lock:
            self._waiting.pop(ticket, None)

    @property
    def length(self) -> int:
        """How many wait now."""
        return len(self._waiting)

    def p90_s(self) -> float:
        """What nine of ten waited at most, of those that began in the last five seconds or wait
        still; 0 when there are none."""
        now_s = self._clock()
        with self._lock:
            while self._begun and now_s - self._begun[0][0] > _WINDOW_S:
                self._begun.popleft()
            waits = sorted(
                [waited_s for _, waited_s in self._begun]
                + [now_s - since_s for since_s in self._waiting.values()]
            )
        return waits[ceil(_FRACTION * len(waits)) - 1] if waits else 0.0
