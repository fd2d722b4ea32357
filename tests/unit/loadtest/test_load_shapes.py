"""Load shapes: how many calls are due, asked every 20 ms of virtual time."""

from itertools import pairwise
from random import Random

import pytest

from loadtest.shapes import BadShapeError, Load, Shape, ShapeOptions, make_load


def begun(load: Load, until_s: float, *, active: int = 0) -> list[float]:
    """When calls began, if `active` calls are up all the time."""
    times: list[float] = []
    for tick in range(round(until_s / 0.02) + 1):
        times += [tick * 0.02] * load.due(tick * 0.02, active)
    return times


def held(load: Load, until_s: float) -> list[int]:
    """How many calls are up at each tick when none ever ends."""
    active, levels = 0, list[int]()
    for tick in range(round(until_s / 0.02)):
        active += load.due(tick * 0.02, active)
        levels.append(active)
    return levels


def load_of(shape: Shape, seed: int = 1, **options: float | int) -> Load:
    settings = {"calls": 100, **options}
    return make_load(ShapeOptions(shape=shape, **settings), Random(seed))  # pyright: ignore[reportArgumentType]


def test_fixed_rate_spaces_calls_evenly():
    assert begun(load_of(Shape.FIXED, rate=2.0, duration_s=2), 10) == [0.0, 0.5, 1.0, 1.5]


def test_open_load_arrives_whatever_becomes_of_the_calls():
    assert begun(load_of(Shape.FIXED, rate=2.0, duration_s=2, calls=100), 3, active=99) != []


def test_open_load_holds_back_arrivals_for_whom_no_caller_is_free():
    load = load_of(Shape.FIXED, rate=2.0, duration_s=2, calls=5)
    assert begun(load, 10, active=5) == []
    assert load.held_back == 4


def test_closed_load_enters_one_by_one_and_replaces_calls_that_end():
    load = load_of(Shape.FIXED, calls=3, duration_s=10, enter_every_s=0.5)
    assert begun(load, 1.4, active=0) == [0.0, 0.5, 1.0]
    assert load.due(2.0, 3) == 0
    assert load.due(2.02, 2) == 1


def test_poisson_arrivals_have_the_rate_and_vary_like_one():
    times = begun(load_of(Shape.POISSON, rate=5.0, duration_s=400, calls=10_000), 400)
    gaps = [later - sooner for sooner, later in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(0.2, rel=0.1)
    assert deviation == pytest.approx(mean, rel=0.15)  # of an exponential they are the same


def test_poisson_is_the_same_for_the_same_seed_and_no_other():
    same = [begun(load_of(Shape.POISSON, seed, rate=1.0, duration_s=60), 60) for seed in (1, 1, 2)]
    assert same[0] == same[1] != same[2]


def test_ramp_of_a_rate_brings_half_its_full_rate_over_the_whole():
    times = begun(load_of(Shape.RAMP, rate=4.0, duration_s=100), 100)
    assert len(times) == pytest.approx(200, abs=2)
    assert sum(at < 50 for at in times) == pytest.approx(50, abs=2)


def test_ramp_of_calls_climbs_a_step_per_stage():
    load = load_of(Shape.RAMP, calls=40, stages=4, duration_s=40, enter_every_s=0.02)
    levels = held(load, 40)
    assert [levels[round(at_s / 0.02)] for at_s in (9.9, 19.9, 29.9, 39.9)] == [10, 20, 30, 40]
    assert [load.stage(at_s) for at_s in (0, 10, 25, 39.9, 99)] == [0, 1, 2, 3, 3]


def test_spike_multiplies_the_load_in_the_middle_third():
    load = load_of(Shape.SPIKE, calls=2, spike_factor=3, duration_s=30, enter_every_s=0.02)
    assert load.due(5, 2) == 0
    assert load.due(15, 5) == 1
    assert load.due(15.1, 6) == 0
    assert load.due(25, 2) == 0


def test_spike_of_a_rate_has_its_crowd_in_the_middle_third():
    times = begun(load_of(Shape.SPIKE, rate=1.0, spike_factor=3, duration_s=30), 30)
    thirds = [sum(start <= at < start + 10 for at in times) for start in (0, 10, 20)]
    assert thirds[1] == pytest.approx(3 * thirds[0], abs=2)
    assert thirds[0] == pytest.approx(thirds[2], abs=1)


def test_soak_goes_on_for_an_hour_unless_told_otherwise():
    assert not load_of(Shape.SOAK).over(3_599)
    assert load_of(Shape.SOAK).over(3_600)
    assert load_of(Shape.SOAK, duration_s=10).over(10)


@pytest.mark.parametrize(
    "options",
    [
        ShapeOptions(calls=0),
        ShapeOptions(rate=0),
        ShapeOptions(duration_s=0),
        ShapeOptions(shape=Shape.POISSON),
        ShapeOptions(stages=0),
    ],
)
def test_load_that_cannot_be_is_refused(options: ShapeOptions):
    with pytest.raises(BadShapeError):
        make_load(options, Random(1))


def answered(load: Load, until_s: float, *, last_s: float) -> list[tuple[float, int]]:
    """When calls began and how many were up then, if each lasts `last_s`."""
    ends: list[float] = []
    seen: list[tuple[float, int]] = []
    for tick in range(round(until_s / 0.02)):
        now_s = tick * 0.02
        ends = [end_s for end_s in ends if end_s > now_s]
        due = load.due(now_s, len(ends))
        seen += [(now_s, len(ends) + due)] * due
        ends += [now_s + last_s] * due
    return seen


def test_overload_holds_its_calls_and_then_has_twice_as_many_arrive_as_ended():
    load = load_of(Shape.OVERLOAD, calls=20, duration_s=400, enter_every_s=0.25)
    seen = answered(load, 400, last_s=20)
    nominal = [at_s for at_s, _ in seen if 100 <= at_s < 200]
    assert max(up for at_s, up in seen if at_s < 200) == 20
    assert len(nominal) == pytest.approx(100, abs=5)  # one a second, as each lasts 20 s
    assert sum(at_s >= 200 for at_s, _ in seen) == pytest.approx(400, rel=0.15)


def test_overload_goes_on_arriving_whatever_becomes_of_the_calls():
    load = load_of(Shape.OVERLOAD, calls=20, duration_s=400)
    answered(load, 200, last_s=20)
    assert len(begun_from(load, 200, 300, active=20)) == pytest.approx(200, rel=0.2)
    assert load.held_back == 0


def test_overload_may_have_another_factor_and_finds_its_rate_itself():
    load = load_of(Shape.OVERLOAD, calls=20, duration_s=400, spike_factor=4.0)
    seen = answered(load, 400, last_s=20)
    assert sum(at_s >= 200 for at_s, _ in seen) == pytest.approx(800, rel=0.15)
    with pytest.raises(BadShapeError, match="leave out --rate"):
        load_of(Shape.OVERLOAD, calls=20, rate=1.0)


def begun_from(load: Load, from_s: float, until_s: float, *, active: int) -> list[float]:
    """When calls began, if `active` calls are up all the time."""
    ticks = range(round(from_s / 0.02), round(until_s / 0.02))
    return [tick * 0.02 for tick in ticks for _ in range(load.due(tick * 0.02, active))]
