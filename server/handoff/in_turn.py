"""Events one after the other: what an event causes waits until that event has been dealt with."""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

EventT = TypeVar("EventT")


class InTurn(Generic[EventT]):
    """A queue of events that is emptied by whoever tells it first; for one thread."""

    def __init__(self, handle: Callable[[EventT], None]) -> None:
        self._handle = handle
        self._events: deque[EventT] = deque()
        self._draining = False

    def tell(self, event: EventT) -> None:
        """Deal with it, after whatever is being dealt with already."""
        self._events.append(event)
        self.drain()

    def put(self, event: EventT) -> None:
        """Let it wait until the next `tell` or `drain`."""
        self._events.append(event)

    def drain(self) -> None:
        """Deal with what waits; does nothing from within `handle`."""
        if self._draining:
            return
        self._draining = True
        try:
            while self._events:
                self._handle(self._events.popleft())
        finally:
            self._draining = False
