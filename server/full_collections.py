"""Full garbage collections are made when nobody is on the line, or seldom.

One looks at everything that came up since the start, 20 to 35 ms with a hundred calls, and Python
makes it in whichever thread allocates next, mostly the one that serves calls: every half minute a
tick came that much later. What calls leave behind is free as soon as they are over, without any
collection; what little is not can wait.
"""

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

_LOOKS_S: Final = 2.0
_AT_LEAST_S: Final = 900.0  # one late tick a quarter of an hour, however long calls do not stop
_NEVER: Final = 2**31 - 1  # as the number of collections of the younger objects before a full one


class FullCollections:
    """Says when one is due; pure, told the time and how many calls are up."""

    def __init__(self, now_s: float) -> None:
        self._last_s = now_s
        self._served = False  # calls have been up since the latest

    def due(self, calls_up: int, now_s: float) -> bool:
        """Whether it is to be made now; whoever asks makes it."""
        due = self._served and (not calls_up or now_s - self._last_s >= _AT_LEAST_S)
        self._served = bool(calls_up) or (self._served and not due)
        if due:
            self._last_s = now_s
        return due


@asynccontextmanager
async def full_collections_when_idle(calls_up: Callable[[], int]) -> AsyncGenerator[None, None]:
    """Make all of this process meanwhile; younger objects are collected as ever."""
    before = gc.get_threshold()
    gc.set_threshold(*before[:2], _NEVER)
    task = asyncio.create_task(_collect(calls_up), name="full collections")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        gc.set_threshold(*before)


async def _collect(calls_up: Callable[[], int]) -> None:
    now_s = asyncio.get_running_loop().time
    collections = FullCollections(now_s())
    while True:
        await asyncio.sleep(_LOOKS_S)
        if collections.due(calls_up(), now_s()):
            gc.collect()
