"""What we sent on each call, as columns of band powers.

A column is 10 ms; its number, counted from the newest, is a lag. Here and in the files beside this
one every array has a call in each row, and a call's bands come before its lags: what holds for a
band is then added to 72 numbers in a row.
"""

from typing import Any, Final, cast

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from voice.frames import FRAME_SAMPLES, RATE_HZ, Pcm

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]
"""Numbers of calls, each at most once."""
Doubles = NDArray[np.float64]

DB: Final = float(np.log(10) / 10)  # one decibel of power, in natural logarithms


def power_at(dbfs: float) -> float:
    return float(32768**2 * 10 ** (dbfs / 10))


WINDOW: Final = 256  # 32 ms: tells harmonics of a voice apart, and is short beside a syllable
HOP: Final = 80  # 10 ms between columns: what lies between two of them differs little from both
LAGS: Final = 72  # columns kept: delays up to 710 ms, 300 of a line and those of two jitter buffers
COLUMNS: Final = FRAME_SAMPLES // HOP  # per tick
_EDGES_HZ: Final = (
    200, 300, 400, 510, 630, 770, 920, 1080, 1270, 1480, 1720, 2000, 2320, 2700, 3150, 3600,
)  # fmt: skip
"""Critical bands (Bark) of the telephone band: what the ear, and so a vowel, is made of."""
BANDS: Final = len(_EDGES_HZ) - 1
BAND_SUM: Final = np.ones(BANDS, dtype=np.float32)  # a product with it is a sum over bands

FLOOR: Final = power_at(-70.0)  # added to each band: rounding is no signal
_MEAN_RATE: Final = 0.02  # of the bands' means: 1 s

_DECAY: Final = 0.3  # 5 dB in 10 ms, a reverberation time of 120 ms: the tail of a near wall
_DECAYS: Final = _DECAY ** np.arange(LAGS + 1)[:, None]  # float64: 10^-38 at the end
_KEPT: Final = WINDOW + LAGS * HOP  # samples of what we sent that an echo may still come from
_TAPE: Final = -(-_KEPT // FRAME_SAMPLES)  # the same in frames


def _band_matrix() -> Floats:
    """Sums squared parts of a spectrum, real and imaginary in turn, to bands' mean powers."""
    hertz = np.fft.rfftfreq(WINDOW, 1 / RATE_HZ).repeat(2)
    edges = np.array(_EDGES_HZ)
    inside = (hertz[:, None] >= edges[:-1]) & (hertz[:, None] < edges[1:])
    return (inside * (2.0 / WINDOW / np.sum(HANN**2))).astype(np.float32)


HANN: Final = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
_MATRIX: Final = _band_matrix()


def band_powers(windows: Floats) -> Floats:
    """Band powers of samples that have been weighted by `HANN`; (n, 256) to (n, 15)."""
    # NumPy's own works in double precision, and takes twice as long.
    spectrum: NDArray[np.complex64] = cast(Any, scipy.fft).rfft(windows, axis=1)
    parts = spectrum.view(np.float32)
    np.square(parts, out=parts)
    power: Floats = parts.dot(_MATRIX)
    power += FLOOR
    return power


def grown(array: NDArray[Any], rows: int) -> NDArray[Any]:
    """The same with so many rows; new ones are zero, and take no memory until they are used."""
    larger = np.zeros((rows, *array.shape[1:]), dtype=array.dtype)
    larger[: len(array)] = array
    return larger


def slipped(by_lag: Floats, columns: int, new: float) -> Floats:
    """What is known of each lag, its last dimension, after all lags have grown by so many columns.

    Lags that none has grown to begin with `new`.
    """
    moved = np.full_like(by_lag, new)
    if columns >= 0:
        moved[..., columns:] = by_lag[..., : max(0, by_lag.shape[-1] - columns)]
    else:
        moved[..., :columns] = by_lag[..., -columns:]
    return moved


class Tape:
    """The latest 740 ms that each call was sent."""

    def __init__(self) -> None:
        self._frames = np.zeros((0, _TAPE, FRAME_SAMPLES), dtype=np.int16)  # a ring
        self._count = np.zeros(0, dtype=np.intp)  # put there so far

    def grow(self, rows: int) -> None:
        self._frames, self._count = grown(self._frames, rows), grown(self._count, rows)

    def clear(self, row: int) -> None:
        self._frames[row], self._count[row] = 0, 0

    def put(self, rows: Rows, frames: Pcm) -> None:
        """Add 20 ms to each of these calls, shape (n, 160)."""
        count = self._count[rows]
        self._frames[rows, count % _TAPE] = frames
        self._count[rows] = count + 1

    def windows(self, rows: Rows, columns: int) -> Floats:
        """The latest windows, oldest first, weighted; shape (n, columns, 256)."""
        length = (columns - 1) * HOP + WINDOW
        frames = -(-length // FRAME_SAMPLES)
        at = (self._count[rows][:, None] + np.arange(-frames, 0)) % _TAPE
        samples = self._frames[rows[:, None], at].reshape(len(rows), -1).astype(np.float32)
        first = samples.shape[1] - length
        windows = np.empty((len(rows), columns, WINDOW), dtype=np.float32)
        for column in range(columns):
            begin = first + column * HOP
            np.multiply(samples[:, begin : begin + WINDOW], HANN, out=windows[:, column])
        return windows


class Reference:
    """What we sent, as columns; newest first."""

    def __init__(self) -> None:
        # Of each band its tails, of each its shapes, and their norms.
        self._columns = np.zeros((0, 2 * BANDS + 1, LAGS), dtype=np.float32)
        self._means = np.zeros((0, BANDS), dtype=np.float32)
        self._ticks = np.zeros(0)

    def grow(self, rows: int) -> None:
        self._columns, self._means = grown(self._columns, rows), grown(self._means, rows)
        self._ticks = grown(self._ticks, rows)

    def clear(self, row: int) -> None:
        self._columns[row], self._means[row], self._ticks[row] = 0.0, 0.0, 0
        self._columns[row, :BANDS] = FLOOR

    def of(self, rows: Rows) -> "Columns":
        return Columns(self._columns[rows])

    def push(self, rows: Rows, powers: Floats) -> "Columns":
        """Add columns, oldest first, two for each tick; what there is with them.

        Args:
            powers: of the bands, shape (n, columns, 15).
        """
        count, older = powers.shape[1], self._columns[rows]
        columns = np.empty_like(older)
        columns[:, :, count:] = older[:, :, : LAGS - count]
        fresh = columns[:, :, count - 1 :: -1] if count < LAGS else columns[:, :, ::-1]
        fresh = fresh.transpose(0, 2, 1)  # oldest first
        # Each the greater of itself and what is left of the one before: all over what decay leaves.
        tails = np.empty((len(rows), count + 1, BANDS))
        tails[:, 0] = older[:, :BANDS, 0]
        np.divide(powers, _DECAYS[1 : count + 1], out=tails[:, 1:])
        np.maximum.accumulate(tails, axis=1, out=tails)
        np.multiply(tails[:, 1:], _DECAYS[1 : count + 1], out=fresh[:, :, :BANDS])
        shapes = self._shapes(rows, np.log(powers))
        fresh[:, :, BANDS:-1] = shapes
        np.square(shapes, out=shapes)
        fresh[:, :, -1] = shapes.dot(BAND_SUM)
        self._columns[rows] = columns
        return Columns(columns)

    def _shapes(self, rows: Rows, logs: Floats) -> Floats:
        """Log band powers less their means, in place."""
        ticks, means = self._ticks[rows], self._means[rows]
        for begin in range(0, logs.shape[1], COLUMNS):
            ticks += 1
            tick = logs[:, begin : begin + COLUMNS]
            means += mean_rates(ticks) * (tick[:, -1] - means)
            tick -= means[:, None]
        self._ticks[rows], self._means[rows] = ticks, means
        return logs


def mean_rates(ticks: Doubles) -> Floats:
    """What means take of their newest value, more at first; (n,) to (n, 1)."""
    return np.maximum(1 / ticks, _MEAN_RATE).astype(np.float32)[:, None]


class Columns:
    """What some calls sent, newest first.

    Attributes:
        tails: band powers, with the tail that a room adds; shape (n, 15, 72).
        peaks: the greatest of them; shape (n, 15).
        shapes: log band powers without the tail, less their means; shape (n, 15, 72).
        norms: of the shapes, squared; shape (n, 72).
    """

    def __init__(self, columns: Floats) -> None:
        self.tails = columns[:, :BANDS]
        self.peaks: Floats = self.tails.max(axis=2)
        self.shapes = columns[:, BANDS:-1]
        self.norms = columns[:, -1]
