"""Transcribing a finished recording: voicemail, a call for quality review.

The same engine as for calls. What is said is cut into lines at pauses; of a stereo recording each
channel is a speaker of their own, and the lines of both are told in the order in which they began.
"""

import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from models.errors import ModelError
from models.speech import RATE_HZ, Pcm, Word, resample
from models.stt import SttEngine
from models.utterance import Utterance, spans, windows

_PAUSE_S: Final = 0.7  # people pause longer between sentences than within
_LONGEST_S: Final = 28.0  # of a line: Whisper's own window, with room for its edges
_MOST_CHANNELS: Final = 8  # a conference; more is a file of something else
_RATES_HZ: Final = range(4_000, 384_001)
_BLOCK_S: Final = 60.0  # resampled at a time: an hour of stereo would be 3 GB at once


class RecordingError(ModelError):
    """The file is no recording that can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one speaker said without a pause. speaker: channel, from 0; times from the beginning."""

    speaker: int
    start_s: float
    end_s: float
    text: str
    confidence: float
    words: tuple[Word, ...]


def read(path: Path) -> tuple[Pcm, ...]:
    """The channels of a WAV file, 8 kHz int16, shape (n,) each.

    Raises:
        RecordingError: it is missing, no WAV file, or not of 16 bit whole numbers.
    """
    try:
        with wave.open(str(path)) as file:
            channels, rate_hz = file.getnchannels(), file.getframerate()
            _check(path, file)
            parts = [_narrow(raw, channels, rate_hz) for raw in _blocks(file)]
    except (OSError, EOFError, wave.Error, RuntimeError) as error:
        raise RecordingError(f"{path} cannot be read as a WAV file: {error}") from error
    if not parts:
        return tuple(np.zeros(0, dtype=np.int16) for _ in range(channels))
    return tuple(np.concatenate(parts).T)


def transcribe(
    engine: SttEngine, channels: tuple[Pcm, ...], progress: Callable[[float], None] | None = None
) -> list[Line]:
    """Every line of a recording, in the order in which they began.

    Args:
        channels: see `read`.
        progress: told the share that is done, from 0 to 1.

    Raises:
        EngineError: the engine failed.
    """
    asked = [
        (speaker, begin, end)
        for speaker, pcm in enumerate(channels)
        for begin, end in spans(pcm, pause_s=_PAUSE_S)
    ]
    lines: list[Line] = []
    for done, (speaker, begin, end) in enumerate(asked, start=1):
        lines += _lines(engine, speaker, channels[speaker][begin:end], begin / RATE_HZ)
        if progress is not None:
            progress(done / len(asked))
    return sorted(lines, key=lambda line: (line.start_s, line.speaker))


def _lines(engine: SttEngine, speaker: int, pcm: Pcm, begin_s: float) -> Iterator[Line]:
    at_s = begin_s
    for part in windows(Utterance(pcm), _LONGEST_S):
        heard = engine.transcribe(part, words=True)
        if heard.text:
            words = tuple(Word(w.text, at_s + w.start_s, at_s + w.end_s) for w in heard.words)
            yield Line(
                speaker=speaker,
                start_s=words[0].start_s if words else at_s,
                end_s=words[-1].end_s if words else at_s + len(part) / RATE_HZ,
                text=heard.text,
                confidence=heard.confidence,
                words=words,
            )
        at_s += len(part) / RATE_HZ


def _check(path: Path, file: wave.Wave_read) -> None:
    if file.getsampwidth() != 2:
        raise RecordingError(f"{path} has {8 * file.getsampwidth()} bits a sample, not 16")
    if file.getnchannels() > _MOST_CHANNELS:
        raise RecordingError(f"{path} has {file.getnchannels()} channels, at most {_MOST_CHANNELS}")
    if file.getframerate() not in _RATES_HZ:
        raise RecordingError(f"{path} has a rate of {file.getframerate()} Hz, not 4 to 384 kHz")


def _blocks(file: wave.Wave_read) -> Iterator[bytes]:
    while raw := file.readframes(round(_BLOCK_S * file.getframerate())):
        yield raw


def _narrow(raw: bytes, channels: int, rate_hz: int) -> Pcm:
    """Samples at 8 kHz, shape (n, channels)."""
    whole = len(raw) - len(raw) % (2 * channels)  # a file that was cut off
    wide = np.frombuffer(raw[:whole], dtype="<i2").reshape(-1, channels)
    if rate_hz == RATE_HZ:
        return wide.astype(np.int16)
    narrow = resample(wide.astype(np.float32) / 32768.0, rate_hz, RATE_HZ)
    return (np.clip(narrow, -1.0, 1.0) * 32767.0).astype(np.int16)
