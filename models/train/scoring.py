"""Word errors, and how sure a share measured on so many trials is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_Z: Final = 1.96  # two-sided 95%
_RESAMPLES: Final = 1_000


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words to insert, delete or replace to get from what was said to what was heard."""
    row = list(range(len(heard) + 1))
    for at, word in enumerate(said, start=1):
        corner, row[0] = row[0], at
        for n, other in enumerate(heard, start=1):
            corner, row[n] = row[n], min(row[n] + 1, row[n - 1] + 1, corner + (word != other))
    return row[-1]


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """Word errors of utterances: (errors, words) of each, with the 95% interval of a bootstrap.

    Utterances are drawn again, not words: one that is misheard has several errors.
    """

    counts: tuple[tuple[int, int], ...]

    @property
    def words(self) -> int:
        return sum(words for _, words in self.counts)

    @property
    def value(self) -> float:
        return sum(errors for errors, _ in self.counts) / self.words if self.words else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        if not self.words:
            return 0.0, 1.0
        import numpy as np

        counts = np.asarray(self.counts)
        drawn = np.random.default_rng(1).integers(len(counts), size=(_RESAMPLES, len(counts)))
        errors, words = counts[drawn].sum(axis=1).T
        rates = errors / np.maximum(words, 1)
        low, high = np.quantile(rates, [0.025, 0.975])
        return float(low), float(high)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{100 * self.value:.1f}% ({100 * low:.0f}-{100 * high:.0f})"


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with the 95% interval of Wilson's score."""

    hits: int
    trials: int

    @property
    def value(self) -> float:
        return self.hits / self.trials if self.trials else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        if not self.trials:
            return 0.0, 1.0
        spread = _Z * _Z / self.trials
        centre = (self.value + spread / 2) / (1 + spread)
        half = (
            _Z
            / (1 + spread)
            * math.sqrt(self.value * (1 - self.value) / self.trials + spread / (4 * self.trials))
        )
        return max(0.0, centre - half), min(1.0, centre + half)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{100 * self.value:.1f}% ({100 * low:.0f}-{100 * high:.0f})"
