"""The tones by which the ends of a transfer know each other, found again in what was heard; pure.

They lie above the hold music and between the keys' frequencies (ITU-T Q.23), and no speech is as
pure, so that nothing else in a call is taken for one of them.
"""

import math
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from loadtest.pcm import FRAME_SAMPLES, RATE_HZ, Pcm

CALLER_HZ: Final = 1900.0
AGENT_HZ: Final = 2500.0

_LEVEL: Final = 4_000  # of 32767, -18 dB: a person's voice
_PURE: Final = 0.8  # share of the power at the tone; µ-law alone leaves 0.99
_FAINT: Final = 200.0  # RMS below which nothing is there
_STEP: Final = RATE_HZ // 200  # 5 ms: how exactly an onset is found
_BLOCKS: Final = 8  # 40 ms: a click is no tone


def tone(hz: float, start: int, samples: int = FRAME_SAMPLES) -> Pcm:
    """A piece of an endless sine, from its sample `start` on."""
    at = np.arange(start, start + samples)
    return (_LEVEL * np.sin(2 * math.pi * hz * at / RATE_HZ)).astype(np.int16)


def is_tone(pcm: Pcm, hz: float) -> bool:
    """Whether nearly all that sounds in `pcm`, 20 ms or more, is this tone."""
    samples = pcm.astype(np.float64)
    power = float(samples @ samples)
    if power < samples.size * _FAINT**2:
        return False
    found = 2 * abs(complex(samples @ _phase(hz, samples.size))) ** 2
    return found / (samples.size * power) >= _PURE


def onset(pcm: Pcm, hz: float) -> int | None:
    """The sample at which the tone begins to be heard, to 5 ms; None when it never does.

    One pass over blocks of 5 ms, whose sums make every window: a call is searched in a millisecond
    or two, so that it may be done between two frames.
    """
    blocks = pcm[: pcm.size - pcm.size % _STEP].astype(np.float64).reshape(-1, _STEP)
    if blocks.shape[0] < _BLOCKS:
        return None
    # The tone turns by the same angle from block to block, so one block's phase serves all.
    turns = np.exp(-2j * math.pi * hz * _STEP * np.arange(blocks.shape[0]) / RATE_HZ)
    found = np.abs(_windows((blocks @ _phase(hz, _STEP)) * turns)) ** 2
    power = _windows((blocks * blocks).sum(axis=1))
    samples = _BLOCKS * _STEP
    loud = power >= samples * _FAINT**2
    pure = 2 * found >= _PURE * samples * power
    at = np.flatnonzero(loud & pure)
    return int(at[0]) * _STEP if at.size else None


def _windows(blocks: NDArray[Any]) -> NDArray[Any]:
    """The sum of each run of blocks that is a window long."""
    sums = np.concatenate((np.zeros(1, blocks.dtype), np.cumsum(blocks)))
    return sums[_BLOCKS:] - sums[:-_BLOCKS]


@lru_cache(maxsize=16)
def _phase(hz: float, samples: int) -> NDArray[np.complex128]:
    return np.exp(-2j * math.pi * hz * np.arange(samples) / RATE_HZ)
