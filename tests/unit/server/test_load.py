"""The load as it is watched: what is asked of it, what is shown."""

import logging

import pytest

from server.ceiling import Ceiling, CeilingOptions
from server.headroom import Step
from server.load import Load
from server.observability import Metrics

SPARED = 5


class World:
    def __init__(self, *, ceiling: int = 1_000) -> None:
        self.now_s, self.late_s, self.calls = 100.0, 0.0, 50
        self.metrics = Metrics()
        self.load = Load(
            {"tick_late_s": lambda: self.late_s},
            calls=lambda: self.calls,
            spared_calls=SPARED,
            metrics=self.metrics,
            ceiling=Ceiling(CeilingOptions(start=ceiling, least=SPARED)),
            clock=lambda: self.now_s,
        )

    def passes(self, seconds: float, *, late_s: float) -> None:
        self.late_s = late_s
        for _ in range(round(seconds * 4)):
            self.now_s += 0.25
            self.load.look()

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"frontdesk_{name}", labels)


def test_load_is_shed_from_its_step_on_and_taken_up_again():
    world = World()
    no_guessing = world.load.sheds(Step.NO_GUESSING)
    terse = world.load.sheds(Step.SHORT_ANSWERS)
    assert not no_guessing()
    world.passes(1.5, late_s=0.05)
    assert (no_guessing(), terse()) == (True, False)
    world.passes(12.0, late_s=0.05)
    assert terse()
    world.passes(60.0, late_s=0.0)
    assert (no_guessing(), terse()) == (False, False)


def test_no_call_fits_while_the_machine_is_too_late():
    world = World()
    assert world.load.has_headroom()
    world.passes(0.5, late_s=0.05)
    assert not world.load.has_headroom()


def test_no_more_calls_fit_than_have_been_seen_to_until_there_is_room_for_more():
    world = World(ceiling=50)
    assert not world.load.has_headroom()
    world.calls = 49
    assert world.load.has_headroom()
    world.calls = 50
    world.passes(2.0, late_s=0.008)
    assert not world.load.has_headroom()
    world.passes(2.0, late_s=0.0)
    assert world.load.has_headroom()


def test_how_many_calls_may_come_is_a_metric():
    assert World(ceiling=50).sample("calls_ceiling") == 50


def test_calls_that_end_are_not_replaced_while_they_are_too_many_and_nothing_is_shed_yet():
    world = World()
    world.passes(20.0, late_s=0.015)
    world.calls = 45
    assert world.load.has_headroom()
    world.passes(1.0, late_s=0.015)
    assert not world.load.has_headroom()
    assert world.load.step is Step.NORMAL


def test_few_calls_are_neither_refused_nor_served_with_less():
    world = World()
    world.calls = SPARED
    world.passes(10.0, late_s=0.5)
    assert world.load.has_headroom()
    assert world.load.step is Step.NORMAL


def test_what_was_shed_comes_back_when_few_calls_are_left_on_a_late_machine():
    world = World()
    world.passes(2.0, late_s=0.5)
    assert world.load.step > Step.NORMAL
    assert not world.load.has_headroom()
    world.calls = 1
    assert world.load.has_headroom()
    world.passes(60.0, late_s=0.5)
    assert world.load.step is Step.NORMAL


def test_step_and_signal_are_metrics_and_each_change_is_counted_with_its_cause():
    world = World()
    world.passes(1.5, late_s=0.05)
    assert world.sample("load_step") == 1
    assert world.sample("load_signal", signal="tick_late_s") == 0.05
    up = {"step": "no_guessing", "direction": "up", "cause": "tick_late_s"}
    assert world.sample("load_steps_total", **up) == 1
    world.passes(20.0, late_s=0.0)
    down = {"step": "normal", "direction": "down", "cause": "room_again"}
    assert world.sample("load_steps_total", **down) == 1


def test_each_change_is_logged_once(caplog: pytest.LogCaptureFixture):
    world = World()
    with caplog.at_level(logging.WARNING, "server.load"):
        world.passes(1.5, late_s=0.05)
    [record] = caplog.records
    assert (record.__dict__["to_step"], record.__dict__["cause"]) == ("no_guessing", "tick_late_s")
