"""Our own voice coming back on the line: how much of what is heard is only that.

A speakerphone, or the hybrid where two wires become four, returns what we send 50 to 300 ms later,
softer, coloured, a little distorted. A voice detector takes it for the caller. Since we know what
we sent, we can tell: `EchoGuard` says which part of an incoming frame the reference explains, and
`suppressed` applies that to the detector's probability.

Theory of operation. Nothing is cancelled; powers in 15 bands are compared, which survives codecs,
clipping and jumps of the delay that would throw an adaptive filter. What we sent is kept as columns
of band powers, one for each 10 ms; the column number is a lag. On each tick

1. the delay is searched: bands of the incoming frame, as deviations from their own means in dB, are
   correlated with each column over a long and a short memory; the best lag that correlates well is
   the delay;
2. the coupling is learnt, for every lag at once, so that nothing needs to be learnt anew after the
   delay jumps: the gain of each band, and how far single frames stray from it. Losses are learnt at
   once, gains reluctantly, because a caller who speaks looks like a gain, unless the delay has
   just been found, which proves that what came back of late was echo;
3. the echo is predicted: each column near the delay, times its gains, with a margin of the usual
   straying, and the line's steady noise on top. Power up to the prediction is explained, in each
   frame by the column that fits best: jitter buffers shift the delay in the middle of a word. Sums
   over some frames are compared, because single frames of speech are erratic.

Until a delay is known there may be an echo at any lag, so whatever stays below our loudest recent
power in each band, less a worst case return loss, counts as explained. That bound sinks as the line
turns out to return less; on a line without echo it soon lies near the noise.
"""

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from voice.echo_columns import (
    BAND_SUM,
    BANDS,
    COLUMNS,
    DB,
    FLOOR,
    HANN,
    HOP,
    LAGS,
    NEAR,
    WINDOW,
    DelaySearch,
    Floats,
    Reference,
    band_powers,
    near,
    peaks,
    power_at,
    slipped,
)
from voice.frames import FRAME_SAMPLES, RATE_HZ, Pcm, silence

ECHO_SHARE: Final = 0.8
"""What is explained so far is echo. With a lower limit callers drown in an echo 6 dB below them;
with a higher one the straying of a loud echo in a reverberating room is a voice."""

_WAS_ECHO_SHARE: Final = 0.6
"""Of a whole voice, by the one delay that fits it best: an echo whose delay had just leapt had 0.63
and more, callers over an echo of -12 dB had less than 0.1."""

_KEPT: Final = WINDOW + LAGS * HOP  # samples of what we sent that an echo may still come from
_TAPE: Final = _KEPT + 16 * FRAME_SAMPLES  # moved back to its beginning once in 320 ms, not always
AT_REST_DBFS: Final = -60.0
"""Steady noise of ours that is no louder counts as silence, whatever its single frames do."""

_SPEAKING: Final = power_at(-55.0)  # we are: comfort noise is 10 dB below, soft phonemes above
_HEARING: Final = power_at(-57.0)  # the caller may be: below this the detector hears nothing
_NOISE_CEILING: Final = power_at(-45.0)  # per band; steadier sound than that is no line noise
_NOISE_GROWTH: Final = 1.01  # per tick, 2 dB a second: the noise is the minimum of late
_NOISE_PEAKS: Final = 2.0  # noise as heard over its tracked minimum
_RANGE: Final = 25.0 * DB  # bands further below their recent peak say nothing about the coupling
_USEFUL: Final = float(np.log(power_at(-70.0)))  # reference bands below this neither

_WORST_GAIN: Final = 10 ** (-5 / 10)  # of an unknown line: an echo of -6 dB and something to spare
_BOUND_MARGIN: Final = 10 ** (6 / 10)  # colour of the echo over its mean gain
_SOFT: Final = 10 ** (-25 / 10)  # of what we send: what comes back so is drowned by any caller
_BOUND_MEMORY: Final = 0.97  # 0.7 s
_BOUND_TICKS: Final = 30  # of speaking before what came back says something about the line

_DOUBT_TICKS: Final = 25  # 0.5 s in which a delay just found may turn out to be chance

_LEARN_TICKS: Final = 2  # the coupling is learnt from every other frame: half the work
_GAIN_RATE: Final = 0.16  # of the couplings, 0.25 s, after their first frames
_RECENT_RATE: Final = 0.25  # of the gains that a new delay makes believable, 0.15 s
_SPREAD_RATE: Final = 0.1
_YOUNG_FRAMES: Final = 8  # from then on no first frame's rate is above these
_SURPRISE: Final = 6.0 * DB  # one frame counts for no more
_SPREAD: Final = 2.0 * DB  # until it is known
_MARGIN: Final = -0.5 * DB  # over gain plus spread
_SURE_ECHO: Final = 0.7  # explained: the spread is learnt from such frames alone

_SMOOTHING: Final = (0.8, 0.5)  # 90 ms to decide, 30 ms for onsets
_SMOOTHINGS: Final = np.array([*_SMOOTHING, 1.0], dtype=np.float32)[:, None]
_ONSET: Final = 0.3  # the faster sum decides when it is so much clearer than needed
_TAIL_TICKS: Final = 18  # detectors linger on noise for 0.3 s after the echo has died away


def suppressed(probability: float, explained: float) -> float:
    """The probability that the caller speaks, given the detector's and `EchoGuard.receive`'s."""
    return 0.0 if explained >= ECHO_SHARE else probability


class _Coupling:
    """How loud each band of each column returns, in natural logarithms."""

    def __init__(self) -> None:
        self._gains = np.full((LAGS, BANDS), np.log(_WORST_GAIN), dtype=np.float32)
        self._spreads = np.full((LAGS, BANDS), _SPREAD, dtype=np.float32)
        self._counts = np.zeros((LAGS, BANDS), dtype=np.float32)
        self._young = True  # some are still learnt at the rates of first frames
        self._recent = self._gains.copy()  # gains of late, whoever made them
        self._conclude()

    def _conclude(self) -> None:
        reach = self._gains + self._spreads
        reach += _MARGIN
        self.reach: Floats = np.exp(reach, out=reach)
        """What an echo of each column has of its power at most; shape (72, 15)."""

    def slip(self, columns: int) -> None:
        """All that comes is later by so many columns from now on."""
        self._gains = slipped(self._gains, columns, float(np.log(_WORST_GAIN)))
        self._recent = slipped(self._recent, columns, float(np.log(_WORST_GAIN)))
        self._spreads = slipped(self._spreads, columns, _SPREAD)
        self._counts = slipped(self._counts, columns, 0.0)
        self._young = True
        self._conclude()

    def admit(self, columns: slice) -> None:
        """What these columns returned of late is known to be echo, however loud."""
        gains = self._gains[columns]
        np.maximum(gains, self._recent[columns], out=gains)
        np.minimum(gains, 0.0, out=gains)
        self._conclude()

    def learn(self, logs: Floats, reference: Reference, explained: float) -> None:
        """Take the log band powers of an incoming frame, and how far it was explained."""
        ours = np.log(reference.tails)
        telling = np.greater(ours, np.maximum(peaks(ours) - _RANGE, _USEFUL)).astype(np.float32)
        if self._young:
            self._counts += telling
            self._young = bool(self._counts.min() < _YOUNG_FRAMES)
        gains = np.subtract(logs, ours, out=ours)
        step = gains - self._recent
        step *= _RECENT_RATE
        step *= telling
        self._recent += step
        surprise = np.subtract(gains, self._gains, out=gains)
        np.minimum(surprise, _SURPRISE, out=surprise)
        np.maximum(surprise, -_SURPRISE, out=surprise)
        if explained > _SURE_ECHO:
            np.abs(surprise, out=step)
            step -= self._spreads
            step *= self._rate(telling, 3, _SPREAD_RATE)
            self._spreads += step
        # A tenth of the pace at 0.34 explained and less, the full pace at 0.7 and more.
        reluctance = min(1.0, max(0.1, (explained - 0.3) / 0.4))
        if reluctance < 1.0:
            np.minimum(surprise, surprise * reluctance, out=surprise)  # of gains, not of losses
        surprise *= self._rate(telling, 1, _GAIN_RATE)
        self._gains += surprise
        np.minimum(self._gains, 0.0, out=self._gains)
        self._conclude()

    def _rate(self, telling: Floats, extra: int, least: float) -> Floats:
        """What a mean takes of its newest value, more at first; shape (72, 15)."""
        if not self._young:
            return telling * least
        rate = self._counts + extra
        np.reciprocal(rate, out=rate)
        np.maximum(rate, least, out=rate)
        return np.multiply(rate, telling, out=rate)


def _plus(sums: tuple[float, float], news: float) -> tuple[float, float]:
    return sums[0] + news, sums[1] + news


class EchoGuard:
    """One call's guard against its own echo; give it every tick."""

    def __init__(self) -> None:
        self._before = silence()  # the last frame that came
        self._sent = np.zeros(_TAPE, dtype=np.float32)
        self._end = _KEPT  # of what is on that tape
        self._rested: Pcm | None = None  # sent since, while we were at rest: the latest frame
        self._windows = sliding_window_view(self._sent, WINDOW)[::HOP]  # of the tape
        self._behind = 0  # ticks that are in `_sent` and not yet in the reference
        self._reference = Reference()
        self._search = DelaySearch()
        self._coupling = _Coupling()
        self._noise = np.full(BANDS, _NOISE_CEILING, dtype=np.float32)
        self._bound = _WORST_GAIN
        self._heard_sum = self._sent_sum = 0.0  # of powers while we speak, decaying
        self._spoken_ticks = 0
        self._silent_ticks = 1_000_000  # since we last spoke
        self._compared_ticks = 0
        self._doubt_ticks = 0  # left
        self._spliced = False  # the next frame's window reaches over a slip
        self._explained = 1.0
        self._summing = False  # something is in the sums that follow
        self._undecayed = 0  # ticks by which they are still to decay
        # Explained sums, slow and fast, and since `begin`.
        self._by_lag = np.zeros((3, LAGS), dtype=np.float32)
        self._by_bound = 0.0, 0.0
        self._by_any = 0.0, 0.0  # likewise, by whichever column near the delay
        self._totals = 0.0, 0.0
        self._total_since = 0.0

    def begin(self) -> None:
        """A voice was found: what comes now is looked at as a whole, too."""
        self._by_lag[2] = 0.0
        self._total_since = 0.0

    @property
    def was_echo(self) -> bool:
        """Whether all that came since `begin`, as it turns out now, is our own voice.

        After a leap of the delay it takes half a second of echo to know the new one; until then
        the echo passes for a voice.
        """
        return self._search.lag is not None and bool(
            self._by_lag[2].max() >= _WAS_ECHO_SHARE * max(self._total_since, FLOOR)
        )

    @property
    def is_loud(self) -> bool:
        """Whether an echo was found that is loud enough to be mistaken for somebody's words."""
        return self._search.lag is not None and self._bound > _SOFT * _BOUND_MARGIN

    @property
    def delay_ms(self) -> int | None:
        """The echo's delay; None while no echo has been found."""
        return None if self._search.lag is None else self._search.lag * 1000 * HOP // RATE_HZ

    def slip(self, samples: int) -> None:
        """What comes with the next `receive` is later than before, or earlier, by so much.

        Whoever knows why an echo's delay leaps, a jitter buffer for one, spares the guard half a
        second of learning it, in which the echo would pass for a voice.
        """
        columns = round(samples / HOP)
        if not columns:
            return
        columns = max(-LAGS, min(LAGS, columns))
        self._spliced = True
        self._search.slip(columns)
        self._coupling.slip(columns)
        self._by_lag = slipped(self._by_lag.T, columns, 0.0).T.copy()

    def rest(self, incoming: Pcm, outgoing: Pcm) -> float:
        """`receive` on a tick on which all we sent is noise of AT_REST_DBFS or less."""
        if self._summing:
            return self.receive(incoming, outgoing)
        self._before, self._rested = incoming, outgoing  # as in most of a call
        self._silent_ticks += 1
        return 0.0

    def receive(self, incoming: Pcm, outgoing: Pcm) -> float:
        """Take what came and what we sent on one tick, both of shape (160,).

        `outgoing` may also be what we sent on the tick before, as long as it always is.

        Returns:
            The share of the incoming energy, in [0, 1], that our own voice explains, over about
            the last 100 ms: 1 is all echo, and 0 is what we get when we have been silent.
        """
        before, self._before = self._before, incoming
        if self._rested is not None:  # columns that begin in it are looked at
            self._record(self._rested)
            self._rested = None
        sent = self._record(outgoing)
        sent_power = float(sent.dot(sent)) / FRAME_SAMPLES
        self._silent_ticks = 0 if sent_power > _SPEAKING else self._silent_ticks + 1
        lag = LAGS if self._search.lag is None else self._search.lag + NEAR
        if self._silent_ticks > lag // COLUMNS + _TAIL_TICKS:
            if self._summing:
                self._forget_sums()
            return 0.0
        newest = incoming.astype(np.float32)
        heard_power = float(newest.dot(newest)) / FRAME_SAMPLES
        self._bound_return(heard_power, sent_power)
        self._behind += 1
        self._undecayed += 1
        self._summing = True
        if self._spliced:
            self._spliced = False
        elif heard_power > _HEARING:
            self._compare(
                np.concatenate((before[FRAME_SAMPLES - WINDOW :], newest), dtype=np.float32)
            )
        return self._explained

    def _record(self, outgoing: Pcm) -> Floats:
        """Put 20 ms of ours on the tape; returns them."""
        start = self._end
        if start == _TAPE:
            self._sent[:_KEPT] = self._sent[start - _KEPT :]
            start = _KEPT
        self._end = start + FRAME_SAMPLES
        frame = self._sent[start : self._end]
        frame[:] = outgoing
        return frame

    def _bound_return(self, heard_power: float, sent_power: float) -> None:
        """An echo's energy is its gain times ours, whatever the delay."""
        self._heard_sum = self._heard_sum * _BOUND_MEMORY + heard_power
        self._sent_sum = self._sent_sum * _BOUND_MEMORY + sent_power
        self._spoken_ticks += 1
        if self._spoken_ticks > _BOUND_TICKS:
            gain = self._heard_sum / max(self._sent_sum, FLOOR)
            self._bound = min(self._bound, gain * _BOUND_MARGIN)

    def _compare(self, heard: Floats) -> None:
        # What was sent while the line was silent is caught up with: most of a call it is.
        columns, self._behind = min(self._behind * COLUMNS, LAGS), 0
        end = (self._end - WINDOW) // HOP + 1
        windows = np.empty((columns + 1, WINDOW), dtype=np.float32)
        np.multiply(self._windows[end - columns : end], HANN, out=windows[:-1])
        np.multiply(heard, HANN, out=windows[-1])
        powers = band_powers(windows)
        all_logs = np.log(powers)
        power, logs = powers[-1], all_logs[-1]
        self._reference.push(powers[:-1], all_logs[:-1])
        self._noise = np.minimum(self._noise * _NOISE_GROWTH, power)
        self._search.receive(logs, self._reference)
        self._decay_sums()
        if self._search.lag is not None and self._search.moved:
            self._coupling.admit(near(self._search.lag))
            slow, fast = self._by_lag[:2, near(self._search.lag)].max(axis=1).tolist()
            self._by_any = slow, fast
            self._doubt_ticks = _DOUBT_TICKS
        self._explain(power)
        self._compared_ticks += 1
        if self._compared_ticks % _LEARN_TICKS == 0:
            self._coupling.learn(logs, self._reference, self._explained)

    def _explain(self, power: Floats) -> None:
        noise = self._noise * _NOISE_PEAKS
        explained = self._reference.tails * self._coupling.reach
        explained += noise
        np.minimum(explained, power, out=explained)
        by_lag = explained.dot(BAND_SUM)
        self._by_lag += by_lag
        total = float(power.dot(BAND_SUM))
        self._total_since += total
        self._totals = _plus(self._totals, total)
        shares: list[float] = []
        if self._search.lag is None or self._doubt_ticks:
            self._doubt_ticks = max(0, self._doubt_ticks - 1)
            bound = peaks(self._reference.tails) * self._bound + noise
            self._by_bound = _plus(self._by_bound, float(np.minimum(power, bound).sum()))
            shares.append(self._share(self._by_bound))
        if self._search.lag is not None:
            best = float(by_lag[near(self._search.lag)].max())
            self._by_any = _plus(self._by_any, best)
            shares.append(self._share(self._by_any))
        self._explained = max(shares)

    def _share(self, echo: tuple[float, float]) -> float:
        """Of all that came, what these sums are; the slow one, unless the fast one is far off."""
        return min(1.0, echo[0] / self._totals[0], echo[1] / self._totals[1] + _ONSET)

    def _decay_sums(self) -> None:
        (slow, fast), decay = _SMOOTHING, _SMOOTHINGS
        if self._undecayed != 1:
            slow, fast, decay = slow**self._undecayed, fast**self._undecayed, decay**self._undecayed
        self._undecayed = 0
        self._by_lag *= decay
        self._by_any = self._by_any[0] * slow, self._by_any[1] * fast
        self._by_bound = self._by_bound[0] * slow, self._by_bound[1] * fast
        self._totals = self._totals[0] * slow, self._totals[1] * fast

    def _forget_sums(self) -> None:
        self._summing, self._undecayed = False, 0
        self._by_lag[:2] = 0.0
        self._by_bound = self._by_any = self._totals = 0.0, 0.0
        self._explained = 1.0
