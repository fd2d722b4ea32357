"""A machine that answered is told from a person by how long it talks, and by its beep."""

import numpy as np
import pytest

from models.espeak import EspeakVoice
from telephony.answering_machine import AnsweringMachine
from voice.frames import FRAME_S, FRAME_SAMPLES, RATE_HZ, Pcm

GREETING = (
    "You have reached the mailbox of extension two zero one. Nobody can take your call right now."
    " Please leave your name and your number after the tone, and we will call you back."
)
HELLO = "Good morning, Oakline returns department, Kim Osei speaking, how can I help you?"
BRIEF = "A caller wants to change the address on an order. They are verified. Press 1 to take it."
VOICES = [EspeakVoice(name, rate_wpm=150) for name in ("en-gb+m3", "en-us+f2", "en-gb+f4")]


def pause(seconds: float) -> Pcm:
    return np.zeros(round(seconds * RATE_HZ), dtype=np.int16)


def tone(seconds: float, *hertz: float, level: float = 6_000.0) -> Pcm:
    at = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return sum((level * np.sin(2 * np.pi * each * at) for each in hertz), np.zeros(len(at))).astype(
        np.int16
    )


def noise(seconds: float, level: float) -> Pcm:
    made = np.random.default_rng(5).normal(0.0, level, round(seconds * RATE_HZ))
    return made.astype(np.int16)


def machine_at_s(heard: Pcm, sent: Pcm | None = None) -> float | None:
    """When it is told to be a machine; None: never."""
    ours = np.zeros_like(heard) if sent is None else np.resize(sent, heard.shape)
    machine = AnsweringMachine()
    for start in range(0, len(heard) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        here = slice(start, start + FRAME_SAMPLES)
        if machine.receive(heard[here], ours[here]):
            return start / RATE_HZ + FRAME_S
    return None


@pytest.mark.parametrize("voice", VOICES)
def test_greeting_that_talks_on_is_a_machine(voice: EspeakVoice):
    found_s = machine_at_s(np.concatenate([pause(0.5), voice.render(GREETING).pcm, pause(2.0)]))
    assert found_s is not None
    assert found_s < 8.5


@pytest.mark.parametrize("beep_hz", [440.0, 1000.0, 1400.0, 2000.0])
def test_short_greeting_with_a_beep_is_a_machine(beep_hz: float):
    spoken = VOICES[0].render("Please leave a message.").pcm
    heard = np.concatenate([spoken, pause(0.4), tone(0.4, beep_hz), pause(2.0)])
    found_s = machine_at_s(heard)
    assert found_s is not None
    assert found_s == pytest.approx(len(spoken) / RATE_HZ + 0.4 + 0.24, abs=0.1)


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("text", [HELLO, "Hello?", "Kim Osei.", "Yes? Who is it?"])
def test_person_who_answers_and_listens_is_none(voice: EspeakVoice, text: str):
    heard = np.concatenate([voice.render(text).pcm, pause(8.0), voice.render("Hm.").pcm])
    assert machine_at_s(heard) is None


def test_our_brief_coming_back_from_a_loudspeaker_is_no_greeting():
    brief = np.concatenate([VOICES[1].render(BRIEF + BRIEF).pcm])
    late = np.concatenate([pause(0.1), (brief * 0.25).astype(np.int16)])[: len(brief)]
    assert machine_at_s(late, brief) is None


def test_greeting_is_heard_over_our_brief():
    greeting = np.concatenate([VOICES[0].render(GREETING).pcm])
    assert machine_at_s(greeting, VOICES[1].render(BRIEF).pcm) is not None


@pytest.mark.parametrize(
    "heard",
    [
        noise(20.0, 60.0),  # the line's own
        tone(3.0, 425.0),  # a tone without anybody talking before
        np.concatenate([tone(0.2, 697.0, 1209.0), pause(3.0)] * 3),  # keys
    ],
)
def test_noise_tones_and_keys_alone_are_no_machine(heard: Pcm):
    assert machine_at_s(heard) is None


def test_key_pressed_by_somebody_who_talked_is_no_beep():
    heard = np.concatenate([VOICES[0].render(HELLO).pcm, pause(0.3), tone(0.4, 697.0, 1209.0)])
    assert machine_at_s(np.concatenate([heard, pause(2.0)])) is None
