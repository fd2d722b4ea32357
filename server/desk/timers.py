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
