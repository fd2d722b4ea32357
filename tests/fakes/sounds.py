"""Sounds to recognise: words of espeak-ng, noise, tones; 8 kHz."""

import numpy as np
from numpy.typing import NDArray

from models.espeak import EspeakVoice
from models.speech import RATE_HZ, Pcm


def say(text: str, voice: str = "en-us") -> Pcm:
    return EspeakVoice(voice).render(text).pcm


def pcm_of(samples: NDArray[np.float64]) -> Pcm:
    return np.clip(samples, -32768, 32767).astype(np.int16)


def noise(seconds: float, level: float) -> NDArray[np.float64]:
    return np.random.default_rng(3).standard_normal(round(seconds * RATE_HZ)) * level


def tone(seconds: float, *frequencies: float) -> NDArray[np.float64]:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return 3000.0 * np.sum([np.sin(2 * np.pi * f * t) for f in frequencies], axis=0)
