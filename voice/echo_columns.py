"""What we sent, as columns of band powers, and at which lag among them it comes back.

A column is 10 ms; its number, counted from the newest, is a lag.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voice.frames import FRAME_SAMPLES, RATE_HZ

Floats = NDArray[np.float32]

DB: Final = float(np.log(10) / 10)  # one decibel of power, in natural logarithms


def power_at(dbfs: float) -> float:
    return float(32768**2 * 10 ** (dbfs / 10))


WINDOW: Final = 256  # 32 ms: tells harmonics of a voice apart, and is short beside a syllable
HOP: Final = 80  # 10 ms between columns: what lies between two of them differs little from both
LAGS: Final = 72  # columns kept: delays up to 710 ms, 300 of a line and those of two jitter buffers
_ROOM: Final = 3 * LAGS  # columns there is room for
COLUMNS: Final = FRAME_SAMPLES // HOP  # per tick
_EDGES_HZ: Final = (
    200, 300, 400, 510, 630, 770, 920, 1080, 1270, 1480, 1720, 2000, 2320, 2700, 3150, 3600,
)  # fmt: skip
"""Critical bands (Bark) of the telephone band: what the ear, and so a vowel, is made of."""
BANDS: Final = len(_EDGES_HZ) - 1

FLOOR: Final = power_at(-70.0)  # added to each band: rounding is no signal

_DECAY: Final = 0.3  # 5 dB in 10 ms, a reverberation time of 120 ms: the tail of a near wall
_MEAN_RATE: Final = 0.02  # of the bands' means: 1 s
_MEMORY: Final = (0.985, 0.93)  # 1.3 s and 0.3 s, of correlations
_MEMORIES: Final = np.array(_MEMORY, dtype=np.float32)[:, None, None]
_LOCK: Final = (0.5, 0.75)  # correlation that proves a delay, for each memory
"""Chance reached 0.42 and 0.70 in 64 callers talking over us on lines without echo."""
_FRESHEST_FIRST: Final = (1, 0)  # the long memory still knows a delay that has just leapt
_LOCK_TICKS: Final = 12  # of hearing while speaking before any correlation counts
_FIND_TICKS: Final = 2  # a known delay is looked at again on every other: half the work
NEAR: Final = 5  # columns to either side of the delay: a jitter buffer moves it by up to 50 ms


def _band_matrix() -> Floats:
    """Sums squared parts of a spectrum, real and imaginary in turn, to bands' mean powers."""
    hertz = np.fft.rfftfreq(WINDOW, 1 / RATE_HZ).repeat(2)
    edges = np.array(_EDGES_HZ)
    inside = (hertz[:, None] >= edges[:-1]) & (hertz[:, None] < edges[1:])
    return (inside * (2.0 / WINDOW / np.sum(HANN**2))).astype(np.float32)


HANN: Final = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
_MATRIX: Final = _band_matrix()
BAND_SUM: Final = np.ones(BANDS, dtype=np.float32)  # a product with it is a sum over bands


def band_powers(windows: Floats) -> Floats:
    """Band powers of samples that have been weighted by `HANN`; (n, 256) to (n, 15)."""
    spectrum = np.fft.rfft(windows).astype(np.complex64, copy=False)
    parts = spectrum.view(np.float32)
    np.square(parts, out=parts)
    power: Floats = parts.dot(_MATRIX)
    power += FLOOR
    return power


def near(lag: int) -> slice:
    """The columns that an echo of this lag may come from."""
    return slice(max(0, lag - NEAR), lag + NEAR + 1)


def slipped(by_lag: Floats, columns: int, new: float) -> Floats:
    """What is known of each lag, its first dimension, after all lags have grown by so many columns.

    Lags that none has grown to begin with `new`.
    """
    moved = np.full_like(by_lag, new)
    if columns >= 0:
        moved[columns:] = by_lag[: max(0, len(by_lag) - columns)]
    else:
        moved[:columns] = by_lag[-columns:]
    return moved


def peaks(columns: Floats) -> Floats:
    """Each band's maximum; (72, 15) to (15,). In two steps: short rows are slow to reduce."""
    return columns.reshape(8, -1).max(axis=0).reshape(-1, BANDS).max(axis=0)


class Reference:
    """What we sent, as columns; newest first. What is public is good until the next push."""

    def __init__(self) -> None:
        # Columns are put before the older ones, and all are moved only when there is no more room.
        self._all_tails = np.full((_ROOM, BANDS), FLOOR, dtype=np.float32)
        self._all_shapes = np.zeros((_ROOM, BANDS), dtype=np.float32)
        self._all_norms = np.zeros(_ROOM, dtype=np.float32)
        self._newest = _ROOM - LAGS
        self._show()
        self._means = np.zeros(BANDS, dtype=np.float32)
        self._ticks = 0

    def _show(self) -> None:
        kept = slice(self._newest, self._newest + LAGS)
        self.tails = self._all_tails[kept]
        """Band powers, with the tail that a room adds; shape (72, 15)."""
        self.shapes = self._all_shapes[kept]
        """Log band powers without the tail, less their means; shape (72, 15)."""
        self.norms = self._all_norms[kept]
        """Of the shapes, squared; shape (72,)."""

    def push(self, powers: Floats, logs: Floats) -> None:
        """Add columns, oldest first, two for each tick: band powers and their logarithms."""
        if self._newest < len(powers):
            for columns in (self._all_tails, self._all_shapes, self._all_norms):
                columns[-LAGS:] = columns[self._newest : self._newest + LAGS].copy()
            self._newest = _ROOM - LAGS
        at = self._newest
        for power in powers:
            tail = self._all_tails[at - 1]
            np.multiply(self._all_tails[at], _DECAY, out=tail)
            np.maximum(tail, power, out=tail)
            at -= 1
        fresh = self._all_shapes[at : self._newest]
        end = len(fresh)
        for until in range(COLUMNS, len(logs) + 1, COLUMNS):
            self._ticks += 1
            self._means += max(1 / self._ticks, _MEAN_RATE) * (logs[until - 1] - self._means)
            tick = logs[until - COLUMNS : until]
            np.subtract(tick[::-1], self._means, out=fresh[end - until : end - until + COLUMNS])
        np.dot(fresh * fresh, BAND_SUM, out=self._all_norms[at : self._newest])
        self._newest = at
        self._show()


class DelaySearch:
    """At which lag the incoming bands follow ours."""

    def __init__(self) -> None:
        self.lag: int | None = None
        self.moved = False
        """The latest frame showed an echo where none was known."""
        self._means = np.zeros(BANDS, dtype=np.float32)
        # For each memory, of each lag: products of ours and theirs, and squares of ours.
        self._sums = np.zeros((len(_MEMORY), 2, LAGS), dtype=np.float32)
        self._incoming = [0.0] * len(_MEMORY)  # squares of theirs
        self._ticks = 0

    def slip(self, columns: int) -> None:
        """All that comes is later by so many columns from now on."""
        if self.lag is not None:
            lag = self.lag + columns
            self.lag = lag if 0 <= lag < LAGS else None
        self._sums = slipped(self._sums.transpose(2, 0, 1), columns, 0.0).transpose(1, 2, 0).copy()

    def receive(self, logs: Floats, reference: Reference) -> None:
        """Take the log band powers of an incoming frame, shape (15,)."""
        self._ticks += 1
        self._means += max(1 / self._ticks, _MEAN_RATE) * (logs - self._means)
        shape = logs - self._means
        norm = float(shape.dot(shape))
        self._incoming = [
            memory * incoming + norm
            for memory, incoming in zip(_MEMORY, self._incoming, strict=True)
        ]
        self._sums *= _MEMORIES
        self._sums[:, 0] += reference.shapes.dot(shape)
        self._sums[:, 1] += reference.norms
        self.moved = False
        if self._ticks > _LOCK_TICKS and (self.lag is None or self._ticks % _FIND_TICKS == 0):
            self._find()

    def _find(self) -> None:
        likeness = self._sums[:, 1] + 1e-3
        np.sqrt(likeness, out=likeness)
        np.divide(self._sums[:, 0], likeness, out=likeness)
        before, bests = self.lag, likeness.argmax(axis=1).tolist()
        for row in _FRESHEST_FIRST:
            best = bests[row]
            product, outgoing = self._sums[row, :, best].tolist()
            if product > _LOCK[row] * math.sqrt(self._incoming[row] * outgoing + 1e-3):
                self.lag = best
                self.moved = before is None or abs(best - before) > NEAR
                return
