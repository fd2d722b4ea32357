"""Our log-mel features are faster-whisper's."""

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

from models.features import LogMel


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


@pytest.mark.parametrize("samples", [0, 1, 100])
def test_hardly_any_audio_is_no_error(samples: int):
    features = LogMel(FeatureExtractor()).of(np.zeros(samples, dtype=np.float32))
    assert features.shape[0] == 80
    assert features.shape[1] <= 1
