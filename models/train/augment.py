"""What a telephone, a room and a street do to speech.

Everything works at 8 kHz on float32 audio of shape (n,), -1 to 1. `telephone` draws one set of
conditions at random; the single steps are used by the evaluation for conditions of its own.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.train import codecs
from models.train.corpus import RATE_HZ

Audio = NDArray[np.float32]
Codec = Callable[[Audio], Audio]

_PACKET: Final = RATE_HZ // 50  # 20 ms
_MU: Final = 255.0
_A: Final = 87.6
_GSM_SHARE: Final = 0.07
_OPUS_SHARE: Final = 0.03  # dearer by far than all the rest that is done to an utterance


@dataclass(frozen=True, slots=True)
class Placed:
    """Augmented audio, and where in it the utterance begins and ends, in seconds."""

    audio: Audio
    begin_s: float
    end_s: float


def telephone(
    audio: Audio, rng: random.Random, noise: np.random.Generator, voices: Sequence[Audio]
) -> Placed:
    """One call's worth of conditions, some utterances nearly clean, a few bad.

    Args:
        voices: other people's speech, for babble.
    """
    if rng.random() < 0.05 and len(audio) > RATE_HZ:
        audio = audio[round(rng.uniform(0.01, 0.05) * RATE_HZ) :]  # the start is cut off
    lead = round(rng.choice((rng.uniform(0.02, 0.2), rng.uniform(0.2, 0.6))) * RATE_HZ)
    tail = round(rng.uniform(0.15, 0.8) * RATE_HZ)
    placed = np.pad(audio, (lead, tail)).astype(np.float32)
    if rng.random() < 0.3:
        placed = reverb(placed, rng.uniform(0.08, 0.5), rng.uniform(0.1, 0.6), noise)
    kind = rng.random()
    if kind < 0.38:
        placed = with_noise(placed, coloured(len(placed), rng, noise), rng.uniform(6, 35))
    elif kind < 0.64 and voices:
        placed = with_noise(placed, babble(len(placed), rng, voices), rng.uniform(5, 25))
    if rng.random() < 0.7:
        low, high = rng.uniform(50, 320), rng.uniform(3_200, 3_900)
        placed = band(placed, low, high, tilt_db=rng.uniform(-6, 6))
    placed = levelled(placed, rng.uniform(-35, -3))
    if rng.random() < 0.06:
        placed = np.clip(placed * rng.uniform(1.5, 5), -0.7, 0.7)
    if rng.random() < 0.12:
        placed = concealed(placed, rng.uniform(0.01, 0.08), rng)
    placed = coded(placed, rng)
    return Placed(placed, lead / RATE_HZ, (lead + len(audio)) / RATE_HZ)


def coded(audio: Audio, rng: random.Random) -> Audio:
    """Through a codec: mostly G.711, some GSM and Opus and what came through them to G.711."""
    before = rng.random()
    if before < _GSM_SHARE and codecs.has_gsm():
        audio = codecs.gsm(audio)
    elif before < _GSM_SHARE + _OPUS_SHARE:
        audio = codecs.opus(audio, rng.choice((8_000, 12_000, 16_000, 24_000)))
    line = rng.random()
    return mu_law(audio) if line < 0.6 else a_law(audio) if line < 0.85 else audio


def nobody(seconds: float, rng: random.Random, noise: np.random.Generator) -> Audio:
    """Audio in which nobody speaks: silence, noise, hum, clicks, tones or breath."""
    count = round(seconds * RATE_HZ)
    time = np.arange(count, dtype=np.float32) / RATE_HZ
    match rng.randrange(6):
        case 0:
            found = np.zeros(count, dtype=np.float32)
        case 1:
            found = np.sin(2 * np.pi * rng.choice((50, 60, 100, 120)) * time)
        case 2:
            found = np.zeros(count, dtype=np.float32)
            for _ in range(rng.randint(1, 6)):
                at, long = rng.randrange(count), rng.randint(5, 400)
                click = noise.standard_normal(min(long, count - at))
                found[at : at + long] += click * np.exp(-np.arange(len(click)) / (long / 4 + 1))
        case 3:
            tones = rng.choice(((440.0, 350.0), (425.0,), (697.0, 1209.0), (941.0, 1336.0)))
            found = np.sum([np.sin(2 * np.pi * hz * time) for hz in tones], axis=0)
            found *= (time * rng.uniform(0.5, 4)) % 1.0 < rng.uniform(0.3, 1.0)
        case 4:
            swell = np.abs(np.sin(np.pi * time * rng.uniform(0.3, 1.5))) ** 3
            found = coloured(count, rng, noise) * swell
        case _:
            found = coloured(count, rng, noise)
    hiss = noise.standard_normal(count) * 10 ** (rng.uniform(-75, -40) / 20)
    loud = levelled(found.astype(np.float32), rng.uniform(-50, -8))
    return mu_law((loud + hiss).astype(np.float32))


def coloured(count: int, rng: random.Random, noise: np.random.Generator) -> Audio:
    """Stationary noise from white to brown, some of it slowly swelling."""
    spectrum = np.fft.rfft(noise.standard_normal(count))
    hz = np.maximum(np.fft.rfftfreq(count, 1 / RATE_HZ), 40.0)
    made = np.fft.irfft(spectrum * hz ** -rng.uniform(0.0, 1.0), count)
    if rng.random() < 0.3:
        made *= 1 + 0.8 * np.sin(2 * np.pi * rng.uniform(0.2, 2) * np.arange(count) / RATE_HZ)
    return made.astype(np.float32)


def babble(count: int, rng: random.Random, voices: Sequence[Audio], people: int = 4) -> Audio:
    """Several people at once, each going on for as long as it takes."""
    mixed = np.zeros(count, dtype=np.float32)
    for _ in range(people):
        voice = rng.choice(voices)
        mixed += np.roll(np.resize(voice, count), rng.randrange(max(1, count)))
    return mixed


def with_noise(audio: Audio, noise: Audio, snr_db: float) -> Audio:
    """With noise so loud that speech, where it sounds, is snr_db above it."""
    gain = speech_rms(audio) / max(rms(noise), 1e-9) * 10 ** (-snr_db / 20)
    return (audio + noise * gain).astype(np.float32)


def reverb(audio: Audio, seconds: float, share: float, noise: np.random.Generator) -> Audio:
    """With a room's echo of that length (60 dB down); `share` of the sound takes that way."""
    count = round(seconds * RATE_HZ)
    tail = noise.standard_normal(count) * 10 ** (-3 * np.arange(count) / count)
    response = np.zeros(count, dtype=np.float32)
    response += share * tail / max(float(np.linalg.norm(tail)), 1e-9)
    response[0] += 1.0
    size = len(audio) + count
    wet = np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(response, size), size)
    return wet[: len(audio)].astype(np.float32)


def band(audio: Audio, low_hz: float, high_hz: float, *, tilt_db: float = 0.0) -> Audio:
    """Only the frequencies between, with slopes; `tilt_db` more at the top than at the bottom."""
    spectrum = np.fft.rfft(audio)
    hz = np.fft.rfftfreq(len(audio), 1 / RATE_HZ)
    gain = 1 / (1 + (low_hz / np.maximum(hz, 1.0)) ** 6) / (1 + (hz / high_hz) ** 16)
    gain *= 10 ** (tilt_db * (hz / (RATE_HZ / 2) - 0.5) / 20)
    return np.fft.irfft(spectrum * gain, len(audio)).astype(np.float32)


def concealed(audio: Audio, loss: float, rng: random.Random) -> Audio:
    """With packets lost: each repeats the one before at half the level, as concealment does."""
    heard = audio.copy()
    for at in range(_PACKET, len(heard) - _PACKET, _PACKET):
        if rng.random() < loss:
            heard[at : at + _PACKET] = heard[at - _PACKET : at] * 0.5
    return heard


def levelled(audio: Audio, dbfs: float) -> Audio:
    """At that RMS where it sounds, no sample above full scale."""
    loud = audio * (10 ** (dbfs / 20) / max(speech_rms(audio), 1e-6))
    return np.clip(loud, -1.0, 1.0)


def mu_law(audio: Audio) -> Audio:
    """Through ITU-T G.711 mu-law (its curve, not its segments: the noise is the same)."""
    whole = float(np.log1p(_MU))
    size = np.abs(audio).clip(0, 1)
    coarse = np.rint(np.log1p(_MU * size) * (127 / whole)) / 127
    return np.copysign(np.expm1(coarse * whole) / _MU, audio).astype(np.float32)


def a_law(audio: Audio) -> Audio:
    """Through ITU-T G.711 A-law (its curve; nothing is coded as zero)."""
    whole = 1 + float(np.log(_A))
    size = np.abs(audio).clip(0, 1)
    curved = 1 + np.log(np.maximum(_A * size, 1))
    squeezed = np.where(size < 1 / _A, _A * size, curved) / whole
    coarse = (np.floor(squeezed * 127.5) + 0.5) / 128
    steep = np.exp(coarse * whole - 1)
    back = np.where(coarse < 1 / whole, coarse * whole, steep) / _A
    return np.copysign(back, audio).astype(np.float32)


def rms(audio: Audio) -> float:
    """Over all of it."""
    return float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))) if len(audio) else 0.0


def speech_rms(audio: Audio) -> float:
    """Over the 20 ms frames that sound: within 30 dB of the loudest."""
    whole = len(audio) // _PACKET * _PACKET
    if not whole:
        return rms(audio)
    power = np.square(audio[:whole], dtype=np.float64).reshape(-1, _PACKET).mean(axis=1)
    return float(np.sqrt(power[power >= power.max() * 1e-3].mean()))
