"""What the event loop takes of its core, and what calls that came just now will take."""

import pytest

from server.loop_load import LoopLoad

COST = 0.02  # of a core, of a call that has spoken
SILENT_S = 6.0  # until it does


class World:
    """A loop that takes its share for every call, late."""

    def __init__(self) -> None:
        self.now_s = self.cpu_s = 0.0
        self.began_s: list[float] = []
        self.load = LoopLoad(
            lambda: len(self.began_s), cpu_s=lambda: self.cpu_s, clock=lambda: self.now_s
        )

    def calls(self, count: int) -> None:
        del self.began_s[count:]
        self.began_s += [self.now_s] * (count - len(self.began_s))

    def passes(self, seconds: float) -> None:
        for _ in range(round(seconds * 4)):
            self.now_s += 0.25
            speak = sum(self.now_s - began_s > SILENT_S for began_s in self.began_s)
            self.cpu_s += 0.25 * COST * speak
            self.load.look()


def test_an_idle_loop_takes_nothing():
    world = World()
    world.load.look()
    assert world.load.share == 0.0
    world.passes(10.0)
    assert world.load.share == 0.0


def test_calls_that_have_spoken_take_what_they_take():
    world = World()
    world.calls(30)
    world.passes(20.0)
    assert world.load.share == pytest.approx(30 * COST)


def test_calls_that_came_just_now_count_before_they_cost():
    world = World()
    world.calls(30)
    world.passes(60.0)
    world.calls(40)
    world.passes(0.25)
    assert world.load.share == pytest.approx(40 * COST, rel=0.02)
    world.passes(20.0)
    assert world.load.share == pytest.approx(40 * COST)


def test_before_anything_is_known_calls_count_as_they_usually_cost():
    world = World()
    world.passes(10.0)
    world.calls(50)
    world.passes(1.0)
    assert 0.2 < world.load.share < 0.8


def test_calls_that_ended_are_forgotten():
    world = World()
    world.calls(30)
    world.passes(60.0)
    world.calls(10)
    world.passes(7.0)
    assert world.load.share == pytest.approx(10 * COST)
