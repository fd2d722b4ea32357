"""Listening to recordings: what is in them, judged by their sound."""

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loadtest.fingerprint import Phrase
from loadtest.listening import PhraseBook
from models.espeak import EspeakVoice


def read_stereo(path: Path) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Left and right of a recording: the caller and frontdesk; int16, 8 kHz."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return both[:, 0].astype(np.int16), both[:, 1].astype(np.int16)


def contains_phrase(pcm: NDArray[np.int16], text: str) -> bool:
    """Is this sentence of frontdesk's built-in voice heard in the audio?"""
    book = PhraseBook([Phrase.of(text, [EspeakVoice().render(text).pcm])])
    return bool(book.understand(pcm).heard)
