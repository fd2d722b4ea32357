"""What a caller's telephone will send, rendered ahead and kept: no gap is the caller's own.

A text in a voice always sounds the same, so it is rendered once per machine and shared by every
process of every run that says it.
"""

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Final

import numpy as np

from loadtest.errors import VoiceError
from loadtest.pcm import Pcm
from loadtest.scenario import Scenario
from loadtest.speech import VoiceSettings, render
from loadtest.turns.sounds import room

_FORMAT: Final = 1  # of what is kept; a change of the voices' engine or its settings raises it
_NOISE_SNR_DB: Final = 10.0  # under speech: a street, not a whisper


class SpeechCache:
    """Rendered speech in a folder, one file per text and voice; safe to share between processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def render(self, text: str, voice: VoiceSettings) -> Pcm:
        """The speech, int16 mono 8 kHz, from the folder or into it.

        Raises:
            VoiceError: the voice is unknown, makes no sound, or the folder cannot be written.
        """
        path = self._path(text, voice)
        try:
            return np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            pass  # not there yet, or cut short: make it
        pcm = render(text, voice)
        try:
            self._keep(path, pcm)
        except OSError as error:
            raise VoiceError(f"{self._folder}: {error.strerror or error}") from error
        return pcm

    def _path(self, text: str, voice: VoiceSettings) -> Path:
        key = repr((_FORMAT, text, voice.name, voice.rate_wpm, voice.pitch))
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy"

    def _keep(self, path: Path, pcm: Pcm) -> None:
        """Write whole or not at all: another process may read at any moment."""
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        with draft.open("wb") as file:
            np.save(file, pcm, allow_pickle=False)
        draft.replace(path)


async def sounds_of(scenario: Scenario, cache: SpeechCache | None = None) -> dict[str, Pcm]:
    """Everything the scenario's caller may say or sound, by its text; off the event loop.

    Raises:
        VoiceError: a text cannot be rendered.
    """
    speak = render if cache is None else cache.render

    def make() -> dict[str, Pcm]:
        said = {text: speak(text, scenario.voice) for text in scenario.texts}
        noises = {noise.name: _noise(noise.for_s) for noise in scenario.noises}
        return said | noises

    return await asyncio.to_thread(make)


def _noise(for_s: float) -> Pcm:
    return room(0, for_s, _NOISE_SNR_DB)
