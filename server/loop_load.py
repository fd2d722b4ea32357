"""The share of a core that this process's event loop takes, and will take.

Theory of operation. Python serves all calls of a process on one core, the loop's. Long before the
loop itself is late, utterances wait: those who recognise them share the interpreter with it, and it
goes first. That wait shows only when it is too late to keep callers out, since a call costs little
until it has spoken. But what a call will cost is known from those that are up: so each that came in
the last seconds counts as what the others cost, beside what the loop takes now.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

_LOOK_S: Final = 0.25
_YOUNG_S: Final = 6.0  # a call has been greeted, and its caller is speaking
_FIRST_COST: Final = 0.008  # of a core a call, until it is known here
_LEARNING: Final = 0.02  # a look: the cost of a call is that of the last quarter of a minute
_ENOUGH: Final = 5  # calls, to tell what one of them costs


class LoopLoad:
    """One process's; `run` it in the loop.

    Args:
        calls: how many are up.
        cpu_s: CPU time of the loop's thread so far, in seconds; asked in that thread.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        calls: Callable[[], int],
        *,
        cpu_s: Callable[[], float] = time.thread_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls, self._cpu_s, self._clock = calls, cpu_s, clock
        self._seen: deque[tuple[float, float, int]] = deque()  # when, CPU so far, calls
        self._cost = _FIRST_COST
        self.share = 0.0
        """Of one core, with what the calls will take that came just now."""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_S)

    def look(self) -> None:
        """Take what there is now."""
        now_s, cpu_s, calls = self._clock(), self._cpu_s(), self._calls()
        self._seen.append((now_s, cpu_s, calls))
        while now_s - self._seen[0][0] > _YOUNG_S:
            self._seen.popleft()
        settled = min(calls for _, _, calls in self._seen)
        began_s, before_s, _ = self._seen[0]  # a mean over seconds, since callers take turns
        taken = (cpu_s - before_s) / (now_s - began_s) if now_s > began_s else 0.0
        if settled >= _ENOUGH:
            self._cost += _LEARNING * (taken / settled - self._cost)
        self.share = taken + (calls - settled) * self._cost
