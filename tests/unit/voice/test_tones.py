"""In-band keys by the rules of ITU-T Q.24, and none in speech."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.espeak import EspeakVoice
from voice.codec import Codec, decode, encode
from voice.frames import FRAME_SAMPLES, RATE_HZ, Pcm
from voice.tones import ToneDetector

LOW = dict(zip("123A456B789C*0#D", np.repeat([697, 770, 852, 941], 4).tolist(), strict=True))
HIGH = dict(zip("123A456B789C*0#D", [1209, 1336, 1477, 1633] * 4, strict=True))
KEYS = "0123456789*#ABCD"


def press(
    key: str,
    seconds: float = 0.05,
    *,
    dbfs: float = -12.0,
    twist_db: float = 0.0,
    off: float = 0.0,
) -> NDArray[np.float64]:
    """A key's tones; `dbfs` is the level of the stronger, `twist_db` is high over low."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    low_db, high_db = dbfs + min(0.0, -twist_db), dbfs + min(0.0, twist_db)
    amplitude = 32768 * np.sqrt(2)
    low = np.sin(2 * np.pi * LOW[key] * (1 + off) * time_s)
    high = np.sin(2 * np.pi * HIGH[key] * (1 + off) * time_s + 1.0)
    return amplitude * (low * 10 ** (low_db / 20) + high * 10 ** (high_db / 20))


def quiet(seconds: float = 0.05) -> NDArray[np.float64]:
    return np.zeros(round(seconds * RATE_HZ))


def keyed(keys: str, *, on_s: float = 0.05, off_s: float = 0.05, lead: int = 0) -> Pcm:
    parts = [np.zeros(lead)]
    for key in keys:
        parts += [press(key, on_s), quiet(off_s)]
    return as_pcm(np.concatenate([*parts, quiet(0.1)]))


def as_pcm(samples: NDArray[np.float64]) -> Pcm:
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)


def noisy(pcm: Pcm, snr_db: float, seed: int) -> Pcm:
    """White noise, so far below the tones of `keyed`."""
    level = np.sqrt(np.mean(press("1") ** 2)) * 10 ** (-snr_db / 20)
    return as_pcm(pcm + level * np.random.default_rng(seed).standard_normal(len(pcm)))


def heard(pcm: Pcm) -> str:
    detector = ToneDetector()
    ends = range(FRAME_SAMPLES, len(pcm) + 1, FRAME_SAMPLES)
    return "".join(detector.receive(pcm[at - FRAME_SAMPLES : at]) or "" for at in ends)


@pytest.mark.parametrize("lead", range(0, 160, 20))
def test_all_sixteen_keys_are_heard_once_wherever_they_fall_in_the_frame(lead: int):
    assert heard(keyed(KEYS, lead=lead)) == KEYS


@pytest.mark.parametrize("lead", range(0, 160, 20))
def test_keys_of_forty_milliseconds_are_heard(lead: int):
    assert heard(keyed(KEYS, on_s=0.04, off_s=0.04, lead=lead)) == KEYS


@pytest.mark.parametrize("lead", range(0, 160, 20))
def test_bursts_of_23_milliseconds_are_no_keys(lead: int):
    assert heard(keyed(KEYS, on_s=0.023, lead=lead)) == ""


def test_all_keys_are_heard_in_noise_8_db_below_them():
    wanted = KEYS * 10
    for seed in range(3):
        assert heard(noisy(keyed(wanted, lead=37 * seed), 8.0, seed)) == wanted


@pytest.mark.parametrize("codec", list(Codec))
def test_keys_survive_the_codec(codec: Codec):
    assert heard(decode(codec, encode(codec, keyed(KEYS)))) == KEYS


@pytest.mark.parametrize("off", [-0.015, 0.015])
def test_frequencies_off_by_one_and_a_half_percent_are_keys(off: float):
    for key in KEYS:
        assert heard(as_pcm(np.concatenate((press(key, 0.05, off=off), quiet())))) == key


@pytest.mark.parametrize("off", [-0.035, 0.035])
def test_frequencies_off_by_three_and_a_half_percent_are_none(off: float):
    for key in KEYS:
        assert heard(as_pcm(np.concatenate((press(key, 0.1, off=off), quiet())))) == ""


@pytest.mark.parametrize(
    ("dbfs", "twist_db"),
    [(-30.0, 0.0), (-26.0, 4.0), (-22.0, -8.0), (-12.0, -8.0), (-12.0, 4.0), (-9.1, 0.0)],
)
def test_levels_and_twists_of_the_network_are_accepted(dbfs: float, twist_db: float):
    for key in KEYS:
        pcm = as_pcm(np.concatenate((press(key, dbfs=dbfs, twist_db=twist_db), quiet())))
        assert heard(pcm) == key


@pytest.mark.parametrize("twist_db", [-13.0, 9.0])
def test_one_tone_far_above_the_other_is_no_key(twist_db: float):
    for key in KEYS:
        pcm = as_pcm(np.concatenate((press(key, 0.1, dbfs=-8.0, twist_db=twist_db), quiet())))
        assert heard(pcm) == ""


def test_tones_too_soft_to_be_meant_are_no_keys():
    assert heard(as_pcm(np.concatenate((press("5", 0.2, dbfs=-40.0), quiet())))) == ""


def test_long_press_is_one_key_even_with_a_drop_out():
    long = press("7", 2.0)
    long[8000:8080] = 0.0
    assert heard(as_pcm(np.concatenate((long, quiet())))) == "7"


def test_the_same_key_twice_is_two_keys():
    assert heard(keyed("5500")) == "5500"


def test_key_is_reported_within_sixty_milliseconds_of_its_start():
    detector = ToneDetector()
    pcm = as_pcm(np.concatenate((quiet(0.1), press("9", 0.2))))
    found = [
        at + FRAME_SAMPLES
        for at in range(0, len(pcm), FRAME_SAMPLES)
        if detector.receive(pcm[at : at + FRAME_SAMPLES])
    ]
    assert len(found) == 1
    assert 0.04 <= found[0] / RATE_HZ - 0.1 <= 0.06


def test_reset_forgets_half_a_press():
    pcm, detector = keyed("4", on_s=0.04), ToneDetector()
    assert detector.receive(pcm[:FRAME_SAMPLES]) is None
    detector.reset()
    rest = range(FRAME_SAMPLES, len(pcm) - FRAME_SAMPLES, FRAME_SAMPLES)
    assert [detector.receive(pcm[at : at + FRAME_SAMPLES]) for at in rest] == [None] * len(rest)


def test_tone_with_harmonics_of_a_voice_is_no_key():
    time_s = np.arange(1600) / RATE_HZ
    voice = press("1", 0.2) + 6000 * np.sin(2 * np.pi * 1394 * time_s)
    assert heard(as_pcm(np.concatenate((voice, quiet())))) == ""


@given(
    st.text(alphabet=KEYS, min_size=1, max_size=6),
    st.integers(0, 159),
    st.floats(0.04, 0.3),
    st.floats(0.04, 0.3),
    st.floats(-0.015, 0.015),
    st.floats(-8.0, 4.0),
    st.floats(-22.0, -10.0),
)
# The double of this low tone falls beside the high tone.
@example(keys="2", lead=6, on_s=0.047, off_s=0.25, off=0.0117, twist_db=4.0, dbfs=-10.0)
@settings(max_examples=60, deadline=None)
def test_any_keys_that_the_recommendation_admits_are_heard(
    keys: str, lead: int, on_s: float, off_s: float, off: float, twist_db: float, dbfs: float
):
    parts: list[NDArray[np.float64]] = [np.zeros(lead)]
    for key in keys:
        parts += [press(key, on_s, dbfs=dbfs, twist_db=twist_db, off=off), quiet(off_s)]
    assert heard(as_pcm(np.concatenate([*parts, quiet(0.1)]))) == keys


SENTENCES = (
    "Good morning, I would like to know where my order is, please.",
    "The number is four four seven nine, double one, eight, three, oh, two.",
    "No, I said the sixteenth of November, not the sixtieth. Can you hear me now?",
    "You owe me a new blue shoe, and the moon rose over the loose stones.",
    "We were away a year ago, while Lily wailed in Mallorca, only yelling.",
    "He sees three bees, eats peas, leaves, and sneezes repeatedly in the evening.",
    "Ah, ooh, eee, oh, mm-hm, aha, uh-huh, la la la, do re mi fa so la ti do.",
    "My address is twenty-three Whistling Mill Lane, Upper Wheelwright, flat seventeen.",
)
VOICES = (
    "en-us", "en-gb", "en-us+f1", "en-us+f2", "en-us+f3", "en-us+f4", "en-us+f5", "en-us+m1",
    "en-us+m3", "en-us+m5", "en-us+m7", "en-gb+f2", "en-gb+m4", "en-us+whisper", "en-us+croak",
    "en-us+klatt2",
)  # fmt: skip


def test_no_key_is_heard_in_ten_minutes_of_speech():
    total_s, false = 0.0, ""
    for index, voice in enumerate(VOICES):
        speaker = EspeakVoice(voice, rate_wpm=130 + 8 * (index % 8), pitch=30 + 5 * (index % 10))
        pcm = np.concatenate([speaker.render(text).pcm for text in SENTENCES])
        total_s += len(pcm) / RATE_HZ
        false += heard(pcm)
    assert total_s > 480
    assert false == ""
