"""An utterance before it is transcribed: is anything said, and where does it begin and end.

Energy in 20 ms frames decides. It is cheap, and it keeps the model from hearing words in silence,
noise and tones: a model trained on speech finds some in anything.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from models.speech import RATE_HZ, Pcm

_FRAME: Final = RATE_HZ // 50  # 20 ms

MIN_UTTERANCE_S: Final = 0.1
"""Shorter audio holds no word."""

SILENCE_DBFS: Final = -52.0
"""RMS of a 20 ms frame; a call whose loudest frame is below it has nobody speaking."""

_BELOW_PEAK_DB: Final = 38.0  # a frame this much below the loudest is not part of a word

_SPOKEN_MIN_S: Final = 0.08  # of frames with energy; clicks and pops are shorter than any word

_STEADY_DB: Final = 2.0
"""Speech rises and falls by 6 dB and more from frame to frame; noise by under 1, tones by none."""

_STEADY_MIN_S: Final = 0.3  # a shorter stretch may be one long vowel

LEAD_S: Final = 0.3
"""Silence kept before the first sound, for soft onsets."""

TAIL_S: Final = 0.4
"""Silence after the last sound. Models cut off the last word of audio that ends with it."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Audio that holds speech, as far as energy can tell: at most LEAD_S before, TAIL_S after.

    begin: the sample of the original audio that it begins with. sound: where in `pcm` sound begins
    and ends, in samples; the whole of it when None.
    """

    pcm: Pcm
    begin: int = 0
    sound: tuple[int, int] | None = None

    @classmethod
    def of(cls, pcm: Pcm) -> Self | None:
        """The utterance in the audio, or None where there is none."""
        if len(pcm) < MIN_UTTERANCE_S * RATE_HZ:
            return None
        levels = _levels_dbfs(pcm)
        if levels.max() < SILENCE_DBFS:
            return None
        active = np.flatnonzero(levels > max(SILENCE_DBFS, levels.max() - _BELOW_PEAK_DB))
        if len(active) * _FRAME < _SPOKEN_MIN_S * RATE_HZ or _steady(levels[active]):
            return None
        begin = max(0, int(active[0]) * _FRAME - round(LEAD_S * RATE_HZ))
        sound_end = (int(active[-1]) + 1) * _FRAME
        end = sound_end + round(TAIL_S * RATE_HZ)
        missing = max(0, end - len(pcm))
        cut = np.pad(pcm[begin:end], (0, missing)) if missing else pcm[begin:end]
        return cls(cut, begin, (int(active[0]) * _FRAME - begin, sound_end - begin))


def spans(pcm: Pcm, *, pause_s: float) -> list[tuple[int, int]]:
    """Where somebody speaks in a recording: samples from and to, apart by at least `pause_s`.

    Each begins LEAD_S before its first sound and ends TAIL_S after its last.
    """
    levels = _levels_dbfs(pcm)
    if not len(levels):
        return []
    active = np.flatnonzero(levels > max(SILENCE_DBFS, levels.max() - _BELOW_PEAK_DB))
    if not len(active):
        return []
    breaks = np.flatnonzero(np.diff(active) * _FRAME > pause_s * RATE_HZ)
    firsts = active[np.concatenate(([0], breaks + 1))] * _FRAME - round(LEAD_S * RATE_HZ)
    lasts = (active[np.concatenate((breaks, [-1]))] + 1) * _FRAME + round(TAIL_S * RATE_HZ)
    return [
        (max(0, int(begin)), min(len(pcm), int(end)))
        for begin, end in zip(firsts, lasts, strict=True)
    ]


def windows(utterance: Utterance, longest_s: float) -> Iterator[Pcm]:
    """The utterance in parts of at most `longest_s`, cut where it is quietest.

    Each cut is looked for in the last third of the longest possible part.
    """
    rest = utterance.pcm
    longest = round(longest_s * RATE_HZ)
    while len(rest) > longest:
        search = rest[longest * 2 // 3 : longest]
        quietest = int(np.argmin(_levels_dbfs(search)))
        cut = longest * 2 // 3 + quietest * _FRAME + _FRAME // 2
        yield rest[:cut]
        rest = rest[cut:]
    yield rest


def _levels_dbfs(pcm: Pcm) -> NDArray[np.float64]:
    """RMS of each whole 20 ms frame without its DC, in dB below full scale."""
    count = len(pcm) // _FRAME
    frames = pcm[: count * _FRAME].reshape(count, _FRAME).astype(np.float64)
    frames -= pcm.mean() if count else 0.0
    power = np.mean(frames * frames, axis=1) / 32768.0**2
    return 10.0 * np.log10(np.maximum(power, 1e-12))


def _steady(levels: NDArray[np.float64]) -> bool:
    return len(levels) * _FRAME >= _STEADY_MIN_S * RATE_HZ and float(levels.std()) < _STEADY_DB
