"""How loud what we send comes back, by band and lag."""

from typing import Final

import numpy as np

from voice.echo_columns import BANDS, DB, LAGS, Doubles, Floats, Rows, grown, power_at, slipped
from voice.echo_delay import near

WORST_GAIN: Final = 10 ** (-5 / 10)  # of an unknown line: an echo of -6 dB and something to spare

_RANGE: Final = 25.0 * DB  # bands further below their recent peak say nothing about the coupling
_USEFUL: Final = float(np.log(power_at(-70.0)))  # reference bands below this neither
_GAIN_RATE: Final = 0.16  # of the couplings, 0.25 s, after their first frames
_RECENT_RATE: Final = 0.25  # of the gains that a new delay makes believable, 0.15 s
_SPREAD_RATE: Final = 0.1
_YOUNG_FRAMES: Final = 8  # from then on no first frame's rate is above these
_SURPRISE: Final = 6.0 * DB  # one frame counts for no more
_SPREAD: Final = 2.0 * DB  # until it is known
_MARGIN: Final = -0.5 * DB  # over gain plus spread
_SURE_ECHO: Final = 0.7  # explained: the spread is learnt from such frames alone

_FIRST_GAIN: Final = float(np.log(WORST_GAIN))


class Coupling:
    """Each call's, in natural logarithms."""

    def __init__(self) -> None:
        empty = np.zeros((0, BANDS, LAGS), dtype=np.float32)
        self._gains = self._recent = self._spreads = self._counts = self._reach = empty
        self._young = np.zeros(0, dtype=np.bool_)  # some are still learnt at first frames' rates

    def grow(self, rows: int) -> None:
        self._gains = grown(self._gains, rows)
        self._recent = grown(self._recent, rows)  # gains of late, whoever made them
        self._spreads = grown(self._spreads, rows)  # how far single frames stray
        self._counts = grown(self._counts, rows)  # frames that were learnt from
        self._reach, self._young = grown(self._reach, rows), grown(self._young, rows)

    def clear(self, row: int) -> None:
        self._gains[row] = self._recent[row] = _FIRST_GAIN
        self._spreads[row], self._counts[row], self._young[row] = _SPREAD, 0.0, True
        self._conclude(row)

    def _conclude(self, row: int) -> None:
        self._reach[row] = np.exp(self._gains[row] + self._spreads[row] + _MARGIN)

    def reach(self, rows: Rows) -> Floats:
        """What an echo of each column has of its power at most; shape (n, 15, 72)."""
        return self._reach[rows]

    def slip(self, row: int, columns: int) -> None:
        """All that comes on this call is later by so many columns from now on."""
        self._gains[row] = slipped(self._gains[row], columns, _FIRST_GAIN)
        self._recent[row] = slipped(self._recent[row], columns, _FIRST_GAIN)
        self._spreads[row] = slipped(self._spreads[row], columns, _SPREAD)
        self._counts[row] = slipped(self._counts[row], columns, 0.0)
        self._young[row] = True
        self._conclude(row)

    def admit(self, row: int, lag: int) -> None:
        """What came near this lag of late is known to be echo, however loud."""
        gains = self._gains[row, :, near(lag)]
        np.maximum(gains, self._recent[row, :, near(lag)], out=gains)
        np.minimum(gains, 0.0, out=gains)
        self._conclude(row)

    def learn(self, rows: Rows, logs: Floats, tails: Floats, peaks: Floats, share: Doubles) -> None:
        """Take an incoming frame of each call.

        Args:
            logs: their log band powers, shape (n, 15).
            tails: of the columns that were sent, shape (n, 15, 72); not needed afterwards.
            peaks: of the tails, shape (n, 15).
            share: how far the frames were explained, shape (n,).
        """
        ours = np.log(tails, out=tails)
        least = np.maximum(np.log(peaks) - _RANGE, _USEFUL)
        telling = np.greater(ours, least[:, :, None]).astype(np.float32)
        young = bool(self._young[rows].any())
        if young:  # the others of these calls take the longer way to the same
            counts = self._counts[rows]
            counts += telling
            self._young[rows] = counts.min(axis=(1, 2)) < _YOUNG_FRAMES
            self._counts[rows] = counts
        heard = np.subtract(logs[:, :, None], ours, out=ours)
        recent = self._recent[rows]
        step = heard - recent
        step *= _RECENT_RATE
        step *= telling
        recent += step
        self._recent[rows] = recent
        gains = self._gains[rows]
        surprise = np.subtract(heard, gains, out=heard)
        np.minimum(surprise, _SURPRISE, out=surprise)
        np.maximum(surprise, -_SURPRISE, out=surprise)
        if len(sure := np.flatnonzero(share > _SURE_ECHO)):
            self._learn_spreads(rows[sure], surprise[sure], telling[sure])
        # A tenth of the pace at 0.34 explained and less, the full pace at 0.7 and more.
        reluctance = np.clip((share - 0.3) / 0.4, 0.1, 1.0).astype(np.float32)
        np.multiply(surprise, reluctance[:, None, None], out=step)
        np.minimum(surprise, step, out=surprise)  # of gains, not of losses
        surprise *= self._rates(rows, 1, _GAIN_RATE) if young else _GAIN_RATE
        surprise *= telling
        gains += surprise
        np.minimum(gains, 0.0, out=gains)
        self._gains[rows] = gains
        gains += self._spreads[rows]
        gains += _MARGIN
        self._reach[rows] = np.exp(gains, out=gains)

    def _learn_spreads(self, rows: Rows, surprise: Floats, telling: Floats) -> None:
        spreads = self._spreads[rows]
        step = np.abs(surprise)
        step -= spreads
        step *= self._rates(rows, 3, _SPREAD_RATE)
        step *= telling
        spreads += step
        self._spreads[rows] = spreads

    def _rates(self, rows: Rows, extra: int, least: float) -> Floats:
        """What means take of their newest values, more at first; shape (n, 15, 72)."""
        rates = self._counts[rows]
        rates += extra
        np.reciprocal(rates, out=rates)
        return np.maximum(rates, least, out=rates)
