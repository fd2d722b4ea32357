"""The media clock: one 20 ms tick per process, serving all calls.

Deadlines are absolute, start + n × 20 ms, so that being late once does not make the rest late.
After a stall missed ticks are made up for at once, as far as a far end may still be waiting for
their frames: a telephone keeps some back for such moments, and then nobody hears of it. A frame
that is never sent is a hole, and everything after it comes that much later. What is older than that
is counted and left out.
"""

import asyncio
import logging
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import repeat
from math import ceil
from typing import Final, TypeAlias

from voice.frames import FRAME_S

logger = logging.getLogger(__name__)

Tick: TypeAlias = Callable[[float], None]

LATENESS_BUCKETS_MS: Final = (
    *(0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0, 20.0, 40.0, 60.0, 100.0),
)
"""Upper bounds. Under 1 ms is the timer's own grain, 5 ms is the goal for p99 at full load, from
20 ms on a whole tick was missed, over 60 ms it is heard."""


RECENT_TICKS: Final = 50  # one second's
_MADE_UP: Final = 5  # ticks, 100 ms: telephones keep 40 to 100 ms of audio back


class Lateness:
    """How late the ticks began, since the start and of late.

    Attributes:
        ticks: ticks served.
        skipped: ticks left out after stalls.
        max_ms: the greatest lateness.
        counts: ticks per bucket of LATENESS_BUCKETS_MS, and one for all above.
    """

    def __init__(self) -> None:
        self.ticks = self.skipped = 0
        self.max_ms = 0.0
        self.counts = [0] * (len(LATENESS_BUCKETS_MS) + 1)
        self._recent: deque[float] = deque(maxlen=RECENT_TICKS)

    def record(self, late_ms: float, *, missed: int = 0) -> None:
        """A tick was served, so late that `missed` after it are left out."""
        self.skipped += missed
        # Those left out were at least as late: a stall is not one late tick among many.
        self._recent.extend(repeat(late_ms, 1 + min(missed, RECENT_TICKS)))
        self.ticks += 1
        self.max_ms = max(self.max_ms, late_ms)
        self.counts[bisect_left(LATENESS_BUCKETS_MS, late_ms)] += 1

    def quantile_ms(self, fraction: float) -> float:
        """The upper bound of the bucket that this fraction of the ticks lies in or under.

        0 before the first tick; `max_ms` when that is less, or when the bucket has no bound.
        """
        wanted, seen = fraction * self.ticks, 0
        for bound, count in zip(LATENESS_BUCKETS_MS, self.counts, strict=False):
            seen += count
            if seen >= wanted:
                return min(bound, self.max_ms)
        return self.max_ms

    def recent_ms(self, fraction: float) -> float:
        """What this fraction of the last second's ticks were at most late by; 0 before any."""
        recent = sorted(self._recent)
        return recent[max(ceil(fraction * len(recent)), 1) - 1] if recent else 0.0

    def late(self, over_ms: float) -> int:
        """How many ticks were later than a bound of LATENESS_BUCKETS_MS.

        Raises:
            ValueError: it is none of them.
        """
        return sum(self.counts[LATENESS_BUCKETS_MS.index(over_ms) + 1 :])

    @property
    def p99_ms(self) -> float:
        return self.quantile_ms(0.99)


class MediaClock:
    """Calls every tick function once per 20 ms while `run` runs.

    Attributes:
        lateness: how punctual it is, live.
        cpu_s: what all ticks together have taken of the processor, with what was done later.
        due_s: when the tick being served, or the last one, was due, by `clock`.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        """
        Args:
            clock: monotonic seconds.
            sleep: for so many seconds.
            cpu: seconds that this thread has been on a processor.
        """
        self.lateness = Lateness()
        self.cpu_s = 0.0
        self.due_s = float("-inf")
        self._cpu = cpu
        self._clock = clock
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None
        self._ticks: dict[Tick, None] = {}  # in the order of their coming

    def __len__(self) -> int:
        return len(self._ticks)

    def add(self, tick: Tick) -> None:
        """Call `tick(now_s)` once per 20 ms from the next tick on; adding it twice changes nothing.

        It must return at once. If it raises it is removed, and the error logged: the others go on.
        """
        self._ticks[tick] = None

    def remove(self, tick: Tick) -> None:
        """Stop calling it, at once even from within a tick; harmless if it is not there."""
        self._ticks.pop(tick, None)

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Call once after so many seconds, for what belongs to this tick and is to be done then."""
        asyncio.get_running_loop().call_later(delay_s, self._charged, call)

    def _charged(self, call: Callable[[], None]) -> None:
        began_s = self._cpu()
        call()
        self.cpu_s += self._cpu() - began_s

    async def start(self) -> None:
        """Run in a task of its own until `stop`, for owners that have no task group."""
        if self._task is None:
            self._task = asyncio.create_task(self.run(), name="media clock")

    async def stop(self) -> None:
        """End that task; idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def run(self) -> None:
        """Serve ticks until cancelled; run it once per process."""
        deadline_s = self._clock() + FRAME_S
        while True:
            # At least one turn of the loop even when late: datagrams must come in between.
            await self._sleep(max(0.0, deadline_s - self._clock()))
            now_s = self._clock()
            if now_s < deadline_s:
                continue  # timers may fire early by the clock's grain
            late_s = now_s - deadline_s
            left_out = max(0, int(late_s / FRAME_S) - _MADE_UP)
            self.lateness.record(late_s * 1000, missed=left_out)
            self.due_s = deadline_s + left_out * FRAME_S
            began_s = self._cpu()
            self._serve(now_s)
            self.cpu_s += self._cpu() - began_s
            deadline_s += (left_out + 1) * FRAME_S

    def _serve(self, now_s: float) -> None:
        for tick in tuple(self._ticks):
            if tick not in self._ticks:
                continue
            try:
                tick(now_s)
            except Exception:
                self.remove(tick)
                logger.exception("A media tick failed and was removed")
