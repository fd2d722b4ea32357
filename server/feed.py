"""What happens in the calls, live: for the demo's terminal, and for whoever watches /v1/live.

A subscriber that does not keep up loses its oldest events, never anyone else's.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

_BACKLOG = 256  # events a subscriber may lag behind


class Feed:
    """Fan-out of JSON-ready events to any number of subscribers; use on the event loop."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[dict[str, Any] | None]] = set()

    def publish(self, event: dict[str, Any]) -> None:
        for queue in self._queues:
            self._offer(queue, event)

    @contextmanager
    def subscribe(self) -> Generator[asyncio.Queue[dict[str, Any] | None], None, None]:
        """A queue of events from now on; None says that the server is going down."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(_BACKLOG)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    def close(self) -> None:
        """End every subscription."""
        for queue in self._queues:
            self._offer(queue, None)

    @staticmethod
    def _offer(queue: asyncio.Queue[dict[str, Any] | None], event: dict[str, Any] | None) -> None:
        if queue.full():
            queue.get_nowait()
        queue.put_nowait(event)
