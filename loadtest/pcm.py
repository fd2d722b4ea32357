"""Audio vocabulary of the load test: linear PCM, int16, mono, 8 kHz, frames of 20 ms."""

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 8_000
FRAME_S: Final = 0.020
FRAME_SAMPLES: Final = 160

Pcm: TypeAlias = NDArray[np.int16]
"""Linear PCM, int16, mono, shape (n,), 8 kHz unless a rate is named beside it."""

SILENCE: Final[Pcm] = np.zeros(FRAME_SAMPLES, dtype=np.int16)
SILENCE.flags.writeable = False


def seconds(samples: int) -> float:
    """A count of 8 kHz samples as seconds."""
    return samples / RATE_HZ


def frames_of(pcm: Pcm) -> list[Pcm]:
    """Cut `pcm` into frames of 160 samples, the last one padded with silence."""
    padded = np.pad(pcm, (0, -pcm.size % FRAME_SAMPLES))
    return list(padded.reshape(-1, FRAME_SAMPLES))
