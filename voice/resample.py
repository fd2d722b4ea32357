"""Sample-rate conversion: frame by frame for live audio, at once for recordings.

A resampler that starts anew with every frame clicks fifty times a second, so `Resampler` carries
its filter's state over the whole stream. It is a polyphase windowed-sinc filter of our own because
soxr, which serves recordings here, works in blocks: fed 20 ms at a time it returns nothing for up
to 120 ms and then everything, whatever its quality. Ours holds back 3 ms, always.
"""

import math
from functools import lru_cache
from typing import Final

import numpy as np
import soxr
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from voice.frames import Pcm

_HALF_WIDTH: Final = 24  # taps each side at the lower rate: 3 ms at 8 kHz
_CUTOFF: Final = 0.925  # of the lower Nyquist frequency: at 8 kHz flat to 3.3 kHz, closed by 4.1
_KAISER_BETA: Final = 7.0  # stop band 70 dB down, below the noise of G.711

Floats = NDArray[np.float32]


class Resampler:
    """Converts one mono int16 stream between two rates; use one per stream and direction."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        _check_rates(from_hz, to_hz)
        divisor = math.gcd(from_hz, to_hz)
        self._up, self._down = to_hz // divisor, from_hz // divisor
        self._bank = _filter_bank(self._up, self._down)
        self._start()

    def _start(self) -> None:
        self._held: Floats = np.zeros(self._bank.shape[1] // 2 - 1, dtype=np.float32)
        self._position = 0  # of the next output sample in `_held`, in input samples / `_up`

    def process(self, pcm: Pcm) -> Pcm:
        """Feed int16 samples, shape (n,); returns those now ready, shape (m,).

        The first output sample lies at the time of the first input sample; the first call returns
        3 ms less than it was given, later calls exactly as much. Equal rates pass `pcm` through.
        """
        if self._up == self._down:
            return pcm
        taps = self._bank.shape[1]
        held: Floats = np.concatenate((self._held, pcm.astype(np.float32)))
        ready = ((held.size - taps + 1) * self._up - self._position + self._down - 1) // self._down
        if ready <= 0:
            self._held = held
            return np.zeros(0, dtype=np.int16)
        positions = self._position + self._down * np.arange(ready)
        windows = sliding_window_view(held, taps)[positions // self._up]
        samples = np.einsum("ij,ij->i", windows, self._bank[positions % self._up])
        consumed, self._position = divmod(self._position + ready * self._down, self._up)
        self._held = held[consumed:].copy()  # a view would keep the whole past alive
        return _to_int16(samples)

    def flush(self) -> Pcm:
        """End the stream: returns what the filter still held; the next `process` starts a new one.

        With it a stream of n samples has given n × to_hz / from_hz, rounded up.
        """
        after: int = self._bank.shape[1] // 2
        rest = self.process(np.zeros(after, dtype=np.int16))
        self._start()
        return rest if self._up != self._down else rest[:0]


def resample(pcm: Pcm, from_hz: int, to_hz: int) -> Pcm:
    """Convert a whole recording, int16, shape (n,), at once: aligned in time, nothing held back."""
    _check_rates(from_hz, to_hz)
    if from_hz == to_hz or pcm.size == 0:
        return pcm
    # In float: soxr dithers int16 at random, and the same recording should give the same samples.
    return _to_int16(np.asarray(soxr.resample(pcm.astype(np.float32), from_hz, to_hz)))


@lru_cache(maxsize=16)
def _filter_bank(up: int, down: int) -> Floats:
    """The filter for each of the `up` positions between two input samples, shape (up, taps)."""
    scale = max(1.0, down / up)  # going down, the filter stretches to the lower rate
    half = math.ceil(_HALF_WIDTH * scale)
    offsets = np.arange(2 * half) - (half - 1)
    times = offsets[None, :] - np.arange(up)[:, None] / up
    window = np.i0(_KAISER_BETA * np.sqrt(np.maximum(0.0, 1.0 - (times / half) ** 2)))
    bank = np.sinc(times * _CUTOFF / scale) * window
    return (bank / bank.sum(axis=1, keepdims=True)).astype(np.float32)


def _to_int16(samples: Floats) -> Pcm:
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)


def _check_rates(from_hz: int, to_hz: int) -> None:
    if from_hz <= 0 or to_hz <= 0:
        raise ValueError(f"sample rates must be positive, not {from_hz} and {to_hz}")
