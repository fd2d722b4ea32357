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
from numpy.typing import NDArray

from voice.frames import FRAME_SAMPLES, RATE_HZ, Pcm, silence

Floats = NDArray[np.float32]

ECHO_SHARE: Final = 0.8
"""What is explained so far is echo. With a lower limit callers drown in an echo 6 dB below them;
with a higher one the straying of a loud echo in a reverberating room is a voice."""

_WAS_ECHO_SHARE: Final = 0.6
"""Of a whole voice, by the one delay that fits it best: an echo whose delay had just leapt had 0.63
and more, callers over an echo of -12 dB had less than 0.1."""

_DB: Final = float(np.log(10) / 10)  # one decibel of power, in natural logarithms


def _power(dbfs: float) -> float:
    return float(32768**2 * 10 ** (dbfs / 10))


_WINDOW: Final = 256  # 32 ms: tells harmonics of a voice apart, and is short beside a syllable
_HOP: Final = 80  # 10 ms between columns: what lies between two of them differs little from both
_LAGS: Final = (
    72  # columns kept: delays up to 710 ms, 300 of a line and those of two jitter buffers
)
_COLUMNS: Final = FRAME_SAMPLES // _HOP  # per tick
_KEPT: Final = _WINDOW + _LAGS * _HOP  # samples of what we sent that an echo may still come from
_TAPE: Final = _KEPT + 16 * FRAME_SAMPLES  # moved back to its beginning once in 320 ms, not always
_EDGES_HZ: Final = (
    200, 300, 400, 510, 630, 770, 920, 1080, 1270, 1480, 1720, 2000, 2320, 2700, 3150, 3600,
)  # fmt: skip
"""Critical bands (Bark) of the telephone band: what the ear, and so a vowel, is made of."""
_BANDS: Final = len(_EDGES_HZ) - 1

_FLOOR: Final = _power(-70.0)  # added to each band: rounding is no signal
_SPEAKING: Final = _power(-55.0)  # we are: comfort noise is 10 dB below, the softest phoneme above
_HEARING: Final = _power(-57.0)  # the caller may be: below this the detector hears nothing either
_NOISE_CEILING: Final = _power(-45.0)  # per band; steadier sound than that is no line noise
_NOISE_GROWTH: Final = 1.01  # per tick, 2 dB a second: the noise is the minimum of late
_NOISE_PEAKS: Final = 2.0  # noise as heard over its tracked minimum
_DECAY: Final = 0.3  # 5 dB in 10 ms, a reverberation time of 120 ms: the tail of a near wall
_RANGE: Final = 25.0 * _DB  # bands further below their recent peak say nothing about the coupling
_USEFUL: Final = float(np.log(_power(-70.0)))  # reference bands below this neither

_MEAN_RATE: Final = 0.02  # of the bands' means: 1 s
_MEMORY: Final = np.array([[0.985], [0.93]], dtype=np.float32)  # 1.3 s and 0.3 s, of correlations
_LOCK: Final = (0.5, 0.75)  # correlation that proves a delay, for each memory
"""Chance reached 0.42 and 0.70 in 64 callers talking over us on lines without echo."""
_LOCK_TICKS: Final = 12  # of hearing while speaking before any correlation counts
_NEAR: Final = 5  # columns to either side of the delay: a jitter buffer moves it by up to 50 ms

_WORST_GAIN: Final = 10 ** (-5 / 10)  # of an unknown line: an echo of -6 dB and something to spare
_BOUND_MARGIN: Final = 10 ** (6 / 10)  # colour of the echo over its mean gain
_BOUND_MEMORY: Final = 0.97  # 0.7 s
_BOUND_TICKS: Final = 30  # of speaking before what came back says something about the line

_LEARN_TICKS: Final = 2  # the coupling is learnt from every other frame: half the work
_GAIN_RATE: Final = 0.16  # of the couplings, 0.25 s, after their first frames
_RECENT_RATE: Final = 0.25  # of the gains that a new delay makes believable, 0.15 s
_SPREAD_RATE: Final = 0.1
_SURPRISE: Final = 6.0 * _DB  # one frame counts for no more
_SPREAD: Final = 2.0 * _DB  # until it is known
_MARGIN: Final = -0.5 * _DB  # over gain plus spread
_SURE_ECHO: Final = 0.7  # explained: the spread is learnt from such frames alone

_SMOOTHING: Final = np.array([0.8, 0.5], dtype=np.float32)  # 90 ms to decide, 30 ms for onsets
_ONSET: Final = 0.3  # the faster sum decides when it is so much clearer than needed
_TAIL_TICKS: Final = 18  # detectors linger on noise for 0.3 s after the echo has died away


def suppressed(probability: float, explained: float) -> float:
    """The probability that the caller speaks, given the detector's and `EchoGuard.receive`'s."""
    return 0.0 if explained >= ECHO_SHARE else probability


def _band_matrix() -> Floats:
    """Sums bins of a power spectrum to bands, in units of a sample's mean power."""
    hertz = np.fft.rfftfreq(_WINDOW, 1 / RATE_HZ)
    edges = np.array(_EDGES_HZ)
    inside = (hertz[:, None] >= edges[:-1]) & (hertz[:, None] < edges[1:])
    return (inside * (2.0 / _WINDOW / np.sum(_HANN**2))).astype(np.float32)


_HANN: Final = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
_MATRIX: Final = _band_matrix()


def _bands(windows: Floats) -> Floats:
    """Band powers of samples; (256,) to (15,), or (n, 256) to (n, 15)."""
    spectrum = np.fft.rfft(windows * _HANN)
    power: Floats = (np.square(spectrum.real) + np.square(spectrum.imag)) @ _MATRIX
    power += _FLOOR
    return power


def _near(lag: int) -> slice:
    """The columns that an echo of this lag may come from."""
    return slice(max(0, lag - _NEAR), lag + _NEAR + 1)


class _Reference:
    """What we sent, as columns; newest first."""

    def __init__(self) -> None:
        self.logs = np.full((_LAGS, _BANDS), np.log(_FLOOR), dtype=np.float32)
        """Log band powers, with the tail that a room adds."""
        self.shapes = np.zeros((_LAGS, _BANDS), dtype=np.float32)
        """Log band powers without the tail, less their means."""
        self.norms = np.zeros(_LAGS, dtype=np.float32)
        self._tail = np.full(_BANDS, _FLOOR, dtype=np.float32)
        self._means = np.zeros(_BANDS, dtype=np.float32)
        self._ticks = 0

    def push(self, powers: Floats) -> None:
        """Add a tick's columns, oldest first, shape (2, 15)."""
        logs = np.log(powers)
        self._ticks += 1
        self._means += max(1 / self._ticks, _MEAN_RATE) * (logs[-1] - self._means)
        for columns in (self.logs, self.shapes, self.norms):
            columns[_COLUMNS:] = columns[:-_COLUMNS]
        for at in range(_COLUMNS):
            self._tail = np.maximum(powers[at], self._tail * _DECAY)
            self.logs[_COLUMNS - 1 - at] = np.log(self._tail)
        shapes = self.shapes[:_COLUMNS]
        np.subtract(logs[::-1], self._means, out=shapes)
        self.norms[:_COLUMNS] = np.einsum("ij,ij->i", shapes, shapes)


class _DelaySearch:
    """At which lag the incoming bands follow ours."""

    def __init__(self) -> None:
        self.lag: int | None = None
        self.moved = False
        """The latest frame showed an echo where none was known."""
        self._means = np.zeros(_BANDS, dtype=np.float32)
        self._products = np.zeros((2, _LAGS), dtype=np.float32)
        self._incoming = np.zeros((2, 1), dtype=np.float32)
        self._outgoing = np.zeros((2, _LAGS), dtype=np.float32)
        self._ticks = 0

    def receive(self, logs: Floats, reference: _Reference) -> None:
        """Take the log band powers of an incoming frame, shape (15,)."""
        self._ticks += 1
        self._means += max(1 / self._ticks, _MEAN_RATE) * (logs - self._means)
        shape = logs - self._means
        for sums, news in (
            (self._products, reference.shapes @ shape),
            (self._incoming, shape @ shape),
            (self._outgoing, reference.norms),
        ):
            sums *= _MEMORY
            sums += news
        if self._ticks > _LOCK_TICKS:
            self._find()

    def _find(self) -> None:
        scores = self._products / np.sqrt(self._incoming * self._outgoing + 1e-3)
        before, self.moved = self.lag, False
        for row, needed in zip(scores, _LOCK, strict=True):
            best = int(row.argmax())
            if row[best] > needed:
                self.lag = best
                self.moved = before is None or abs(best - before) > _NEAR
                return


class _Coupling:
    """How loud each band of each column returns, in natural logarithms."""

    def __init__(self) -> None:
        self.gains = np.full((_LAGS, _BANDS), np.log(_WORST_GAIN), dtype=np.float32)
        self.spreads = np.full((_LAGS, _BANDS), _SPREAD, dtype=np.float32)
        self._counts = np.zeros((_LAGS, _BANDS), dtype=np.float32)
        self._recent = self.gains.copy()  # gains of late, whoever made them

    def predicted(self, reference: _Reference) -> Floats:
        """Band powers that an echo of each column may have; shape (72, 15)."""
        return np.exp(reference.logs + self.gains + self.spreads + _MARGIN)

    def admit(self, columns: slice) -> None:
        """What these columns returned of late is known to be echo, however loud."""
        gains = self.gains[columns]
        np.maximum(gains, self._recent[columns], out=gains)
        np.minimum(gains, 0.0, out=gains)

    def learn(self, logs: Floats, reference: _Reference, explained: float) -> None:
        """Take the log band powers of an incoming frame, and how far it was explained."""
        ours = reference.logs
        telling = ours > np.maximum(ours.max(axis=0) - _RANGE, _USEFUL)
        self._counts += telling
        gains = logs - ours
        self._recent += telling * _RECENT_RATE * (gains - self._recent)
        surprise = np.maximum(np.minimum(gains - self.gains, _SURPRISE), -_SURPRISE)
        if explained > _SURE_ECHO:
            rate = telling * np.maximum(1 / (self._counts + 3), _SPREAD_RATE)
            self.spreads += rate * (np.abs(surprise) - self.spreads)
        # A tenth of the pace at 0.34 explained and less, the full pace at 0.7 and more.
        reluctance = min(1.0, max(0.1, (explained - 0.3) / 0.4))
        rate = telling * np.maximum(1 / (self._counts + 1), _GAIN_RATE)
        self.gains += rate * np.where(surprise > 0, surprise * reluctance, surprise)
        np.minimum(self.gains, 0.0, out=self.gains)


class EchoGuard:
    """One call's guard against its own echo; give it every tick."""

    def __init__(self) -> None:
        self._before = silence()  # the last frame that came
        self._sent = np.zeros(_TAPE, dtype=np.float32)
        self._end = _KEPT  # of what is on that tape
        self._windows = sliding_window_view(self._sent, _WINDOW)[::_HOP]  # of the tape
        self._behind = 0  # ticks that are in `_sent` and not yet in the reference
        self._reference = _Reference()
        self._search = _DelaySearch()
        self._coupling = _Coupling()
        self._noise = np.full(_BANDS, _NOISE_CEILING, dtype=np.float32)
        self._bound = _WORST_GAIN
        self._heard_sum = self._sent_sum = 0.0  # of powers while we speak, decaying
        self._spoken_ticks = 0
        self._silent_ticks = 1_000_000  # since we last spoke
        self._compared_ticks = 0
        self._explained = 1.0
        self._summing = False  # something is in the sums that follow
        self._undecayed = 0  # ticks by which they are still to decay
        self._by_lag = np.zeros((2, _LAGS), dtype=np.float32)  # explained sums, slow and fast
        self._by_bound = np.zeros(2)
        self._by_any = np.zeros(2)  # likewise, by whichever column near the delay
        self._totals = np.zeros(2)
        self._since = np.zeros(_LAGS, dtype=np.float32)  # explained sums since `begin`
        self._total_since = 0.0

    def begin(self) -> None:
        """A voice was found: what comes now is looked at as a whole, too."""
        self._since[:] = 0.0
        self._total_since = 0.0

    @property
    def was_echo(self) -> bool:
        """Whether all that came since `begin`, as it turns out now, is our own voice.

        After a leap of the delay it takes half a second of echo to know the new one; until then
        the echo passes for a voice.
        """
        return self._search.lag is not None and bool(
            self._since.max() >= _WAS_ECHO_SHARE * max(self._total_since, _FLOOR)
        )

    @property
    def delay_ms(self) -> int | None:
        """The echo's delay; None while no echo has been found."""
        return None if self._search.lag is None else self._search.lag * 1000 * _HOP // RATE_HZ

    def receive(self, incoming: Pcm, outgoing: Pcm) -> float:
        """Take what came and what we sent on one tick, both of shape (160,).

        `outgoing` may also be what we sent on the tick before, as long as it always is.

        Returns:
            The share of the incoming energy, in [0, 1], that our own voice explains, over about
            the last 100 ms: 1 is all echo, and 0 is what we get when we have been silent.
        """
        before, self._before = self._before, incoming
        sent = self._record(outgoing)
        sent_power = float(sent.dot(sent)) / FRAME_SAMPLES
        self._silent_ticks = 0 if sent_power > _SPEAKING else self._silent_ticks + 1
        lag = _LAGS if self._search.lag is None else self._search.lag + _NEAR
        if self._silent_ticks > lag // _COLUMNS + _TAIL_TICKS:
            if self._summing:
                self._forget_sums()
            return 0.0
        newest = incoming.astype(np.float32)
        heard_power = float(newest.dot(newest)) / FRAME_SAMPLES
        self._bound_return(heard_power, sent_power)
        self._behind += 1
        self._undecayed += 1
        self._summing = True
        if heard_power > _HEARING:
            self._push_reference()
            self._decay_sums()
            self._compare(np.concatenate((before[FRAME_SAMPLES - _WINDOW :], newest)))
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
            gain = self._heard_sum / max(self._sent_sum, _FLOOR)
            self._bound = min(self._bound, gain * _BOUND_MARGIN)

    def _push_reference(self) -> None:
        """Catch up with what was sent while the line was silent: most of a call it is."""
        columns, self._behind = min(self._behind * _COLUMNS, _LAGS), 0
        end = (self._end - _WINDOW) // _HOP + 1
        powers = _bands(self._windows[end - columns : end])
        for at in range(0, columns, _COLUMNS):
            self._reference.push(powers[at : at + _COLUMNS])

    def _compare(self, heard: Floats) -> None:
        power = _bands(heard)
        logs = np.log(power)
        self._noise = np.minimum(self._noise * _NOISE_GROWTH, power)
        self._search.receive(logs, self._reference)
        if self._search.lag is not None and self._search.moved:
            self._coupling.admit(_near(self._search.lag))
            self._by_any[:] = self._by_lag[:, _near(self._search.lag)].max(axis=1)
        self._explain(power)
        self._compared_ticks += 1
        if self._compared_ticks % _LEARN_TICKS == 0:
            self._coupling.learn(logs, self._reference, self._explained)

    def _explain(self, power: Floats) -> None:
        noise = self._noise * _NOISE_PEAKS
        predicted = self._coupling.predicted(self._reference) + noise
        by_lag = np.minimum(power, predicted).sum(axis=1)
        self._by_lag += by_lag
        self._since += by_lag
        self._total_since += float(power.sum())
        if self._search.lag is not None:
            self._by_any += by_lag[_near(self._search.lag)].max()
        loudest = np.exp(self._reference.logs.max(axis=0)) * self._bound
        self._by_bound += np.minimum(power, loudest + noise).sum()
        self._totals += power.sum()
        lag = self._search.lag
        echo = self._by_bound if lag is None else self._by_any
        slow, fast = (echo / self._totals).tolist()
        self._explained = min(1.0, slow, fast + _ONSET)

    def _decay_sums(self) -> None:
        decay = _SMOOTHING**self._undecayed
        self._undecayed = 0
        self._by_lag *= decay[:, None]
        self._by_any *= decay
        self._by_bound *= decay
        self._totals *= decay

    def _forget_sums(self) -> None:
        self._summing, self._undecayed = False, 0
        self._by_lag[:] = 0.0
        self._by_bound[:] = 0.0
        self._by_any[:] = 0.0
        self._totals[:] = 0.0
        self._explained = 1.0
