"""What happens in the calls, live: for the demo's terminal, and for whoever watches /v1/live.

A subscriber that does not keep up loses its oldest events, never anyone else's.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeAlias

Subscriber: TypeAlias = asyncio.Queue[dict[str, Any] | None]
"""Events as they come; None says that the server is going down."""

Joining: TypeAlias = Callable[[Subscriber], AbstractAsyncContextManager[None]]
"""Gives a subscriber the events of this server's other processes too, meanwhile."""

_BACKLOG = 256  # events a subscriber may lag behind


class Feed:
    """Fan-out of JSON-ready events to any number of subscribers; use on the event loop."""

    def __init__(self) -> None:
        self._queues: set[Subscriber] = set()

    @property
    def subscribers(self) -> int:
        """How many listen."""
        return len(self._queues)

    def publish(self, event: dict[str, Any]) -> None:
        for queue in self._queues:
            self.offer(queue, event)

    @contextmanager
    def subscribe(self) -> Generator[Subscriber, None, None]:
        """A queue of events from now on."""
        queue: Subscriber = asyncio.Queue(_BACKLOG)
        with self.also(queue):
            yield queue

    @contextmanager
    def also(self, subscriber: Subscriber) -> Generator[None, None, None]:
        """Give whoever listens elsewhere these events too, meanwhile."""
        self._queues.add(subscriber)
        try:
            yield
        finally:
            self._queues.discard(subscriber)

    def close(self) -> None:
        """End every subscription."""
        for queue in self._queues:
            self.offer(queue, None)

    @staticmethod
    def offer(queue: Subscriber, event: dict[str, Any] | None) -> None:
        """Give one subscriber an event."""
        if queue.full():
            queue.get_nowait()
        queue.put_nowait(event)
