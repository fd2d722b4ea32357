"""Whisper's log-mel features, at a quarter of the price of faster-whisper's.

The same figures to 1e-4: windows in single precision, and only the audio that is there. At the
bundled model's size the features would otherwise be a fifth of what an utterance costs.

An utterance is looked at in each of its pauses, and each time it is the one before and some more.
`GrowingFeatures` keeps what it computed: only what has been added is transformed again.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from models.speech import Pcm, Samples

_FLOOR: Final = 1e-10  # of a mel energy
_RANGE: Final = 8.0  # decades kept below the loudest

_KEPT: Final = 32  # utterances, 130 kB for 4 s: of a hundred calls some ten speak at a time
_KEY: Final = 400  # samples of audio by which an utterance is known again: 50 ms, sound in them
_REACH: Final = 256  # samples of wide audio that the resampler looks ahead, and some more


class LogMel:
    """Features as a model wants them.

    Args:
        extractor: faster-whisper's, of the loaded model: its mel filters and sizes are used.
    """

    def __init__(self, extractor: Any) -> None:
        self.size = int(extractor.n_fft)
        self.hop = int(extractor.hop_length)
        self._filters = np.asarray(extractor.mel_filters, dtype=np.float32)
        self._window = np.hanning(self.size + 1)[:-1].astype(np.float32)

    def of(self, wide: Samples) -> Samples:
        """Log-mel features of 16 kHz audio, float32, shape (mels, samples // hop)."""
        return levelled(self.logs(wide))

    def logs(self, wide: Samples, first: int = 0) -> Samples:
        """The same from frame `first` on, before the loudest moment decides what is silence."""
        half = self.size // 2
        padded = np.pad(wide, half, mode="reflect") if len(wide) > half else np.pad(wide, half)
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.size)
        frames = windows[first * self.hop :: self.hop][:-1]
        spectrum: NDArray[np.complex64] = cast(Any, scipy.fft).rfft(frames * self._window, axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        return np.log10(np.maximum(self._filters @ power.T, _FLOOR)).astype(np.float32)


def levelled(logs: Samples) -> Samples:
    """What Whisper is given: at most so many decades below the loudest."""
    loudest = logs.max(initial=-_RANGE)
    return ((np.maximum(logs, loudest - _RANGE) + 4.0) / 4.0).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Computed:
    pcm: Pcm
    logs: Samples


class GrowingFeatures:
    """Features of utterances that are looked at again as they go on; thread-safe.

    The last `kept` utterances are remembered by how they begin.
    """

    def __init__(self, log_mel: LogMel, kept: int = _KEPT) -> None:
        self._log_mel = log_mel
        self._kept = kept
        self._lock = threading.Lock()
        self._computed: OrderedDict[bytes, _Computed] = OrderedDict()
        self.reused = 0
        """Frames that were not computed again."""

    def of(self, pcm: Pcm, wide: Samples) -> Samples:
        """As LogMel.of(wide); `pcm` is the same audio at 8 kHz."""
        begins = _loud_start(pcm)
        known = self._recalled(begins)
        first = 0 if known is None else self._unchanged(known, pcm)
        logs = self._log_mel.logs(wide, first)
        if known is not None and first:
            logs = np.concatenate([known.logs[:, :first], logs], axis=1)
        if begins:
            self._remember(begins, _Computed(pcm.copy(), logs), first)
        return levelled(logs)

    def _recalled(self, begins: bytes) -> _Computed | None:
        with self._lock:
            return self._computed.get(begins)

    def _remember(self, begins: bytes, computed: _Computed, reused: int) -> None:
        with self._lock:
            self.reused += reused
            self._computed[begins] = computed
            self._computed.move_to_end(begins)
            if len(self._computed) > self._kept:
                self._computed.popitem(last=False)

    def _unchanged(self, known: _Computed, pcm: Pcm) -> int:
        """How many of the known frames saw nothing but audio that both share."""
        both = min(len(known.pcm), len(pcm))
        apart = np.flatnonzero(known.pcm[:both] != pcm[:both])
        wide = 2 * (int(apart[0]) if len(apart) else both)
        log_mel = self._log_mel
        frames = (wide - _REACH - log_mel.size // 2) // log_mel.hop
        return max(0, min(frames, known.logs.shape[1] - 1))


def _loud_start(pcm: Pcm) -> bytes:
    """By what an utterance is known again; empty where nothing sounds.

    Samples from the first that is not silence: line silence is the same in every call.
    """
    sounds = np.flatnonzero(np.abs(pcm[: 20 * _KEY].astype(np.int32)) > 300)  # -41 dBFS
    if not len(sounds):
        return b""
    at = int(sounds[0])
    return at.to_bytes(4) + pcm[at : at + _KEY].tobytes()
