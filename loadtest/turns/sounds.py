"""Sounds a caller makes that are no words, and the noise around them; int16 mono 8 kHz.

All are made from seeded noise, so that a run can be repeated sample by sample.
"""

from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loadtest.activity import sounding_span
from loadtest.pcm import RATE_HZ, Pcm
from loadtest.speech import VoiceSettings, render

SPEECH_DB: Final = -20.0
"""RMS of a caller's words in dB of full scale: an ordinary handset (ITU-T P.56 asks for -26)."""
_COUGH_DB: Final = -18.0
_BREATH_DB: Final = -38.0
_BEHIND_DB: Final = SPEECH_DB - 20  # somebody three metres from the handset


def words(text: str, voice: VoiceSettings) -> Pcm:
    """`text` in `voice` at SPEECH_DB, without the silence around it.

    Raises:
        VoiceError: the voice is unknown, or `text` makes no sound.
    """
    return _spoken(text, voice, SPEECH_DB)


def voice_behind(text: str, voice: VoiceSettings) -> Pcm:
    """Somebody in the caller's room, 20 dB under the caller.

    Raises:
        VoiceError: the voice is unknown, or `text` makes no sound.
    """
    return _spoken(text, voice, _BEHIND_DB)


def _spoken(text: str, voice: VoiceSettings, level_db: float) -> Pcm:
    pcm = render(text, voice)
    start, end = sounding_span(pcm)
    return at_level(pcm[start:end].astype(np.float32), level_db)


def pause(duration_s: float) -> Pcm:
    """Silence between words."""
    return np.zeros(round(duration_s * RATE_HZ), dtype=np.int16)


def cough(seed: int) -> Pcm:
    """A burst and a shorter one after it, about 0.4 s, broad like a throat's."""
    random = Random(seed)
    first = _burst(random.randrange(1 << 30), random.uniform(0.16, 0.24), 400, 2_800)
    second = _burst(random.randrange(1 << 30), random.uniform(0.09, 0.13), 300, 2_200)
    gap = np.zeros(round(random.uniform(0.05, 0.1) * RATE_HZ), dtype=np.float32)
    return at_level(np.concatenate([first, gap, np.float32(0.6) * second]), _COUGH_DB)


def breath(seed: int) -> Pcm:
    """Half a second of air on the mouthpiece: rises, falls, low in level."""
    length = round(0.5 * RATE_HZ)
    swell = np.hanning(length).astype(np.float32)
    return at_level(_band_noise(seed, length, 200, 1_800) * swell, _BREATH_DB)


def room(seed: int, duration_s: float, snr_db: float) -> Pcm:
    """Steady noise with the slope of a busy room, `snr_db` under SPEECH_DB."""
    noise = _band_noise(seed, round(duration_s * RATE_HZ), 60, 3_400, slope=-0.5)
    return at_level(noise, SPEECH_DB - snr_db)


def at_level(samples: NDArray[np.float32], level_db: float) -> Pcm:
    """`samples` of any scale as int16 with an RMS of `level_db`, clipped where it must be."""
    rms = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
    gain = 10 ** (level_db / 20) * 32_768 / max(rms, 1e-9)
    return np.clip(samples * gain, -32_768, 32_767).astype(np.int16)


def _burst(seed: int, duration_s: float, low_hz: float, high_hz: float) -> NDArray[np.float32]:
    """A hard onset that dies away."""
    length = round(duration_s * RATE_HZ)
    decay = np.exp(-3 * np.linspace(0, 1, length)).astype(np.float32)
    attack = np.minimum(1, np.arange(length) / (0.008 * RATE_HZ)).astype(np.float32)
    return _band_noise(seed, length, low_hz, high_hz) * decay * attack


def _band_noise(
    seed: int, length: int, low_hz: float, high_hz: float, *, slope: float = 0.0
) -> NDArray[np.float32]:
    """Noise between two frequencies, amplitude falling as frequency to the power `slope`."""
    random = np.random.default_rng(seed)
    frequency = np.fft.rfftfreq(length, 1 / RATE_HZ)
    shape = ((frequency >= low_hz) & (frequency <= high_hz)) * np.maximum(frequency, 1.0) ** slope
    spectrum = shape * np.exp(2j * np.pi * random.random(frequency.size))
    noise = np.fft.irfft(spectrum, length)
    return (noise / max(float(np.abs(noise).max()), 1e-9)).astype(np.float32)
