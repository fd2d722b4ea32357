"""At which lag what comes back follows what we sent."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from voice.echo_columns import (
    BAND_SUM,
    BANDS,
    LAGS,
    Columns,
    Doubles,
    Floats,
    Rows,
    grown,
    mean_rates,
    slipped,
)

_MEMORY: Final = np.array([0.985, 0.93])  # 1.3 s and 0.3 s, of correlations
_MEMORIES: Final = _MEMORY.astype(np.float32)[:, None, None]
_LOCK: Final = np.array([0.5, 0.75])  # correlation that proves a delay, for each memory
"""Chance reached 0.42 and 0.70 in 64 callers talking over us on lines without echo."""
_LOCK_TICKS: Final = 12  # of hearing while speaking before any correlation counts
_FIND_TICKS: Final = 2  # a known delay is looked at again on every other: half the work
NEAR: Final = 5  # columns to either side of the delay: a jitter buffer moves it by up to 50 ms
_AROUND: Final = np.arange(-NEAR, NEAR + 1)

UNKNOWN: Final = -1
"""Instead of a lag."""


def near(lag: int) -> slice:
    """The columns that an echo of this lag may come from."""
    return slice(max(0, lag - NEAR), lag + NEAR + 1)


def best_near(by_lag: Floats, lags: Rows) -> Floats:
    """The most near these lags; (n, 72) and (n,) to (n,)."""
    at = (lags[:, None] + _AROUND).clip(0, LAGS - 1)
    best: Floats = by_lag[np.arange(len(lags))[:, None], at].max(axis=1)
    return best


class DelaySearch:
    """Each call's.

    Attributes:
        lags: the delays in columns, UNKNOWN where none has been found; shape (rows,).
    """

    def __init__(self) -> None:
        self.lags = np.zeros(0, dtype=np.intp)
        self._means = np.zeros((0, BANDS), dtype=np.float32)
        self._incoming = np.zeros((0, len(_MEMORY)))  # squares of theirs
        self._ticks = np.zeros(0)
        # For each memory, of each lag: products of ours and theirs, and squares of ours.
        self._sums = np.zeros((0, len(_MEMORY), 2, LAGS), dtype=np.float32)

    def grow(self, rows: int) -> None:
        self.lags, self._means = grown(self.lags, rows), grown(self._means, rows)
        self._incoming, self._ticks = grown(self._incoming, rows), grown(self._ticks, rows)
        self._sums = grown(self._sums, rows)

    def clear(self, row: int) -> None:
        self.lags[row] = UNKNOWN
        for part in (self._means, self._incoming, self._ticks, self._sums):
            part[row] = 0.0

    def slip(self, row: int, columns: int) -> None:
        """All that comes on this call is later by so many columns from now on."""
        lag = int(self.lags[row])
        if lag != UNKNOWN:
            self.lags[row] = lag + columns if 0 <= lag + columns < LAGS else UNKNOWN
        self._sums[row] = slipped(self._sums[row], columns, 0.0)

    def receive(self, rows: Rows, logs: Floats, ours: Columns) -> Rows:
        """Take the log band powers of an incoming frame of each call, shape (n, 15).

        Returns:
            Which of these calls showed an echo where none was known, as indices into `rows`.
        """
        ticks = self._ticks[rows] + 1
        means = self._means[rows]
        means += mean_rates(ticks) * (logs - means)
        shapes = logs - means
        incoming = self._incoming[rows] * _MEMORY
        incoming += np.square(shapes).dot(BAND_SUM)[:, None]
        sums = self._sums[rows]
        sums *= _MEMORIES
        sums[:, :, 0] += np.matmul(shapes[:, None], ours.shapes)
        sums[:, :, 1] += ours.norms[:, None]
        self._ticks[rows], self._means[rows] = ticks, means
        self._incoming[rows], self._sums[rows] = incoming, sums
        due = self.lags[rows] == UNKNOWN
        due |= ticks % _FIND_TICKS == 0
        due &= ticks > _LOCK_TICKS
        at = due.nonzero()[0]
        return at[self._find(rows[at], sums[at], incoming[at])] if len(at) else at

    def _find(self, rows: Rows, sums: Floats, incoming: Doubles) -> NDArray[np.bool_]:
        """Look for the lags of these calls; which of them leapt, or were found for the first time.

        Where none correlates well, those from before are kept.
        """
        before = self.lags[rows]
        products, outgoing = sums[:, :, 0], sums[:, :, 1]
        likeness = outgoing + np.float32(1e-3)
        np.sqrt(likeness, out=likeness)
        np.divide(products, likeness, out=likeness)
        bests = likeness.argmax(axis=2)
        each = np.arange(len(rows))[:, None], np.arange(len(_MEMORY)), bests
        sure = products[each] > _LOCK * np.sqrt(incoming * outgoing[each] + 1e-3)
        # The freshest first: the long memory still knows a delay that has just leapt.
        found = np.where(sure[:, 0], bests[:, 0], before)
        found = np.where(sure[:, 1], bests[:, 1], found)
        self.lags[rows] = found
        return (found != before) & ((before == UNKNOWN) | (np.abs(found - before) > NEAR))
