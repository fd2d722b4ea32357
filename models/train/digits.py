"""Numbers from recordings of single digits, strung together as people say them.

The recordings are files named `{digit}_{speaker}_{index}.wav`, as the Free Spoken Digit Dataset and
AudioMNIST have them. A speaker held out of training is held out whole.
"""

import random
from collections.abc import Collection
from pathlib import Path
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from models.train.corpus import NO_TARGETS, RATE_HZ, Utterance
from models.train.slots import DIGITS
from models.train.unit_voices import read_wav

_EDGE_DB: Final = -34.0  # relative to the peak; what is quieter at the edges is cut off
_LONGEST_S: Final = 8.5

Recordings = dict[str, dict[int, list[NDArray[np.float32]]]]
"""Speaker -> digit -> recordings, float32 at 8 kHz, peak 1."""


def recordings(*folders: Path) -> Recordings:
    """All recordings in some folders and below; who did not say all ten digits is left out.

    Raises:
        ValueError: a folder has none, or a file is not named as it should be.
        OSError: a file cannot be read.
    """
    found: Recordings = {}
    for folder in folders:
        paths = sorted(folder.rglob("*.wav"))
        if not paths:
            raise ValueError(f"{folder} has no recordings of digits")
        for path in paths:
            digit, speaker, _ = path.stem.split("_")
            audio, rate_hz = read_wav(path)
            audio = soxr.resample(audio, rate_hz, RATE_HZ) if rate_hz != RATE_HZ else audio
            found.setdefault(speaker, {}).setdefault(int(digit), []).append(trimmed(audio))
    return {speaker: said for speaker, said in found.items() if len(said) == len(DIGITS)}


def trimmed(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without silence at the edges, the peak at 1."""
    peak = max(float(np.abs(audio).max(initial=0.0)), 1e-3)
    loud = np.flatnonzero(np.abs(audio) > peak * 10 ** (_EDGE_DB / 20))
    return (audio[loud[0] : loud[-1] + 1] / peak) if len(loud) else audio


def strung(
    recorded: Recordings, speaker: str, numbers: list[int], rng: random.Random, *, varied: bool
) -> Utterance:
    """One speaker's digits as one utterance.

    Args:
        varied: also change speed and pitch, and with it the speaker, as training wants it.
    """
    gap_s = rng.choice((0.03, 0.08, 0.15, 0.25))  # hurried to dictating
    group = rng.choice((0, 0, 2, 3, 4))
    level = 1.0
    parts: list[NDArray[np.float32]] = []
    for at, number in enumerate(numbers):
        level = min(1.0, max(0.4, level * rng.uniform(0.8, 1.25)))
        pause_s = gap_s * rng.uniform(0.4, 1.6)
        if group and at and at % group == 0:
            pause_s += rng.uniform(0.1, 0.4)
        if at:
            parts.append(np.zeros(round(pause_s * RATE_HZ), dtype=np.float32))
        parts.append(rng.choice(recorded[speaker][number]) * level)
    audio = np.concatenate(parts)
    if varied:
        audio = shifted(audio, rng.uniform(0.84, 1.19))
    pcm = (np.clip(audio * 0.9, -1, 1) * 32767).astype(np.int16)
    text = " ".join(DIGITS[number] for number in numbers)
    return Utterance(text=text, voice=speaker, kind="recorded", pcm=pcm, targets=NO_TARGETS)


def shifted(audio: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Slower and lower (factor above 1) or faster and higher: another throat, another tempo."""
    return soxr.resample(audio, RATE_HZ, RATE_HZ * factor)


def draw(
    recorded: Recordings,
    rng: random.Random,
    *,
    speakers: Collection[str],
    length: int | None = None,
    varied: bool = True,
) -> Utterance:
    """A random number by one of the speakers; runs of a digit more often than by chance."""
    speaker = rng.choice(sorted(speakers))
    while True:
        wanted = length or rng.choice((1, 1, 2, 3, 4, 4, 4, 5, 5, 5, 6, 7, 8, 10))
        numbers: list[int] = []
        for _ in range(wanted):
            again = numbers and rng.random() < 0.12
            numbers.append(numbers[-1] if again else rng.randrange(10))
        utterance = strung(recorded, speaker, numbers, rng, varied=varied)
        if utterance.seconds <= _LONGEST_S:
            return utterance
