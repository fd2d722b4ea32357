"""Percentiles, and how sure one can be of a ratio; pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, TypeVar

import numpy as np

_RESAMPLES: Final = 500  # the ends of a 95% interval then move by a tenth of its width at most

Sample = TypeVar("Sample")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A distribution in five numbers; None when there was nothing."""

    count: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    most: float | None = None

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        known = np.asarray(list(values), dtype=np.float64)
        if known.size == 0:
            return cls()
        p50, p95, p99 = (float(each) for each in np.percentile(known, (50, 95, 99)))
        return cls(count=known.size, p50=p50, p95=p95, p99=p99, most=float(known.max()))


def percentile(values: Sequence[float], percent: float) -> float | None:
    """None when there are no values."""
    return float(np.percentile(values, percent)) if len(values) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """after / before, and where it lies with 95% confidence."""

    value: float
    low: float
    high: float

    @property
    def differs(self) -> bool:
        """Whether chance alone is an unlikely explanation."""
        return self.low > 1 or self.high < 1


def bootstrap_ratio(
    before: Sequence[Sample],
    after: Sequence[Sample],
    measure: Callable[[Sequence[Sample]], float | None],
    random: Random,
    *,
    resamples: int = _RESAMPLES,
) -> Ratio | None:
    """The ratio of a measure of two samples, with a percentile-bootstrap interval.

    A sample's members are drawn whole: give calls, not turns, since turns of one call resemble each
    other and would make the interval too narrow.

    Returns:
        None when either side has nothing to measure, or measures 0.
    """
    first, second = measure(before), measure(after)
    if not first or second is None:
        return None
    ratios: list[float] = []
    for _ in range(resamples):
        old = measure(random.choices(before, k=len(before)))
        new = measure(random.choices(after, k=len(after)))
        if old and new is not None:
            ratios.append(new / old)
    if not ratios:
        return None
    low, high = (float(each) for each in np.percentile(ratios, (2.5, 97.5)))
    return Ratio(value=second / first, low=low, high=high)


def slope(points: Sequence[tuple[float, float]], start_s: float, end_s: float) -> float | None:
    """How fast a total grew between the points nearest to the ends of a stretch."""
    before = [point for point in points if point[0] <= start_s]
    first = before[-1] if before else (points[0] if points else None)
    last = next((point for point in points if point[0] >= end_s), points[-1] if points else None)
    if first is None or last is None or last[0] - first[0] < 0.5:
        return None
    return max(0.0, last[1] - first[1]) / (last[0] - first[0])
