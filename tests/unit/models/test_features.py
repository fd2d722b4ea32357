"""Our log-mel features are faster-whisper's."""

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

from models.features import GrowingFeatures, LogMel
from models.speech import Pcm, resample


def sound(samples: int) -> NDArray[np.float32]:
    """Noise that comes and goes, as speech does."""
    rng = np.random.default_rng(samples)
    swell = np.sin(np.arange(samples) / 900.0) ** 2
    return (rng.standard_normal(samples) * swell * 0.2).astype(np.float32)


@pytest.mark.parametrize("mels", [80, 128])
@pytest.mark.parametrize("samples", [1_600, 16_000, 47_999, 160_000])
def test_features_are_those_of_faster_whisper(samples: int, mels: int):
    extractor = FeatureExtractor(feature_size=mels)
    theirs = extractor(sound(samples), padding=0)
    ours = LogMel(extractor).of(sound(samples))
    assert ours.dtype == np.float32
    assert ours.shape == (mels, samples // 160)
    assert np.abs(ours - theirs[:, : ours.shape[1]]).max() < 1e-4


def test_silence_has_features():
    features = LogMel(FeatureExtractor()).of(np.zeros(16_000, dtype=np.float32))
    assert np.isfinite(features).all()
    assert np.ptp(features) == 0.0


def spoken(samples: int, seed: int = 1) -> Pcm:
    """8 kHz, half a second of line silence before it."""
    rng = np.random.default_rng(seed)
    swell = np.sin(np.arange(samples) / 700.0) ** 2
    loud = rng.standard_normal(samples) * swell * 6_000
    return np.concatenate([rng.integers(-20, 20, 4_000), loud]).astype(np.int16)


def wide(pcm: Pcm) -> NDArray[np.float32]:
    return resample(pcm.astype(np.float32) / 32768.0, 8_000, 16_000)


def assert_as_at_once(growing: GrowingFeatures, pcm: Pcm) -> None:
    at_once = LogMel(FeatureExtractor()).of(wide(pcm))
    np.testing.assert_allclose(growing.of(pcm, wide(pcm)), at_once, atol=2e-4)


def test_features_grow_with_their_utterance_and_are_those_computed_at_once():
    growing = GrowingFeatures(LogMel(FeatureExtractor()))
    whole = spoken(32_000)
    for end in (8_000, 15_990, 16_007, 28_000, 36_000):
        assert_as_at_once(growing, whole[:end])
    # Of 4.5 s all but what was new each time, and the frames that saw its edge.
    assert growing.reused > 500


def test_silence_that_stood_in_for_what_came_then_is_not_kept():
    growing = GrowingFeatures(LogMel(FeatureExtractor()))
    whole = spoken(24_000)
    guessed = np.concatenate([whole[:14_000], np.zeros(3_200, dtype=np.int16)])
    assert_as_at_once(growing, guessed)
    assert_as_at_once(growing, whole)
    assert 100 < growing.reused < 175


def test_a_louder_end_changes_what_counts_as_silence_before_it():
    growing = GrowingFeatures(LogMel(FeatureExtractor()))
    quiet = (spoken(16_000) // 8).astype(np.int16)
    louder = np.concatenate([quiet, spoken(8_000, seed=2)])
    assert_as_at_once(growing, quiet)
    assert_as_at_once(growing, louder)


def test_utterances_of_other_calls_are_told_apart():
    growing = GrowingFeatures(LogMel(FeatureExtractor()))
    for seed in range(5):
        assert_as_at_once(growing, spoken(9_000, seed))
    assert growing.reused == 0


def test_shorter_audio_of_the_same_beginning_is_not_given_more_frames():
    growing = GrowingFeatures(LogMel(FeatureExtractor()))
    whole = spoken(24_000)
    assert_as_at_once(growing, whole)
    assert_as_at_once(growing, whole[:9_000])


def test_only_so_many_utterances_are_kept():
    growing = GrowingFeatures(LogMel(FeatureExtractor()), kept=2)
    for seed in (1, 2, 3, 1):
        assert_as_at_once(growing, spoken(9_000, seed))
    assert growing.reused == 0


def test_silence_alone_is_never_recalled():
    growing = GrowingFeatures(LogMel(FeatureExtractor()))
    for samples in (8_000, 12_000):
        assert_as_at_once(growing, np.zeros(samples, dtype=np.int16))
    assert growing.reused == 0


@pytest.mark.parametrize("samples", [0, 1, 100])
def test_hardly_any_audio_is_no_error(samples: int):
    features = LogMel(FeatureExtractor()).of(np.zeros(samples, dtype=np.float32))
    assert features.shape[0] == 80
    assert features.shape[1] <= 1
