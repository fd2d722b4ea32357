"""Recordings of people, with what they say: a folder with a list.

`transcripts.tsv` in the folder has a line for each recording: file, speaker, what is said, between
tabs. Files are 16 bit WAV of any rate, named from the folder. Whoever trains brings the recordings
and has looked at their licence; the model card names both.
"""

import random
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from models.train.corpus import NO_TARGETS, RATE_HZ, Utterance
from models.train.digits import shifted, trimmed
from models.train.text import spoken
from models.train.unit_voices import read_wav

LIST: Final = "transcripts.tsv"
_LONGEST_S: Final = 8.5


@dataclass(frozen=True, slots=True)
class Recording:
    """One person saying one thing; float32 at 8 kHz, peak 1, silence at the edges cut off."""

    speaker: str
    text: str
    audio: NDArray[np.float32]


def recordings(folder: Path, *, without: Collection[str] = ()) -> list[Recording]:
    """All recordings of a folder but those of speakers held out, those that are too long, and
    those whose words are not clear from their text.

    Raises:
        OSError: the list or a file it names is missing.
        ValueError: a line is malformed, or nothing is left.
    """
    found: list[Recording] = []
    for number, line in enumerate((folder / LIST).read_text().splitlines(), start=1):
        fields = line.split("\t")
        if len(fields) != 3:
            raise ValueError(f"{folder / LIST}:{number} has {len(fields)} fields, not three")
        name, speaker, said = fields
        text = spoken(said)
        if speaker in without or not text:
            continue
        audio, rate_hz = read_wav(folder / name)
        audio = soxr.resample(audio, rate_hz, RATE_HZ) if rate_hz != RATE_HZ else audio
        audio = trimmed(audio)
        if len(audio) <= _LONGEST_S * RATE_HZ:
            found.append(Recording(speaker, text, audio))
    if not found:
        raise ValueError(f"{folder / LIST} names no recording to train on")
    return found


def draw(found: list[Recording], rng: random.Random) -> Utterance:
    """One of them, speed and pitch changed."""
    one = rng.choice(found)
    audio = shifted(one.audio, rng.uniform(0.88, 1.14))
    pcm = (np.clip(audio * 0.9, -1, 1) * 32767).astype(np.int16)
    return Utterance(text=one.text, voice=one.speaker, kind="people", pcm=pcm, targets=NO_TARGETS)
