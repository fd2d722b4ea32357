"""Listening to recordings: what is in them, judged by their sound."""

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loadtest.fingerprint import Phrase
from loadtest.listening import PhraseBook
from models.espeak import EspeakVoice

_LIKELY = 0.3  # a hole of 20 ms in a sentence of 1.4 s left 0.34


def read_stereo(path: Path) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Left and right of a recording: the caller and frontdesk; int16, 8 kHz."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return both[:, 0].astype(np.int16), both[:, 1].astype(np.int16)


def contains_phrase(pcm: NDArray[np.int16], text: str, *, damaged: bool = False) -> bool:
    """Is this sentence of frontdesk's built-in voice heard in the audio?

    Args:
        damaged: frames may be missing, as where a busy machine was late: a likeness that is less
            than sure counts too, if it is as long as the sentence.
    """
    sound = EspeakVoice().render(text).pcm
    understood = PhraseBook([Phrase.of(text, [sound])]).understand(pcm)
    if understood.heard:
        return True
    length_s = len(sound) / 8000
    return damaged and any(
        match.score >= _LIKELY and 0.7 < (match.end_s - match.start_s) / length_s < 1.4
        for match in understood.matches
    )
