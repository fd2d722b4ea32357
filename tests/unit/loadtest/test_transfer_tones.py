"""The tones by which the ends of a transfer know each other."""

import asyncio

import numpy as np
import pytest

from loadtest import g711
from loadtest.pcm import FRAME_SAMPLES, RATE_HZ, SILENCE, Pcm
from loadtest.speech import VoiceSettings, render
from loadtest.transfer.hearing import ToneEar
from loadtest.transfer.tones import AGENT_HZ, CALLER_HZ, is_tone, onset, tone


def over_the_line(pcm: Pcm) -> Pcm:
    return g711.decode(g711.encode(pcm, "PCMU"), "PCMU")


@pytest.mark.parametrize("hz", [CALLER_HZ, AGENT_HZ])
def test_tone_is_known_after_g711_and_the_other_one_is_not(hz: float):
    other = AGENT_HZ if hz == CALLER_HZ else CALLER_HZ
    heard = over_the_line(tone(hz, 7, 2 * FRAME_SAMPLES))
    assert is_tone(heard, hz)
    assert not is_tone(heard, other)


def test_pieces_of_a_tone_join_without_a_click():
    pieces = np.concatenate([tone(CALLER_HZ, 0), tone(CALLER_HZ, FRAME_SAMPLES)])
    assert np.array_equal(pieces, tone(CALLER_HZ, 0, 2 * FRAME_SAMPLES))


@pytest.mark.parametrize("hz", [CALLER_HZ, AGENT_HZ])
def test_nothing_that_is_said_is_taken_for_a_tone(hz: float):
    said = render("I'll put you through to a colleague. Sissy sees six seas.", VoiceSettings())
    assert onset(said, hz) is None


def test_keys_and_silence_are_no_tone():
    at = np.arange(2 * FRAME_SAMPLES)
    key = sum(4_000 * np.sin(2 * np.pi * hz * at / RATE_HZ) for hz in (941, 1336))
    assert not is_tone(np.asarray(key, dtype=np.int16), CALLER_HZ)
    assert not is_tone(SILENCE, AGENT_HZ)


@pytest.mark.parametrize("at", [0, 800, 1_234])
def test_onset_is_found_to_five_milliseconds(at: int):
    rng = np.random.default_rng(1)
    heard = rng.normal(0, 30, 4_000).astype(np.int16)
    heard[at:] += tone(AGENT_HZ, 0, 4_000 - at)
    found = onset(heard, AGENT_HZ)
    assert found is not None
    # A window that is nearly all tone passes for one.
    assert at - 0.2 * 2 * FRAME_SAMPLES - 40 <= found <= at + 40


async def test_ear_takes_a_click_for_no_tone_and_notices_its_end():
    ear = ToneEar(CALLER_HZ)
    ear.receive(tone(CALLER_HZ, 0))
    ear.receive(SILENCE)
    assert not ear.hears
    waiting = asyncio.create_task(ear.until(True, timeout_s=5))
    for number in range(2):
        ear.receive(tone(CALLER_HZ, number * FRAME_SAMPLES))
    await waiting
    assert ear.hears
    for _ in range(2):
        ear.receive(SILENCE)
    await ear.until(False, timeout_s=5)


async def test_waiting_for_a_tone_that_never_comes_ends_in_time():
    with pytest.raises(TimeoutError):
        await ToneEar(CALLER_HZ).until(True, timeout_s=0.01)
