"""Other people out of a voice: its pitch and rhythm change, its resonances and words do not."""

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from models.train.corpus import RATE_HZ
from models.train.revoice import Manner, drawn, revoiced

HZ = 100.0
RESONANCE_HZ = 1_250.0


def _vowel(seconds: float = 1.0) -> NDArray[np.float32]:
    """A pulse train through one resonance."""
    pulses = np.zeros(round(seconds * RATE_HZ))
    pulses[:: round(RATE_HZ / HZ)] = 1.0
    since = np.arange(400) / RATE_HZ
    rings = 0.97 ** (since * RATE_HZ) * np.sin(2 * np.pi * RESONANCE_HZ * since)
    sound = np.convolve(pulses, rings)[: len(pulses)]
    return (sound / np.abs(sound).max() * 0.5).astype(np.float32)


def _manner(count: int, *, pitch: float = 1.0, pace: float = 1.0, breath: float = 0.0) -> Manner:
    heard = np.linspace(0, count - 1, round(count * pace))
    return Manner(pitch=np.full(count, pitch), breath=breath, heard=heard)


def _pitch_hz(audio: NDArray[np.float32]) -> float:
    middle = audio[len(audio) // 3 : len(audio) // 3 + 1_600]
    alike = np.correlate(middle, middle, mode="full")[len(middle) - 1 :]
    shortest = RATE_HZ // 300
    return RATE_HZ / (shortest + int(np.argmax(alike[shortest : RATE_HZ // 60])))


def _loudest_hz(audio: NDArray[np.float32]) -> float:
    """The peak of the spectrum's envelope: harmonics smoothed away."""
    power = np.abs(np.fft.rfft(audio * np.hanning(len(audio)))) ** 2
    bins_hz = RATE_HZ / len(audio)
    wide = round(350 / bins_hz)
    return float(np.argmax(np.convolve(power, np.ones(wide), mode="same")) * bins_hz)


@pytest.mark.parametrize("factor", [0.75, 1.0, 1.4, 1.9])
def test_the_pitch_moves_and_the_resonance_stays(factor: float) -> None:
    vowel = _vowel()

    heard, _ = revoiced(
        vowel,
        np.zeros(0, np.int16),
        _manner(len(vowel), pitch=factor),
        np.random.default_rng(1),
    )

    assert len(heard) == len(vowel)
    assert _pitch_hz(heard) == pytest.approx(HZ * factor, rel=0.06)
    assert _loudest_hz(heard) == pytest.approx(RESONANCE_HZ, abs=150)


@pytest.mark.parametrize("pace", [0.8, 1.25])
def test_the_rhythm_moves_and_the_pitch_stays(pace: float) -> None:
    vowel = _vowel()
    targets = np.repeat(np.arange(5, dtype=np.int16), 10)

    heard, moved = revoiced(
        vowel, targets, _manner(len(vowel), pace=pace), np.random.default_rng(1)
    )

    assert len(heard) == pytest.approx(len(vowel) * pace, abs=1)
    assert _pitch_hz(heard) == pytest.approx(HZ, rel=0.06)
    assert [int(np.sum(moved == n)) for n in range(5)] == pytest.approx([10 * pace] * 5, abs=1)


def test_breath_takes_the_place_of_the_voice() -> None:
    vowel = _vowel()
    none = np.zeros(0, np.int16)

    voiced, _ = revoiced(vowel, none, _manner(len(vowel)), np.random.default_rng(1))
    breathed, _ = revoiced(vowel, none, _manner(len(vowel), breath=0.9), np.random.default_rng(1))

    assert _periodic(breathed) < 0.6 * _periodic(voiced)


def _periodic(audio: NDArray[np.float32]) -> float:
    period = round(RATE_HZ / HZ)
    return float(np.corrcoef(audio[1_000:-period], audio[1_000 + period :])[0, 1])


@pytest.mark.parametrize("seed", range(8))
def test_any_manner_drawn_gives_finite_sound_of_its_length(seed: int) -> None:
    vowel = _vowel(0.5 + 0.3 * seed)
    manner = drawn(len(vowel), random.Random(seed))

    heard, _ = revoiced(vowel, np.zeros(0, np.int16), manner, np.random.default_rng(seed))

    assert len(heard) == len(manner.heard)
    assert np.isfinite(heard).all()
    assert 0.01 < float(np.sqrt(np.mean(heard**2))) / float(np.sqrt(np.mean(vowel**2))) < 4


def test_what_is_too_short_to_change_is_left() -> None:
    click = np.ones(100, dtype=np.float32)

    heard, _ = revoiced(click, np.zeros(0, np.int16), _manner(100), np.random.default_rng(1))

    assert heard is click
