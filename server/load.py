"""The load of this process: watched, shown, and told to whatever can do with less.

`Load` looks at the signals several times a second and climbs the ladder of server/headroom.py. Who
has something to shed asks `sheds` each time they are about to spend it; nobody is called back.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from server.ceiling import Ceiling, CeilingOptions
from server.headroom import Headroom, Step
from server.observability import Metrics

log = logging.getLogger(__name__)

_LOOK_S: Final = 0.25  # a quarter of the time that a step up takes


class Load:
    """One process's. `run` it; what is asked of it is never older than a quarter of a second."""

    def __init__(
        self,
        signals: Mapping[str, Callable[[], float]],
        *,
        calls: Callable[[], int],
        spared_calls: int,
        metrics: Metrics,
        headroom: Headroom | None = None,
        ceiling: Ceiling | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            signals: by their names in HeadroomOptions.
            calls: how many are up.
            spared_calls: with no more calls than these the machine's load is not theirs: shedding
                would cost them and gain nothing.
            clock: monotonic seconds.
        """
        self._signals, self._calls, self._spared = signals, calls, spared_calls
        self._metrics, self._clock = metrics, clock
        self._headroom = headroom or Headroom()
        self._ceiling = ceiling or Ceiling(CeilingOptions(least=spared_calls))
        metrics.calls_ceiling.set_function(lambda: self._ceiling.calls)
        metrics.load_step.set_function(lambda: self.step)
        for name, signal in signals.items():
            metrics.load_signal.labels(name).set_function(signal)

    @property
    def step(self) -> Step:
        return self._headroom.step

    def has_headroom(self) -> bool:
        """Whether one more call fits."""
        calls = self._calls()
        fits = self._headroom.admits and calls < self._ceiling.calls
        return fits or calls <= self._spared

    def sheds(self, step: Step) -> Callable[[], bool]:
        """Asked at any time: is what this step sheds to be left out now?"""
        return lambda: self.step >= step

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_S)

    def look(self) -> None:
        """Take the signals as they are now."""
        signals: dict[str, float] = {}
        calls, now_s = self._calls(), self._clock()
        if calls > self._spared:
            signals = {name: signal() for name, signal in self._signals.items()}
        before = self.step
        after = self._headroom.observe(signals, now_s)
        self._ceiling.observe(
            calls=calls, room=self._headroom.room, full=self._headroom.full, now_s=now_s
        )
        if after is not before:
            self._tell(before, after, signals)

    def _tell(self, before: Step, after: Step, signals: Mapping[str, float]) -> None:
        direction = "up" if after > before else "down"
        cause = self._headroom.cause or "room_again"
        self._metrics.load_steps.labels(after.name.lower(), direction, cause).inc()
        log.warning(
            "load step changed",
            extra={
                "from_step": before.name.lower(),
                "to_step": after.name.lower(),
                "cause": cause,
                "calls": self._calls(),
                **{name: round(value, 4) for name, value in signals.items()},
            },
        )
