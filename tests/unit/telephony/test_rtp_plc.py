from itertools import pairwise

import numpy as np
import pytest

from telephony.rtp.plc import Concealer, pitch_lag
from voice.frames import FRAME_SAMPLES, Pcm, silence


def voice(hertz: float, frames: int) -> Pcm:
    """A steady vowel: eight harmonics of one pitch."""
    times = np.arange(frames * FRAME_SAMPLES) / 8000
    harmonics = [n for n in range(1, 9) if n * hertz < 3600]
    waves = [3000 / n * np.sin(2 * np.pi * hertz * n * times + n) for n in harmonics]
    return np.sum(waves, axis=0).astype(np.int16)


def frame(pcm: Pcm, index: int) -> Pcm:
    return pcm[index * FRAME_SAMPLES : (index + 1) * FRAME_SAMPLES]


def play(pcm: Pcm, lost: set[int]) -> list[Pcm]:
    concealer = Concealer()
    return [
        concealer.conceal() if index in lost else concealer.receive(frame(pcm, index))
        for index in range(pcm.size // FRAME_SAMPLES)
    ]


def loudness(pcm: Pcm) -> float:
    return float(np.sqrt(np.mean(pcm.astype(float) ** 2)))


def steps(pcm: Pcm) -> int:
    return int(np.abs(np.diff(pcm.astype(np.int32))).max())


def test_frames_that_arrive_pass_unchanged() -> None:
    pcm = voice(120, 10)
    assert np.array_equal(np.concatenate(play(pcm, set())), pcm)


@pytest.mark.parametrize("hertz", [80, 110, 150, 200])
def test_one_lost_frame_of_a_vowel_is_hardly_different(hertz: float) -> None:
    pcm = voice(hertz, 12)
    concealed, original = play(pcm, {8})[8], frame(pcm, 8)
    assert loudness((concealed - original).astype(np.int16)) < 0.3 * loudness(original)


def test_a_gap_fades_out_within_sixty_ms() -> None:
    frames = play(voice(120, 16), {8, 9, 10, 11, 12})
    levels = [loudness(frames[index]) for index in range(7, 13)]
    assert all(later < earlier for earlier, later in pairwise(levels[:4]))
    assert levels[1] > 0.7 * levels[0]
    assert levels[4] == levels[5] == 0


@pytest.mark.parametrize("hertz", [80, 110, 131, 150, 200, 333])
@pytest.mark.parametrize("lost", [1, 2, 3, 4, 7])
def test_gaps_and_returns_do_not_click(hertz: float, lost: int) -> None:
    pcm = voice(hertz, 20)
    output = np.concatenate(play(pcm, set(range(8, 8 + lost))))
    assert steps(output) <= 1.1 * steps(pcm)


def test_noise_does_not_click_either() -> None:
    noise = np.random.default_rng(1).normal(0, 2000, 20 * FRAME_SAMPLES).astype(np.int16)
    assert steps(np.concatenate(play(noise, {8, 12, 13}))) <= 1.1 * steps(noise)


@pytest.mark.parametrize("seed", range(6))
def test_sound_without_a_pitch_is_joined_smoothly(seed: int) -> None:
    """Slow random movement: any cycle repeated of it begins elsewhere than it ends."""
    noise = np.random.default_rng(seed).normal(0, 1, 20 * FRAME_SAMPLES + 39)
    slow = np.convolve(noise, np.hanning(40), "valid")
    pcm = (slow / np.abs(slow).max() * 12_000).astype(np.int16)
    assert steps(np.concatenate(play(pcm, {8, 9, 10}))) <= 1.1 * steps(pcm)


def test_full_scale_does_not_wrap_around() -> None:
    square = np.where(voice(120, 12) >= 0, 32767, -32768).astype(np.int16)
    output = np.concatenate(play(square, {8, 9}))
    assert output.max() == 32767
    assert output.min() == -32768


def test_silence_is_concealed_by_silence() -> None:
    concealer = Concealer()
    for _ in range(3):
        concealer.receive(silence())
    assert not concealer.conceal().any()


def test_a_loss_before_anything_was_heard_is_silent() -> None:
    assert not Concealer().conceal().any()


def test_speech_is_whole_again_ten_ms_after_a_gap() -> None:
    pcm = voice(120, 14)
    back = play(pcm, {8, 9})[10]
    assert np.array_equal(back[80:], frame(pcm, 10)[80:])


def test_concealed_frames_are_frames() -> None:
    for output in play(voice(120, 14), {8, 9, 10, 11, 12}):
        assert output.shape == (FRAME_SAMPLES,)
        assert output.dtype == np.int16


def test_frames_passed_in_are_not_written_to() -> None:
    pcm = voice(120, 14)
    pcm.setflags(write=False)
    play(pcm, {3, 8, 9})


@pytest.mark.parametrize("lag", [40, 57, 80, 120])
def test_the_pitch_of_a_vowel_is_found(lag: int) -> None:
    found = pitch_lag(voice(8000 / lag, 3).astype(np.float32))
    assert found % lag in (0, 1, lag - 1)
