"""The delay of our own voice on the line is soon found, and found again where it leaps."""

from itertools import product

import numpy as np
import pytest

from tests.fakes.echo_lines import (
    DELAYS_MS,
    PROMPTS,
    Return,
    Samples,
    explained,
    explained_each,
    frames,
    lasting,
    line,
    probabilities,
    prompts,
    say,
    share_of,
    voices,
    was_echo,
)
from voice.echo import EchoGuard
from voice.frames import FRAME_S, FRAME_SAMPLES, RATE_HZ, Pcm


def test_echo_that_appears_in_mid_call_is_known_within_a_second_of_speech():
    lines = [prompts(first, 6) for first in range(8)]
    incoming: list[Pcm] = []
    for number, ours in enumerate(lines):
        echo = Return(level_db=-12, delay_ms=DELAYS_MS[number % 4]).of(ours)
        echo[: len(echo) // 2] = 0.0  # the caller presses the speaker button
        incoming.append(line(echo, seed=number))
    shares = explained_each(list(zip(incoming, lines, strict=True)))
    for heard, share in zip(probabilities(incoming), shares, strict=True):
        found = voices(heard, share)
        known = len(heard) // 2 + round(1.5 / FRAME_S)  # half a second of it is the pause
        assert lasting([voice for voice in found if voice[0] >= known]) == 0


def test_delay_that_keeps_jumping_by_three_frames_is_no_voice():
    lines = [prompts(first, 4) for first in range(6)]
    incoming: list[Pcm] = []
    for number, ours in enumerate(lines):
        near, far = (
            Return(level_db=-12, delay_ms=delay_ms).of(ours)
            for delay_ms in (DELAYS_MS[number % 4], DELAYS_MS[number % 4] + 60)
        )
        spell = np.arange(len(ours)) // (RATE_HZ // 2)
        incoming.append(line(np.where(spell % 2 == 0, near, far), seed=number))
    shares = explained_each(list(zip(incoming, lines, strict=True)))
    mistaken = [
        lasting(voices(heard, share))
        for heard, share in zip(probabilities(incoming), shares, strict=True)
    ]
    assert sum(mistaken) <= 1


@pytest.mark.parametrize(
    ("level_db", "delay_ms"),
    # 300 ms of a line, and as much again of jitter buffers at both its ends.
    [(-6, 50), (-12, 300), (-20, 120), (-30, 200), (-12, 450), (-12, 600)],
)
def test_delay_is_known_after_a_second_of_our_speech(level_db: float, delay_ms: int):
    guard, ours = EchoGuard(), say("en-us", PROMPTS[0])
    ours = ours[: RATE_HZ // FRAME_SAMPLES * FRAME_SAMPLES]
    explained(line(Return(level_db=level_db, delay_ms=delay_ms).of(ours)), ours, guard)
    assert guard.delay_ms == pytest.approx(delay_ms, abs=20)


def test_voice_is_known_to_have_been_an_echo_whose_delay_had_leapt():
    for first, delay_ms in product(range(3), (50, 120, 200)):
        spoken = say("en-us", PROMPTS[first])
        ours = np.tile(spoken, 2)[: 2 * len(spoken) // FRAME_SAMPLES * FRAME_SAMPLES]
        incoming = line(Return(level_db=-12, delay_ms=delay_ms, jump_ms=160).of(ours))
        leap = len(ours) // 2 // FRAME_SAMPLES + 160 // 20
        assert was_echo(incoming, ours, leap), f"{delay_ms} ms"


def delayed_by_a_tick(lines: list[tuple[Pcm, Pcm]]) -> list[Samples]:
    """What is explained of each when a session asks: of the frames up to the one before."""
    return [np.concatenate(([0.0], share[:-1])) for share in explained_each(lines)]


def test_first_prompt_is_no_voice_while_its_delay_may_be_a_chance_likeness():
    lines: list[tuple[Pcm, Pcm]] = []
    for seed, (text, delay_ms) in enumerate(product(PROMPTS, (*DELAYS_MS, 250, 340))):
        ours = np.concatenate((np.zeros(1600, dtype=np.int16), say("en-us", text)))
        ours = ours[: len(ours) // FRAME_SAMPLES * FRAME_SAMPLES]
        lines.append((line(Return(level_db=-12, delay_ms=delay_ms).of(ours), seed=seed), ours))
    heard = probabilities([incoming for incoming, _ in lines])
    shares = delayed_by_a_tick(lines)
    found = [voices(*each) for each in zip(heard, shares, strict=True)]
    assert sum(map(len, found)) <= 1


def test_leap_that_nobody_tells_of_is_known_within_a_fraction_of_a_second():
    lines: list[tuple[Pcm, Pcm]] = []
    for number, (delay_ms, jump_ms) in enumerate(product((120, 200, 300), (200, 100, 60, -100))):
        for first in range(3):
            ours = prompts(number + first, 4)
            way = Return(level_db=-12, delay_ms=delay_ms, jump_ms=jump_ms)
            lines.append((line(way.of(ours), seed=number), ours))
    heard = probabilities([incoming for incoming, _ in lines])
    taken_for_voice = [
        sum(end - begin for begin, end in voices(*each))
        for each in zip(heard, delayed_by_a_tick(lines), strict=True)
    ]
    assert np.mean(taken_for_voice) * FRAME_S <= 0.2


@pytest.mark.parametrize("told", [False, True])
def test_leap_of_the_delay_is_no_voice_where_the_guard_is_told_of_it(told: bool):
    found: list[int] = []
    lines: list[tuple[Pcm, Pcm, int]] = []
    for first, (delay_ms, jump_ms) in product(range(4), ((50, 200), (120, 100), (300, -160))):
        ours = np.tile(say("en-us", PROMPTS[first]), 4)
        ours = ours[: len(ours) // FRAME_SAMPLES * FRAME_SAMPLES]
        way = Return(level_db=-12, delay_ms=delay_ms, jump_ms=jump_ms)
        lines.append((line(way.of(ours), seed=first), ours, jump_ms))
    heard = probabilities([incoming for incoming, _, _ in lines])
    for (incoming, ours, jump_ms), probability in zip(lines, heard, strict=True):
        guard, share = EchoGuard(), [0.0]
        leap = len(ours) // 2 // FRAME_SAMPLES
        for tick, pair in enumerate(zip(frames(incoming), frames(ours), strict=True)):
            if told and tick == leap:
                guard.slip(jump_ms * RATE_HZ // 1000)
            share.append(share_of(guard, *pair))
        found.append(len(voices(probability, np.array(share[:-1]))))
    assert (sum(found) == 0) is told


def test_a_line_without_echo_has_no_delay():
    guard, ours = EchoGuard(), prompts(0, 3)
    explained(line(np.zeros(len(ours))), ours, guard)
    assert guard.delay_ms is None
