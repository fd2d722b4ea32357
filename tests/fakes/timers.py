"""An event loop's timers on a clock that the test turns by hand."""

import heapq
import itertools
from collections.abc import Callable
from typing import Any


class _Timer:
    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class HandTimers:
    """server.desk.timers.Timers; nothing happens but in `advance`."""

    def __init__(self) -> None:
        self._now_s = 100.0
        self._order = itertools.count()
        self._waiting: list[tuple[float, int, _Timer]] = []

    def time(self) -> float:
        return self._now_s

    def call_soon(self, callback: Callable[..., Any], /, *args: Any) -> _Timer:
        return self.call_later(0.0, callback, *args)

    def call_later(self, delay: float, callback: Callable[..., Any], /, *args: Any) -> _Timer:
        timer = _Timer(lambda: callback(*args))
        heapq.heappush(self._waiting, (self._now_s + delay, next(self._order), timer))
        return timer

    def advance(self, seconds: float = 0.0) -> None:
        """Let time pass; what is due happens in order."""
        until_s = self._now_s + seconds
        while self._waiting and self._waiting[0][0] <= until_s:
            self._now_s, _, timer = heapq.heappop(self._waiting)
            if not timer.cancelled:
                timer.work()
        self._now_s = until_s
