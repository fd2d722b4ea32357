import asyncio
import contextlib
import logging
from collections.abc import Callable

import pytest

from telephony.media_clock import Lateness, MediaClock


class World:
    """A clock that moves when someone sleeps or when work takes time; ends after its script."""

    def __init__(self, *, until_s: float, oversleep_s: float = 0.0) -> None:
        self.now_s = 0.0
        self._until_s, self._oversleep_s = until_s, oversleep_s
        self.ticks: list[float] = []
        self.clock = MediaClock(clock=lambda: self.now_s, sleep=self._sleep)

    async def _sleep(self, delay_s: float) -> None:
        self.now_s += delay_s + self._oversleep_s
        if self.now_s > self._until_s:
            raise asyncio.CancelledError

    def tick(self, now_s: float) -> None:
        self.ticks.append(now_s)

    def working(self, busy_s: Callable[[int], float]) -> Callable[[float], None]:
        """A tick that takes `busy_s` of its number."""

        def work(now_s: float) -> None:
            self.ticks.append(now_s)
            self.now_s += busy_s(len(self.ticks))

        return work

    async def run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await self.clock.run()


def milliseconds(times_s: list[float]) -> list[int]:
    return [round(time_s * 1000) for time_s in times_s]


async def test_every_call_is_served_once_per_20_ms() -> None:
    world = World(until_s=0.1)
    world.clock.add(world.tick)
    world.clock.add(other := world.working(lambda _: 0.0))
    assert other is not world.tick
    await world.run()
    assert milliseconds(world.ticks) == [20, 20, 40, 40, 60, 60, 80, 80, 100, 100]


async def test_lateness_does_not_add_up() -> None:
    world = World(until_s=2.01, oversleep_s=0.003)
    world.clock.add(world.working(lambda _: 0.004))
    await world.run()
    assert milliseconds(world.ticks) == [20 * n + 3 for n in range(1, 101)]


async def test_after_a_short_stall_every_missed_tick_is_made_up_for_at_once() -> None:
    world = World(until_s=0.3)
    world.clock.add(world.working(lambda number: 0.11 if number == 2 else 0.0))
    await world.run()
    assert milliseconds(world.ticks)[:9] == [20, 40, *[150] * 5, 160, 180]
    assert world.clock.lateness.skipped == 0
    assert world.clock.lateness.max_ms == pytest.approx(90)


async def test_a_tick_knows_when_it_was_due_however_late_it_is() -> None:
    world, due = World(until_s=0.3, oversleep_s=0.003), list[float]()
    world.clock.add(world.working(lambda number: 0.11 if number == 2 else 0.0))
    world.clock.add(lambda _: due.append(world.clock.due_s))
    await world.run()
    assert milliseconds(due)[:9] == [20 * number for number in range(1, 10)]


async def test_what_a_tick_does_later_counts_as_the_ticks() -> None:
    spent_s, done = 0.0, asyncio.Event()
    clock = MediaClock(cpu=lambda: spent_s)

    def work() -> None:
        nonlocal spent_s
        spent_s += 0.003
        done.set()

    clock.later(0.0, work)
    await done.wait()
    await asyncio.sleep(0)
    assert clock.cpu_s == pytest.approx(0.003)


async def test_what_a_long_stall_made_too_late_is_counted_and_left_out() -> None:
    world = World(until_s=0.41)
    world.clock.add(world.working(lambda number: 0.31 if number == 2 else 0.0))
    await world.run()
    assert milliseconds(world.ticks) == [20, 40, *[350] * 6, 360, 380, 400]
    assert world.clock.lateness.skipped == 9


async def test_a_clock_whose_ticks_take_too_long_does_not_fall_back_for_ever() -> None:
    world = World(until_s=4.0)
    world.clock.add(world.working(lambda _: 0.025))
    await world.run()
    assert world.clock.lateness.max_ms < 150
    assert world.clock.lateness.skipped == pytest.approx(4.0 / 0.020 - len(world.ticks), abs=6)


async def test_a_tick_that_raises_is_removed_and_logged_and_hurts_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, raised = World(until_s=0.06), list[float]()

    def broken(now_s: float) -> None:
        raised.append(now_s)
        raise RuntimeError("a defect in one call")

    world.clock.add(broken)
    world.clock.add(world.tick)
    with caplog.at_level(logging.ERROR, logger="telephony.media_clock"):
        await world.run()
    assert len(raised) == len(caplog.records) == 1
    assert milliseconds(world.ticks) == [20, 40, 60]
    assert len(world.clock) == 1


async def test_a_call_removed_by_an_earlier_one_is_not_served_in_the_same_tick() -> None:
    world = World(until_s=0.06)
    world.clock.add(lambda _: world.clock.remove(world.tick))
    world.clock.add(world.tick)
    await world.run()
    assert world.ticks == []


async def test_a_call_added_during_a_tick_is_served_from_the_next() -> None:
    world = World(until_s=0.06)
    world.clock.add(lambda _: world.clock.add(world.tick))
    await world.run()
    assert milliseconds(world.ticks) == [40, 60]


async def test_removing_what_is_not_there_is_harmless() -> None:
    MediaClock().remove(lambda _: None)


async def test_a_started_clock_ticks_until_it_is_stopped() -> None:
    ticked = asyncio.Event()
    clock = MediaClock()
    clock.add(lambda _: ticked.set())
    await clock.start()
    await clock.start()
    await asyncio.wait_for(ticked.wait(), 5)
    await clock.stop()
    await clock.stop()
    assert all(task is asyncio.current_task() for task in asyncio.all_tasks())


def test_lateness_before_the_first_tick_is_none() -> None:
    assert Lateness().p99_ms == 0.0


def test_p99_leaves_out_the_worst_hundredth() -> None:
    lateness = Lateness()
    for late_ms in [0.2] * 99 + [30.0]:
        lateness.record(late_ms)
    assert lateness.p99_ms == 0.25
    assert lateness.max_ms == 30.0
    assert lateness.quantile_ms(1.0) == 30.0


def test_lateness_beyond_all_buckets_is_its_maximum() -> None:
    lateness = Lateness()
    lateness.record(500.0)
    assert lateness.p99_ms == 500.0
    assert lateness.counts[-1] == 1


def test_recent_lateness_forgets_what_is_more_than_a_second_old():
    lateness = Lateness()
    for _ in range(50):
        lateness.record(30.0)
    assert lateness.recent_ms(0.9) == 30.0
    for _ in range(50):
        lateness.record(1.0)
    assert lateness.recent_ms(1.0) == 1.0


def test_few_late_ticks_do_not_make_a_second_late():
    lateness = Lateness()
    for n in range(50):
        lateness.record(30.0 if n < 5 else 1.0)
    assert lateness.recent_ms(0.9) == 1.0
    lateness.record(30.0)
    lateness.record(30.0)
    lateness.record(30.0)
    assert lateness.recent_ms(0.96) == 30.0


def test_stall_counts_as_all_the_ticks_it_cost():
    lateness = Lateness()
    for _ in range(50):
        lateness.record(1.0)
    lateness.record(200.0, missed=10)
    assert lateness.recent_ms(0.9) == 200.0
    assert (lateness.ticks, lateness.skipped) == (51, 10)


def test_nothing_is_late_before_the_first_tick():
    assert Lateness().recent_ms(0.9) == 0.0
