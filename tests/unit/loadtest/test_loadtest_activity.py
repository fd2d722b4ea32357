"""Who speaks when, from energy."""

import numpy as np
import pytest

from loadtest.activity import Activity, ActivityEvent, SpeechStarted, SpeechStopped, sounding_span
from loadtest.pcm import Pcm, frames_of
from loadtest.speech import VoiceSettings, render


def tone(duration_s: float, level: int = 6_000) -> Pcm:
    n = round(duration_s * 8_000)
    return (level * np.sin(np.arange(n) * 0.5)).astype(np.int16)


def quiet(duration_s: float, noise: float = 0.0, seed: int = 0) -> Pcm:
    random = np.random.default_rng(seed)
    return random.normal(0, noise, round(duration_s * 8_000)).astype(np.int16)


def listen(*parts: Pcm, quiet_s: float = 0.45) -> list[ActivityEvent]:
    activity = Activity(quiet_s=quiet_s)
    return [e for frame in frames_of(np.concatenate(parts)) for e in activity.receive(frame)]


def test_speech_starts_and_stops_where_its_sound_does() -> None:
    events = listen(quiet(0.5), tone(1.0), quiet(1.0))
    assert events == [SpeechStarted(at=4_000), SpeechStopped(at=12_000)]


def test_positions_count_from_the_origin() -> None:
    activity = Activity(quiet_s=0.2, origin=-480)
    assert activity.receive(tone(0.06)) == [SpeechStarted(at=-480)]


def test_short_pause_does_not_end_a_prompt() -> None:
    assert len(listen(tone(0.5), quiet(0.4), tone(0.5), quiet(1.0))) == 2


def test_prompt_ends_as_soon_as_it_was_quiet_for_long_enough() -> None:
    activity = Activity(quiet_s=0.45)
    activity.receive(tone(0.5))
    assert activity.receive(quiet(0.44)) == []
    assert activity.receive(quiet(0.01)) == [SpeechStopped(at=4_000)]


def test_click_is_not_speech() -> None:
    assert listen(quiet(0.5), tone(0.02), quiet(1.0)) == []


@pytest.mark.parametrize("noise", [30.0, 100.0])
def test_steady_line_noise_is_not_speech(noise: float) -> None:
    assert listen(quiet(4.0, noise))[2:] == []


def test_speech_is_found_over_line_noise() -> None:
    noisy = quiet(4.0, 60.0)
    noisy[16_000:24_000] += tone(1.0, 3_000)
    events = listen(noisy)
    assert events[-2:] == [SpeechStarted(at=16_000), SpeechStopped(at=24_000)]


@pytest.mark.parametrize("gain", [1.0, 0.1])
def test_built_in_voices_sentences_are_one_prompt(gain: float) -> None:
    pcm = render("Thank you for calling Oakline. Goodbye. How can I help you?", VoiceSettings())
    events = listen(quiet(0.3), (pcm * gain).astype(np.int16), quiet(1.0))
    assert [type(event) for event in events] == [SpeechStarted, SpeechStopped]


def test_sounding_span_leaves_the_silence_out() -> None:
    assert sounding_span(np.concatenate([quiet(0.1), tone(0.2), quiet(0.3)])) == (800, 2_400)
    assert sounding_span(quiet(0.5)) == (0, 0)
