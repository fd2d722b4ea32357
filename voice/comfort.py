"""Comfort noise: what the caller hears while frontdesk is silent.

Digital silence sounds like a dead line, and people hang up on dead lines. So silence is filled with
noise like that of a quiet room: too soft to be noticed or to count as speech, and loud enough that
G.711, whose smallest steps are 8 (µ-law) and 16 (A-law), does not swallow it.

The noise is one loop per level and seed, computed once in the frequency domain, where a signal is
periodic by nature: there is no seam to hear.
"""

from functools import lru_cache
from typing import Final

import numpy as np

from voice.frames import FRAME_SAMPLES, RATE_HZ, Pcm

LEVEL_DBFS: Final = -65.0
"""RMS. Speech of ours is at -20; a quiet room on a telephone at -70 to -60."""

_LOOP_FRAMES: Final = 200  # 4 s: nobody hears that much noise of this level repeat
_LOOP_SAMPLES: Final = _LOOP_FRAMES * FRAME_SAMPLES
_LOW_HZ, _HIGH_HZ = 150.0, 3400.0  # the telephone band
_SLOPE_DB_PER_OCTAVE: Final = -5.0  # of room noise, as in the Hoth spectrum (ITU-T P.800)


class ComfortNoise:
    """An endless stream of noise frames; calls share the loop and start in it at their own place.

    Args:
        level_dbfs: RMS level, negative.
        seed: chooses the noise.
        start_frame: where in the loop this stream begins; any integer.

    Raises:
        ValueError: the level is not below -30 dBFS: that would be no comfort.
    """

    def __init__(
        self, *, level_dbfs: float = LEVEL_DBFS, seed: int = 0, start_frame: int = 0
    ) -> None:
        if not level_dbfs <= -30.0:
            raise ValueError(f"comfort noise at {level_dbfs} dBFS is not below -30 dBFS")
        self._loop = _frames(level_dbfs, seed)
        self._next = start_frame % _LOOP_FRAMES

    def pop(self) -> Pcm:
        """The next 20 ms, shape (160,): a read-only view, valid for ever."""
        frame = self._loop[self._next]
        self._next = (self._next + 1) % _LOOP_FRAMES
        return frame


@lru_cache(maxsize=8)
def _frames(level_dbfs: float, seed: int) -> tuple[Pcm, ...]:
    """The loop's frames, made once: every call takes one on every tick."""
    return tuple(_loop(level_dbfs, seed))


def _loop(level_dbfs: float, seed: int) -> Pcm:
    """The whole loop as frames, shape (200, 160), read-only."""
    hertz = np.fft.rfftfreq(_LOOP_SAMPLES, 1 / RATE_HZ)
    in_band = (hertz >= _LOW_HZ) & (hertz <= _HIGH_HZ)
    octaves = np.log2(np.where(in_band, hertz, _LOW_HZ) / _LOW_HZ)
    magnitude = np.where(in_band, 10 ** (_SLOPE_DB_PER_OCTAVE * octaves / 20), 0.0)
    phase = np.random.default_rng(seed).uniform(0.0, 2 * np.pi, hertz.size)
    samples = np.fft.irfft(magnitude * np.exp(1j * phase), _LOOP_SAMPLES)
    samples *= 32768 * 10 ** (level_dbfs / 20) / np.sqrt(np.mean(samples**2))
    loop = np.rint(np.clip(samples, -32768, 32767)).astype(np.int16)
    loop = loop.reshape(_LOOP_FRAMES, FRAME_SAMPLES)
    loop.flags.writeable = False
    return loop
