"""The echo guards of all calls, a row of each array for each; see voice/echo.py for what they do.

A call at a time, nine tenths of the work were steps from one small array to the next. Here each
step is done for all calls that need it, and most need little: who is silent needs nothing, and who
speaks to a silent line needs two powers.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol
from weakref import finalize

import numpy as np

from voice.echo_columns import (
    BAND_SUM,
    BANDS,
    COLUMNS,
    FLOOR,
    HANN,
    LAGS,
    WINDOW,
    Columns,
    Doubles,
    Floats,
    Reference,
    Rows,
    Tape,
    band_powers,
    grown,
    power_at,
    slipped,
)
from voice.echo_coupling import WORST_GAIN, Coupling
from voice.echo_delay import NEAR, UNKNOWN, DelaySearch, best_near, near
from voice.frames import FRAME_SAMPLES, Pcm

AT_REST_DBFS: Final = -60.0
"""Steady noise of ours that is no louder counts as silence, whatever its single frames do."""

_WAS_ECHO_SHARE: Final = 0.6
"""Of a whole voice, by the one delay that fits it best: an echo whose delay had just leapt had 0.63
and more, callers over an echo of -12 dB had less than 0.1."""

_SPEAKING: Final = power_at(-55.0)  # we are: comfort noise is 10 dB below, soft phonemes above
_HEARING: Final = power_at(-57.0)  # the caller may be: below this the detector hears nothing
_NOISE_CEILING: Final = power_at(-45.0)  # per band; steadier sound than that is no line noise
_NOISE_GROWTH: Final = np.float32(1.01)  # per tick, 2 dB a second: the noise is the least of late
_NOISE_PEAKS: Final = np.float32(2.0)  # noise as heard over its tracked minimum

_BOUND_MARGIN: Final = 10 ** (6 / 10)  # colour of the echo over its mean gain
_SOFT: Final = 10 ** (-25 / 10)  # of what we send: what comes back so is drowned by any caller
_BOUND_MEMORY: Final = 0.97  # 0.7 s
_BOUND_TICKS: Final = 30  # of speaking before what came back says something about the line

_DOUBTED_TICKS: Final = 25  # 0.5 s in which a delay just found may turn out to be chance
_LEARN_TICKS: Final = 2  # the coupling is learnt from every other frame: half the work

_SMOOTHING: Final = np.array([0.8, 0.5])  # 90 ms to decide, 30 ms for onsets
_ONSET: Final = np.array([0.0, 0.3])  # the faster sum decides when it is so much clearer
_TAIL_TICKS: Final = 18  # detectors linger on noise for 0.3 s after the echo has died away

_TOGETHER: Final = 64  # calls: what is looked at of them fits into the nearer caches

# What is known of each call, a column for each figure.
(
    _BOUND,  # the most that may come back, of what we send
    _HEARD_SUM,  # of powers while we speak, decaying
    _SENT_SUM,
    _SPOKEN_TICKS,
    _SILENT_TICKS,  # since we last spoke
    _BEHIND,  # ticks that are on the tape and not yet in the reference
    _COMPARED_TICKS,
    _DOUBT_TICKS,  # left
    _SPLICED,  # 1: the next frame's window reaches over a slip
    _EXPLAINED,
    _SUMMING,  # 1: something is in the sums that follow
    _UNDECAYED,  # ticks by which they are still to decay
    _TOTAL_SINCE,  # `begin`
) = range(13)
_FIGURES: Final = 13
_FRESH: Final = np.zeros(_FIGURES)
_FRESH[[_BOUND, _EXPLAINED, _SILENT_TICKS]] = WORST_GAIN, 1.0, 1_000_000

# Of the explained sums, slow and fast; there are others by lag.
_BY_BOUND, _BY_ANY, _TOTALS = range(3)  # any: whichever column near the delay


class Guard(Protocol):
    """Whose ticks are looked at."""

    def settle(self, explained: float, *, summing: bool) -> None:
        """This came of the tick that was taken; `summing`: the next is needed even at rest."""
        ...


class EchoTick(NamedTuple):
    """20 ms of a call; frames of int16, shape (160,)."""

    guard: Guard
    row: int
    before: Pcm  # came on the tick before
    incoming: Pcm
    outgoing: Pcm
    rested: Pcm | None  # sent on the tick before, if it was not looked at
    rested_ticks: int  # that were not


class EchoGuards:
    """The guards of all calls: `run` looks at what they were given in one go.

    A guard whose tick has not been looked at has that done when it is asked something, so `run`
    changes nothing but when. For one thread.
    """

    def __init__(self) -> None:
        self._taken: list[EchoTick] = []
        self._free: list[int] = []
        self._tape, self._reference = Tape(), Reference()
        self._search, self._coupling = DelaySearch(), Coupling()
        self._figures = np.zeros((0, _FIGURES))
        self._sums = np.zeros((0, 3, 2))
        self._by_lag = np.zeros((0, 3, LAGS), dtype=np.float32)  # slow, fast, and since `begin`
        self._noise = np.zeros((0, BANDS), dtype=np.float32)

    def lend(self, guard: Guard) -> int:
        """A row for this guard, for as long as it lives."""
        if not self._free:
            self._grow()
        row = self._free.pop()
        for part in (self._tape, self._reference, self._search, self._coupling):
            part.clear(row)
        self._figures[row], self._noise[row] = _FRESH, _NOISE_CEILING
        self._sums[row], self._by_lag[row] = 0.0, 0.0
        finalize(guard, self._free.append, row).atexit = False
        return row

    @property
    def room(self) -> int:
        """For so many guards, of as many calls as there ever were at once or twice as many."""
        return len(self._figures)

    def _grow(self) -> None:
        before = len(self._figures)
        rows = max(1, 2 * before)
        for part in (self._tape, self._reference, self._search, self._coupling):
            part.grow(rows)
        self._figures, self._sums = grown(self._figures, rows), grown(self._sums, rows)
        self._by_lag, self._noise = grown(self._by_lag, rows), grown(self._noise, rows)
        self._free += range(rows - 1, before - 1, -1)

    # --- what a guard asks and tells, once its tick has been looked at ----------------------------

    def begin(self, row: int) -> None:
        """See EchoGuard, as for what follows."""
        self._by_lag[row, 2] = 0.0
        self._figures[row, _TOTAL_SINCE] = 0.0

    def was_echo(self, row: int) -> bool:
        total = max(float(self._figures[row, _TOTAL_SINCE]), FLOOR)
        best = float(self._by_lag[row, 2].max())
        return self.lag(row) != UNKNOWN and best >= _WAS_ECHO_SHARE * total

    def is_loud(self, row: int) -> bool:
        bound = float(self._figures[row, _BOUND])
        return self.lag(row) != UNKNOWN and bound > _SOFT * _BOUND_MARGIN

    def lag(self, row: int) -> int:
        """The delay in columns, or UNKNOWN."""
        return int(self._search.lags[row])

    def slip(self, row: int, columns: int) -> None:
        self._figures[row, _SPLICED] = 1
        self._search.slip(row, columns)
        self._coupling.slip(row, columns)
        self._by_lag[row] = slipped(self._by_lag[row], columns, 0.0)

    # --- a tick -----------------------------------------------------------------------------------

    def take(self, tick: EchoTick) -> None:
        """Look at it on the next `run`: one of each guard's at most."""
        self._taken.append(tick)

    def run(self) -> None:
        """Look at all that was taken."""
        ticks, self._taken = self._taken, []
        if not ticks:
            return
        guards, numbers, *_, outgoing, _, rested_ticks = zip(*ticks, strict=True)
        rows, sent = np.array(numbers), _stacked(outgoing)
        figures = self._figures[rows]
        self._tape_rested(ticks)
        self._tape.put(rows, sent)
        sent_powers = _powers(sent.astype(np.float32))
        figures[:, _SILENT_TICKS] += 1 + np.array(rested_ticks)
        figures[sent_powers > _SPEAKING, _SILENT_TICKS] = 0
        lags = self._search.lags[rows]
        reach = np.where(lags == UNKNOWN, LAGS, lags + NEAR)
        silent = figures[:, _SILENT_TICKS] > reach // COLUMNS + _TAIL_TICKS
        if silent.any():
            self._forget_sums(rows, figures, np.flatnonzero(silent & (figures[:, _SUMMING] > 0)))
        at = np.flatnonzero(~silent)
        if len(at):
            looked_at = [ticks[each] for each in at.tolist()]
            figures[at] = self._look(rows[at], figures[at], looked_at, sent_powers[at])
        self._figures[rows] = figures
        shares = np.where(silent, 0.0, figures[:, _EXPLAINED]).tolist()
        for guard, share, summing in zip(
            guards, shares, figures[:, _SUMMING].tolist(), strict=True
        ):
            guard.settle(share, summing=summing > 0)

    def _tape_rested(self, ticks: list[EchoTick]) -> None:
        """Columns may begin in what we sent at rest, just before."""
        rested = [(tick.row, tick.rested) for tick in ticks if tick.rested is not None]
        if rested:
            rows, frames = zip(*rested, strict=True)
            self._tape.put(np.array(rows), _stacked(frames))

    def _look(
        self, rows: Rows, figures: Doubles, ticks: list[EchoTick], sent_powers: Doubles
    ) -> Doubles:
        """Look at calls on which we speak, or spoke so lately that it may still come back.

        Returns:
            Their figures, which are changed in place.
        """
        heard = np.empty((len(rows), WINDOW), dtype=np.float32)
        newest = heard[:, WINDOW - FRAME_SAMPLES :]
        newest[:] = _stacked([tick.incoming for tick in ticks])
        heard_powers = _powers(newest)
        _bound_return(figures, heard_powers, sent_powers)
        figures[:, (_BEHIND, _UNDECAYED)] += 1
        figures[:, _SUMMING] = 1
        at = np.flatnonzero((heard_powers > _HEARING) & (figures[:, _SPLICED] == 0))
        figures[:, _SPLICED] = 0
        if not len(at):
            return figures
        heard = heard[at]
        before = _stacked([ticks[each].before for each in at.tolist()])
        heard[:, : WINDOW - FRAME_SAMPLES] = before[:, 2 * FRAME_SAMPLES - WINDOW :]
        heard *= HANN
        parts = -(-len(at) // _TOGETHER)
        for part in range(parts):  # all as large, or the smallest costs most
            some = slice(len(at) * part // parts, len(at) * (part + 1) // parts)
            figures[at[some]] = self._compare(rows[at[some]], figures[at[some]], heard[some])
        return figures

    def _compare(self, rows: Rows, figures: Doubles, heard: Floats) -> Doubles:
        """Compare what came with what we sent.

        Args:
            heard: weighted, shape (n, 256).

        Returns:
            The figures, which are changed in place.
        """
        power, ours = band_powers(heard), self._catch_up(rows, figures)
        logs = np.log(power)
        noise = np.minimum(self._noise[rows] * _NOISE_GROWTH, power)
        self._noise[rows] = noise
        moved = self._search.receive(rows, logs, ours)
        by_lag, sums = self._by_lag[rows], self._sums[rows]
        decay = _SMOOTHING ** figures[:, _UNDECAYED, None]
        by_lag[:, :2] *= decay.astype(np.float32)[:, :, None]
        sums *= decay[:, None]
        figures[:, _UNDECAYED] = 0
        for at in moved.tolist():
            row = int(rows[at])
            lag = self.lag(row)
            self._coupling.admit(row, lag)
            sums[at, _BY_ANY] = by_lag[at, :2, near(lag)].max(axis=1)
            figures[at, _DOUBT_TICKS] = _DOUBTED_TICKS
        fits = self._fits(rows, noise, power, ours)
        by_lag += fits[:, None]
        self._by_lag[rows] = by_lag
        totals = power.dot(BAND_SUM)
        figures[:, _TOTAL_SINCE] += totals
        sums[:, _TOTALS] += totals[:, None]
        lags = self._search.lags[rows]
        shares = _by_bound(figures, sums, lags, power, ours.peaks, noise)
        at = np.flatnonzero(lags != UNKNOWN)
        if len(at):
            sums[at, _BY_ANY] += best_near(fits[at], lags[at])[:, None]
            shares[at] = np.maximum(shares[at], _shares(sums[at, _BY_ANY], sums[at, _TOTALS]))
        self._sums[rows] = sums
        figures[:, _EXPLAINED] = shares
        figures[:, _COMPARED_TICKS] += 1
        at = np.flatnonzero(figures[:, _COMPARED_TICKS] % _LEARN_TICKS == 0)
        if len(at):
            self._coupling.learn(rows[at], logs[at], ours.tails[at], ours.peaks[at], shares[at])
        return figures

    def _catch_up(self, rows: Rows, figures: Doubles) -> Columns:
        """Put what we sent into the reference: most of a call it is not needed."""
        columns = np.minimum(figures[:, _BEHIND] * COLUMNS, LAGS).astype(np.intp)
        figures[:, _BEHIND] = 0
        for count in set(columns.tolist()):
            some = rows[columns == count]
            powers = band_powers(self._tape.windows(some, count).reshape(-1, WINDOW))
            ours = self._reference.push(some, powers.reshape(len(some), count, BANDS))
            if len(some) == len(rows):  # as on nearly all ticks
                return ours
        return self._reference.of(rows)

    def _fits(self, rows: Rows, noise: Floats, power: Floats, ours: Columns) -> Floats:
        """How much of this power each column explains; shape (n, 72)."""
        explained = self._coupling.reach(rows)
        explained *= ours.tails
        explained += noise[:, :, None] * _NOISE_PEAKS
        np.minimum(explained, power[:, :, None], out=explained)
        fits: Floats = np.matmul(BAND_SUM, explained)
        return fits

    def _forget_sums(self, rows: Rows, figures: Doubles, at: Rows) -> None:
        if len(at):
            figures[at[:, None], (_SUMMING, _UNDECAYED)] = 0
            figures[at, _EXPLAINED] = 1.0
            self._by_lag[rows[at], :2] = 0.0
            self._sums[rows[at]] = 0.0


def _stacked(frames: Sequence[Pcm]) -> Pcm:
    """Shape (n, 160)."""
    return np.concatenate(frames).reshape(-1, FRAME_SAMPLES)


def _powers(frames: Floats) -> Doubles:
    return np.einsum("rs,rs->r", frames, frames).astype(np.float64) / FRAME_SAMPLES


def _bound_return(figures: Doubles, heard_powers: Doubles, sent_powers: Doubles) -> None:
    """An echo's energy is its gain times ours, whatever the delay."""
    figures[:, (_HEARD_SUM, _SENT_SUM)] *= _BOUND_MEMORY
    figures[:, _HEARD_SUM] += heard_powers
    figures[:, _SENT_SUM] += sent_powers
    figures[:, _SPOKEN_TICKS] += 1
    bound = figures[:, _HEARD_SUM] / np.maximum(figures[:, _SENT_SUM], FLOOR) * _BOUND_MARGIN
    bound[figures[:, _SPOKEN_TICKS] <= _BOUND_TICKS] = WORST_GAIN
    figures[:, _BOUND] = np.minimum(figures[:, _BOUND], bound)


def _by_bound(
    figures: Doubles, sums: Doubles, lags: Rows, power: Floats, peaks: Floats, noise: Floats
) -> Doubles:
    """What an echo of any delay explains, of calls on which none is known for sure; else 0."""
    shares = np.zeros(len(lags))
    at = np.flatnonzero((lags == UNKNOWN) | (figures[:, _DOUBT_TICKS] > 0))
    if len(at):
        figures[at, _DOUBT_TICKS] = np.maximum(figures[at, _DOUBT_TICKS] - 1, 0)
        bounds = figures[at, _BOUND].astype(np.float32)[:, None]
        most = peaks[at] * bounds + noise[at] * _NOISE_PEAKS
        sums[at, _BY_BOUND] += np.minimum(power[at], most).dot(BAND_SUM)[:, None]
        shares[at] = _shares(sums[at, _BY_BOUND], sums[at, _TOTALS])
    return shares


def _shares(echo: Doubles, totals: Doubles) -> Doubles:
    """Of all that came, what these sums are; the slow one, unless the fast one is far off."""
    return np.minimum((echo / totals + _ONSET).min(axis=1), 1.0)
