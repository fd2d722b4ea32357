"""Packets leave at once where there is room, and evenly where ticks are long."""

import random

import numpy as np
import pytest

from telephony.rtp.phase import SendingPhase
from voice.frames import FRAME_S


def departures(ready_s: list[float]) -> list[float]:
    """When, after its tick was due, each tick's packets leave."""
    phase = SendingPhase()
    return [ready + phase.hold_s(ready) for ready in ready_s]


def lengths(least_ms: float, most_ms: float, ticks: int = 6000) -> list[float]:
    chance = random.Random(1)
    return [chance.uniform(least_ms, most_ms) / 1000 for _ in range(ticks)]


def jitter_ms(left_s: list[float]) -> float:
    """The 99th percentile, after the first ten seconds."""
    return float(np.percentile(np.abs(np.diff(left_s[500:])), 99)) * 1000


@pytest.mark.parametrize("most_ms", [3.0, 5.0, 5.9])
def test_nobody_waits_where_ticks_are_short(most_ms: float) -> None:
    ready = lengths(1.0, most_ms)
    assert departures(ready) == ready


def test_a_few_long_ticks_make_nobody_wait() -> None:
    ready = lengths(1.0, 5.0)
    ready[::10] = [0.018] * len(ready[::10])
    assert departures(ready) == ready


@pytest.mark.parametrize(("least_ms", "most_ms"), [(7.0, 12.0), (11.0, 18.0)])
def test_packets_of_long_ticks_leave_evenly(least_ms: float, most_ms: float) -> None:
    ready = lengths(least_ms, most_ms)
    left = departures(ready)
    assert jitter_ms(ready) > 4.0
    assert jitter_ms(left) < 1.0
    assert all(leaves >= is_ready for leaves, is_ready in zip(left, ready, strict=True))


def test_a_tick_in_fifty_that_takes_half_as_long_again_is_not_heard() -> None:
    ready = lengths(8.0, 9.0)
    ready[::50] = [0.013] * len(ready[::50])
    assert jitter_ms(ready) > 4.0
    assert jitter_ms(departures(ready)) < 1.0


def test_what_is_ready_late_leaves_at_once_and_nothing_waits_for_the_next_tick() -> None:
    phase = SendingPhase()
    for ready in lengths(12.0, 30.0):
        left = ready + phase.hold_s(ready)
        assert left == ready or left < FRAME_S


def test_waiting_ends_with_the_load_and_does_not_flap() -> None:
    phase, changes = SendingPhase(), 0
    for ready in (*lengths(11.0, 17.0, 2000), *lengths(5.1, 5.9, 2000), *lengths(1.0, 4.0, 2000)):
        before = phase.holds
        phase.hold_s(ready)
        changes += phase.holds is not before
    assert changes == 2
    assert phase.hold_s(0.002) == 0.0
