"""WAV files: any PCM file becomes int16 mono 8 kHz; recordings are written as int16 8 kHz."""

import wave
from pathlib import Path
from typing import Any

import numpy as np
import soxr  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

from loadtest.errors import AudioFileError
from loadtest.pcm import RATE_HZ, Pcm


def read_wav(path: Path) -> Pcm:
    """Read a PCM WAV of any rate, width (8, 16, 24, 32 bit) and channel count, mixed to mono.

    Raises:
        AudioFileError: no such file, not a WAV, not PCM, or without a sample.
    """
    try:
        with wave.open(str(path), "rb") as file:
            parameters = file.getparams()
            data = file.readframes(parameters.nframes)
    except OSError as error:
        raise AudioFileError(f"{path}: {error.strerror or error}") from error
    except (wave.Error, EOFError) as error:
        raise AudioFileError(f"{path}: not a PCM WAV file ({error or 'it ends early'})") from error
    frame_bytes = parameters.sampwidth * parameters.nchannels
    data = data[: len(data) - len(data) % frame_bytes]
    if not data:
        raise AudioFileError(f"{path}: has no audio")
    mono = _samples(data, parameters.sampwidth).reshape(-1, parameters.nchannels).mean(axis=1)
    return _to_pcm(_resample(mono, parameters.framerate))


def _samples(data: bytes, width: int) -> NDArray[np.float32]:
    """Raw little-endian samples as floats in [-1, 1)."""
    match width:
        case 1:
            return np.frombuffer(data, np.uint8).astype(np.float32) / np.float32(128) - 1
        case 2:
            return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(2**15)
        case 3:
            padded = np.zeros((len(data) // 3, 4), np.uint8)
            padded[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            return padded.reshape(-1).view("<i4").astype(np.float32) / np.float32(2**31)
        case _:
            return np.frombuffer(data, "<i4").astype(np.float32) / np.float32(2**31)


def _resample(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    if rate_hz == RATE_HZ:
        return samples
    resampled: Any = soxr.resample(samples, rate_hz, RATE_HZ)
    return np.asarray(resampled, dtype=np.float32)


def _to_pcm(samples: NDArray[np.float32]) -> Pcm:
    return (np.clip(samples, -1, 1) * 32_767).round().astype(np.int16)


def write_wav(path: Path, *channels: Pcm) -> None:
    """Write channels of equal length, int16 8 kHz, making the folder if need be.

    Raises:
        AudioFileError: the file cannot be written.
    """
    interleaved = np.stack(channels, axis=1).astype("<i2")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(len(channels))
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(interleaved.tobytes())
    except OSError as error:
        raise AudioFileError(f"{path}: cannot be written: {error.strerror or error}") from error
