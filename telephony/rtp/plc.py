"""Packet loss concealment for 8 kHz telephone speech, after G.711 Appendix I.

A lost frame is replaced by what the voice was doing: the last pitch cycle is repeated, then the
last two and three of them so that it does not buzz, fading from 10 ms on to silence at 60 ms, where
any guess would be wrong. Unlike Appendix I nothing is delayed: its overlap before the gap needs
3.75 ms of look-ahead; here the small step between the last sample and the repeated cycle is instead
taken back over the first milliseconds. When speech returns, the repetition is carried on underneath
and cross-faded into it.
"""

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voice.frames import FRAME_SAMPLES, RATE_HZ, Pcm, silence

Floats = NDArray[np.float32]

_MIN_LAG: Final = RATE_HZ // 200  # 200 Hz; higher voices are found at a multiple of their period
_MAX_LAG: Final = RATE_HZ * 15 // 1000  # 15 ms: 66 Hz
_MAX_CYCLES: Final = 3
_TEMPLATE: Final = FRAME_SAMPLES  # what is compared to find the pitch
_HISTORY_FRAMES: Final = 3  # 480 samples: three of the longest cycles and their overlap are 390
_MEND: Final = 24  # 3 ms: a step spread over this much is no click
_FADE_FROM: Final = RATE_HZ * 10 // 1000
_SILENT_FROM: Final = RATE_HZ * 60 // 1000
_RETURN_MIN: Final = 32  # 4 ms of cross-fade into returning speech …
_RETURN_MAX: Final = 80  # … 10 ms after more than one frame
_LOUD_ENOUGH: Final = 1.0  # mean square below which there is nothing to repeat

_MEND_RAMP: Final[Floats] = np.linspace(1.0, 0.0, _MEND, endpoint=False, dtype=np.float32)
_GAIN: Final[Floats] = np.interp(
    np.arange(_SILENT_FROM), [_FADE_FROM, _SILENT_FROM], [1.0, 0.0]
).astype(np.float32)


class Concealer:
    """The ears' patience: pass every frame of one stream through it, in order.

    Frames are int16, shape (160,), and must not be written to after they were passed in.
    """

    def __init__(self) -> None:
        self._history: deque[Pcm] = deque(
            [silence() for _ in range(_HISTORY_FRAMES)], maxlen=_HISTORY_FRAMES
        )
        self._lost = 0  # samples concealed since speech was last heard
        self._past: Floats = np.zeros(0, dtype=np.float32)  # before the gap
        self._lag = 0  # of the pitch before the gap; 0 when there was nothing to repeat
        self._cycle: Floats = np.zeros(0, dtype=np.float32)  # what is being repeated
        self._phase = 0  # where in it the next sample is
        self._last = 0.0  # the sample most recently put out

    def receive(self, pcm: Pcm) -> Pcm:
        """A frame that arrived; returned as it is, or cross-faded when it ends a gap."""
        if self._lost:
            pcm = self._return_to(pcm)
            self._lost = 0
        self._history.append(pcm)
        return pcm

    def conceal(self) -> Pcm:
        """A frame in place of one that did not arrive; silence from 60 ms on."""
        if self._lost >= _SILENT_FROM:
            pcm = silence()
        else:
            if not self._lost:
                self._begin()
            pcm = np.rint(self._continue(FRAME_SAMPLES)).astype(np.int16)
        self._lost += FRAME_SAMPLES
        self._history.append(pcm)
        return pcm

    def _begin(self) -> None:
        self._past = np.concatenate(self._history).astype(np.float32)
        self._lag = pitch_lag(self._past)
        self._cycle = np.zeros(0, dtype=np.float32)
        self._phase = 0
        self._last = float(self._past[-1])

    def _continue(self, count: int) -> Floats:
        """The next `count` samples of the repetition, faded by how long the gap is."""
        gain = _GAIN[self._lost : self._lost + count]
        if not self._lag or gain.size == 0:
            return self._silence_from_last(count)
        cycles = min(1 + self._lost // FRAME_SAMPLES, _MAX_CYCLES)
        if self._cycle.size != cycles * self._lag:
            self._phase %= self._lag
            self._cycle = _loop(self._past, self._lag, cycles)
        samples = np.zeros(count, dtype=np.float32)
        positions = (self._phase + np.arange(gain.size)) % self._cycle.size
        samples[: gain.size] = self._cycle[positions] * gain
        self._phase = (self._phase + count) % self._cycle.size
        self._mend(samples, float(self._cycle[positions[0] - 1] * gain[0]))
        return samples

    def _silence_from_last(self, count: int) -> Floats:
        samples = np.zeros(count, dtype=np.float32)
        self._mend(samples, 0.0)
        return samples

    def _mend(self, samples: Floats, before: float) -> None:
        """Take back the step from the last sample put out to where `samples` would continue."""
        length = min(_MEND, samples.size)
        samples[:length] += (self._last - before) * _MEND_RAMP[:length]
        np.clip(samples, -32768, 32767, out=samples)
        self._last = float(samples[-1])

    def _return_to(self, pcm: Pcm) -> Pcm:
        # The longer the guess, the longer the way back; after silence there is nothing to leave.
        length = _RETURN_MAX if FRAME_SAMPLES < self._lost < _SILENT_FROM else _RETURN_MIN
        old = self._continue(length)
        rise = np.linspace(0.0, 1.0, length, endpoint=False, dtype=np.float32)
        mixed = pcm.copy()
        mixed[:length] = np.rint(old * (1.0 - rise) + pcm[:length] * rise)
        return mixed


def pitch_lag(past: Floats) -> int:
    """The pitch period at the end of `past`, in samples; 0 when it is silent there.

    It is the lag, from 5 to 15 ms, at which the last 20 ms resemble what came before most.
    """
    template = past[-_TEMPLATE:]
    if float(np.dot(template, template)) < _LOUD_ENOUGH * _TEMPLATE:
        return 0
    searched = past[-_TEMPLATE - _MAX_LAG : -_MIN_LAG]
    products = np.correlate(searched, template, mode="valid")
    squares = np.concatenate(([0.0], np.cumsum(np.square(searched, dtype=np.float64))))
    energies = squares[_TEMPLATE:] - squares[:-_TEMPLATE]
    resemblance = products / np.sqrt(energies + _TEMPLATE)
    return _MAX_LAG - int(np.argmax(resemblance))


def _loop(past: Floats, lag: int, cycles: int) -> Floats:
    """The last `cycles` periods of `past`, their end cross-faded so that they repeat seamlessly."""
    length = cycles * lag
    loop = past[-length:].copy()
    overlap = lag // 4
    rise = np.linspace(0.0, 1.0, overlap, endpoint=False, dtype=np.float32)
    loop[-overlap:] = loop[-overlap:] * (1.0 - rise) + past[-length - overlap : -length] * rise
    return loop
