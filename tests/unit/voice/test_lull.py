"""The quiet after a voice, told from its level."""

import numpy as np
import pytest

from voice.frames import FRAME_S
from voice.lull import Lull


def power(dbfs: float) -> float:
    return 32_768.0**2 * 10 ** (dbfs / 10)


def noise(dbfs: float, frames: int, *, seed: int = 0) -> list[float]:
    """Steady noise, whose single frames stray by about 1 dB."""
    strays = np.random.default_rng(seed).normal(0.0, 1.0, frames).clip(-2.0, 2.0)
    return [power(dbfs + stray) for stray in strays]


def fallen_after(lull: Lull, powers: list[float]) -> int | None:
    """How many of these frames, all taken for voice, it takes to be sure that it is over."""
    for at, each in enumerate(powers, start=1):
        if lull.receive(each, voiced=True):
            return at
    return None


def spoken(lull: Lull, dbfs: float = -15.0) -> Lull:
    for _ in range(25):
        assert not lull.receive(power(dbfs), voiced=True)
    return lull


@pytest.mark.parametrize("voice_dbfs", [-15.0, -24.0])
def test_voice_that_fell_silent_is_over_after_sixty_milliseconds(voice_dbfs: float):
    assert fallen_after(spoken(Lull(), voice_dbfs), [power(-80)] * 9) == 3


def test_closure_inside_a_word_is_no_end():
    lull = spoken(Lull())
    assert fallen_after(lull, [power(-80)] * 2) is None
    assert fallen_after(lull, [power(-30)] + [power(-80)] * 2) is None


def test_soft_consonant_is_no_end():
    assert fallen_after(spoken(Lull()), [power(-15 - 25)] * 9) is None


def test_noise_far_below_the_voice_is_an_end():
    lull = Lull()
    for each in noise(-42.0, 100):
        lull.receive(each, voiced=False)
    assert (fallen_after(spoken(lull), noise(-42.0, 12, seed=1)) or 99) <= 6


def in_a_room(dbfs: float) -> Lull:
    lull = Lull()
    for each in noise(dbfs, 200):
        lull.receive(each, voiced=False)
    return spoken(lull)


def test_in_a_loud_room_a_voice_is_over_when_a_tenth_of_a_second_was_no_louder_than_the_room():
    ends = [fallen_after(in_a_room(-32.0), noise(-32.0, 40, seed=seed)) or 99 for seed in range(20)]
    assert min(ends) >= 5
    assert np.median(ends) <= 8


def test_in_a_loud_room_what_is_a_little_louder_than_the_room_is_no_end():
    softly = noise(-28.0, 20, seed=1)
    assert fallen_after(in_a_room(-32.0), softly) is None
    closure = [*noise(-32.0, 4, seed=2), power(-26.0), *noise(-32.0, 3, seed=3)]
    assert fallen_after(in_a_room(-32.0), closure) is None


def test_in_a_room_as_loud_as_the_voice_the_detector_has_the_last_word():
    assert fallen_after(in_a_room(-27.0), noise(-27.0, 40, seed=1)) is None


def test_quiet_begins_with_the_last_sound_even_in_a_loud_room():
    lull = Lull()
    for each in noise(-30.0, 200):
        lull.receive(each, voiced=False)
    spoken(lull)
    for each in noise(-30.0, 10, seed=1):
        lull.receive(each, voiced=True)
    assert lull.quiet_s == pytest.approx(10 * FRAME_S)


def test_what_the_detector_knows_to_be_silence_is_quiet():
    lull = spoken(Lull())
    for _ in range(5):
        lull.pass_silence()
    assert lull.quiet_s == pytest.approx(5 * FRAME_S)
    assert fallen_after(lull, [power(-20)] * 9) is None, "the next voice is heard at once"


def test_somebody_softer_than_the_voice_before_is_heard_once_that_is_past():
    lull = spoken(Lull())
    for _ in range(100):
        lull.receive(power(-70), voiced=False)
    assert fallen_after(lull, [power(-40)] * 9) is None
