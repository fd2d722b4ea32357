"""What the desk asks of an event loop: that something be done soon, or later."""

from collections.abc import Callable
from typing import Any, Protocol


class Timer(Protocol):
    def cancel(self) -> None: ...


class Timers(Protocol):
    """asyncio's event loop, or a clock that a test turns by hand."""

    def time(self) -> float:
        """Monotonic seconds."""
        ...

    def call_soon(self, callback: Callable[..., Any], /, *args: Any) -> Timer: ...

    def call_later(self, delay: float, callback: Callable[..., Any], /, *args: Any) -> Timer: ...


class Waits:
    """What is waited for, by name; each at most once."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._running: dict[str, Timer] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._running

    def begin(self, name: str, delay_s: float, then: Callable[[], None]) -> None:
        """Anew, if it is waited for already."""
        self.stop(name)
        self._running[name] = self._timers.call_later(delay_s, then)

    def stop(self, name: str) -> None:
        """Idempotent."""
        timer = self._running.pop(name, None)
        if timer is not None:
            timer.cancel()

    def stop_all(self) -> None:
        for name in tuple(self._running):
            self.stop(name)
