"""One 20 ms clock for all calls of a process, kept to absolute deadlines.

Theory of operation. Real telephones are not in step, and a process that sent a hundred packets at
once would be late with most of them. So the clock has four phases, 5 ms apart, and a call that
joins gets the phase with the fewest. A clock that was held up makes up for every tick it missed, in
order, and lets the sockets be read in between.
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias

from loadtest.pcm import FRAME_S
from loadtest.quality import Histogram

_PHASES: Final = 4

Tick: TypeAlias = Callable[[float], None]
"""Called every 20 ms with the seconds by which this call's turn is late."""


class MediaClock:
    """Ticks whoever has joined; runs while somebody has."""

    def __init__(self) -> None:
        self.lateness = Histogram()
        self._phases: tuple[list[Tick], ...] = tuple([] for _ in range(_PHASES))
        self._epoch_s = 0.0
        self._slot = 0  # the next one; its deadline is epoch + slot · 5 ms
        self._running: asyncio.Task[None] | None = None

    @property
    def members(self) -> int:
        return sum(len(phase) for phase in self._phases)

    def join(self, tick: Tick) -> float:
        """Be ticked from now on; returns the loop's time of the first tick."""
        loop = asyncio.get_running_loop()
        if self._running is None:
            self._epoch_s, self._slot = loop.time(), 0
            self._running = loop.create_task(self._run(), name="media-clock")
        phase = min(range(_PHASES), key=lambda index: len(self._phases[index]))
        self._phases[phase].append(tick)
        slot = self._slot + (phase - self._slot) % _PHASES
        return self._epoch_s + slot * FRAME_S / _PHASES

    def leave(self, tick: Tick) -> None:
        """Be ticked no more; idempotent."""
        for phase in self._phases:
            if tick in phase:
                phase.remove(tick)
        if self._running is not None and not self.members:
            self._running.cancel()
            self._running = None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            deadline_s = self._epoch_s + self._slot * FRAME_S / _PHASES
            if (wait_s := deadline_s - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            for tick in tuple(self._phases[self._slot % _PHASES]):
                late_s = max(0.0, loop.time() - deadline_s)
                self.lateness.add(late_s)
                self._tick(tick, late_s)
            self._slot += 1
            if wait_s <= 0:
                await asyncio.sleep(0)  # catching up must not starve the sockets

    def _tick(self, tick: Tick, late_s: float) -> None:
        """One call's turn; a defect of its own must not stop the others' clock."""
        try:
            tick(late_s)
        except Exception as error:
            self.leave(tick)
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a call's tick failed", "exception": error}
            )
