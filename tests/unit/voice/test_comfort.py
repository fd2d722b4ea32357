"""Comfort noise: soft, even, without a seam, and cheap."""

import numpy as np
import pytest

from voice.codec import Codec, decode, encode
from voice.comfort import LEVEL_DBFS, ComfortNoise
from voice.frames import FRAME_SAMPLES, Pcm


def heard(noise: ComfortNoise, frames: int) -> Pcm:
    return np.concatenate([noise.pop() for _ in range(frames)])


def dbfs(pcm: Pcm) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(pcm.astype(float) ** 2)) / 32768))


def test_noise_has_its_level_and_no_frame_stands_out():
    noise = ComfortNoise()
    assert dbfs(heard(noise, 200)) == pytest.approx(LEVEL_DBFS, abs=0.3)
    levels = [dbfs(noise.pop()) for _ in range(400)]
    assert max(levels) < LEVEL_DBFS + 6
    assert min(levels) > LEVEL_DBFS - 6


def test_another_level_is_kept_too():
    assert dbfs(heard(ComfortNoise(level_dbfs=-50.0), 200)) == pytest.approx(-50.0, abs=0.1)


@pytest.mark.parametrize("codec", list(Codec))
def test_noise_survives_the_codec(codec: Codec):
    pcm = heard(ComfortNoise(), 50)
    sent = decode(codec, encode(codec, pcm))
    assert len(set(sent.tolist())) > 4
    assert dbfs(sent) == pytest.approx(dbfs(pcm), abs=2.0)


def test_the_same_seed_gives_the_same_noise_and_another_seed_another():
    first, again, other = (heard(ComfortNoise(seed=seed), 20) for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_calls_that_start_apart_hear_the_same_loop_apart():
    late, early = ComfortNoise(start_frame=5), ComfortNoise()
    heard(early, 5)
    assert np.array_equal(heard(late, 300), heard(early, 300))


def test_noise_goes_on_across_the_end_of_the_loop_without_a_step():
    steps = np.abs(np.diff(heard(ComfortNoise(), 450).astype(int)))
    seam = steps[200 * FRAME_SAMPLES - 1]
    assert seam <= np.max(steps[: 190 * FRAME_SAMPLES])


def test_noise_falls_towards_high_frequencies_and_stays_in_the_telephone_band():
    power = np.abs(np.fft.rfft(heard(ComfortNoise(), 200))) ** 2
    hertz = np.fft.rfftfreq(200 * FRAME_SAMPLES, 1 / 8000)

    def band(low: float, high: float) -> float:
        return float(np.mean(power[(hertz >= low) & (hertz < high)]))

    assert band(200, 400) > 3 * band(800, 1600) > 9 * band(3450, 4000)
    assert band(0, 140) < band(200, 400) / 100


def test_frames_are_views_that_nobody_can_spoil():
    frame = ComfortNoise().pop()
    assert frame.shape == (FRAME_SAMPLES,)
    assert frame.base is not None
    with pytest.raises(ValueError, match="read-only"):
        frame[0] = 1


def test_a_level_that_would_be_heard_as_hiss_is_refused():
    with pytest.raises(ValueError, match="-30"):
        ComfortNoise(level_dbfs=-20.0)
    with pytest.raises(ValueError, match="-30"):
        ComfortNoise(level_dbfs=float("nan"))
