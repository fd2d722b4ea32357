"""What is shed when the machine is full, in which order, and when it comes back."""

from itertools import pairwise

import pytest

from server.headroom import Headroom, Marks, Step

BUSY = {"tick_late_s": 0.030, "recognition_wait_s": 0.05}
BETWEEN = {"tick_late_s": 0.012, "recognition_wait_s": 0.05}
IDLE = {"tick_late_s": 0.001, "recognition_wait_s": 0.0}


def after(headroom: Headroom, signals: dict[str, float], since_s: float, for_s: float) -> float:
    """Observe `signals` ten times a second; the time afterwards."""
    for n in range(round(for_s * 10) + 1):
        headroom.observe(signals, since_s + n / 10)
    return since_s + for_s + 0.1


def test_steps_are_taken_one_by_one_in_order():
    headroom, seen = Headroom(), [Step.NORMAL]
    for n in range(300):
        step = headroom.observe(BUSY, n / 10)
        if step is not seen[-1]:
            seen.append(step)
    assert seen == list(Step)


def test_each_step_is_given_time_to_show_its_effect_before_the_next():
    headroom, taken_at_s = Headroom(), [0.0]
    for n in range(300):
        before = headroom.step
        if headroom.observe(BUSY, n / 10) is not before:
            taken_at_s.append(n / 10)
    waits_s = [round(b - a, 6) for a, b in pairwise(taken_at_s)]
    assert waits_s == [1.0, 6.0, 6.0, 6.0]


def test_first_step_is_taken_within_two_seconds():
    headroom = Headroom()
    after(headroom, BUSY, 0.0, 1.5)
    assert headroom.step is Step.NO_GUESSING
    assert headroom.cause == "tick_late_s"


def test_one_late_moment_sheds_nothing():
    headroom = Headroom()
    headroom.observe(BUSY, 0.0)
    now_s = after(headroom, IDLE, 0.1, 1.0)
    headroom.observe(BUSY, now_s)
    assert headroom.step is Step.NORMAL


def test_new_calls_are_refused_before_anything_is_shed():
    headroom = Headroom()
    headroom.observe(BUSY, 0.0)
    assert headroom.step is Step.NORMAL
    assert not headroom.admits


def test_calls_are_welcome_again_once_everything_is_back():
    headroom = Headroom()
    now_s = after(headroom, BUSY, 0.0, 1.5)
    now_s = after(headroom, IDLE, now_s, 5.0)
    assert not headroom.admits
    after(headroom, IDLE, now_s, 10.0)
    assert headroom.admits
    assert headroom.cause is None


def test_load_between_the_marks_changes_nothing():
    headroom = Headroom()
    now_s = after(headroom, BUSY, 0.0, 1.5)
    after(headroom, BETWEEN, now_s, 300.0)
    assert headroom.step is Step.NO_GUESSING


def test_load_that_goes_up_and_down_every_second_does_not_flap():
    headroom, steps = Headroom(), [Step.NORMAL]
    for second in range(120):
        after(headroom, BUSY if second % 2 else IDLE, float(second), 0.8)
        steps.append(headroom.step)
    assert steps == sorted(steps)


def test_signal_that_nobody_reports_says_nothing():
    headroom = Headroom()
    after(headroom, {"tick_late_s": 0.0}, 0.0, 20.0)
    assert headroom.admits


def test_signal_that_has_no_marks_says_nothing():
    headroom = Headroom()
    after(headroom, {"weather": 1e9}, 0.0, 20.0)
    assert headroom.admits


def observed(**signals: float) -> Headroom:
    headroom = Headroom()
    headroom.observe(signals, 0.0)
    return headroom


def test_room_is_that_of_the_signal_that_has_least():
    assert observed(tick_late_s=0.0, recognition_wait_s=0.0).room == 1
    assert observed(tick_late_s=0.0, recognition_wait_s=0.1).room == pytest.approx(0.5)
    assert observed(tick_late_s=0.008, recognition_wait_s=0.1).room == 0
    assert observed().room == 1


def test_so_many_calls_are_too_many_before_anything_is_shed():
    headroom = Headroom()
    after(headroom, {"tick_late_s": 0.001, "recognition_wait_s": 0.35}, 0.0, 60.0)
    assert headroom.full
    assert headroom.step is Step.NORMAL
    assert not observed(recognition_wait_s=0.25).full


@pytest.mark.parametrize(("high", "low"), [(1.0, 1.0), (1.0, 2.0), (1.0, -1.0)])
def test_marks_that_would_flap_are_refused(high: float, low: float):
    with pytest.raises(ValueError, match="low < high"):
        Marks(high=high, full=0.9, tight=0.5, low=low)


@pytest.mark.parametrize(("full", "tight"), [(1.1, 0.5), (0.5, 0.5), (0.5, 0.0)])
def test_marks_that_shed_before_they_shut_are_refused(full: float, tight: float):
    with pytest.raises(ValueError, match="tight < full <= high"):
        Marks(high=1.0, full=full, tight=tight, low=0.1)
