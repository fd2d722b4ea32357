"""Objectives: how they are written, and what keeps or breaks them."""

from collections.abc import Sequence
from random import Random

import pytest

from loadtest.load.records import CallRecord, Fate
from loadtest.load.slo import BadSloError, parse_slo
from loadtest.quality import Quality
from loadtest.statistics import Spread, bootstrap_ratio, percentile, slope
from tests.fakes.load import call


def kept(text: str, *calls: CallRecord) -> bool | None:
    return parse_slo(text).judge(calls).kept


def test_percentile_of_all_gaps_is_held_to_its_limit():
    calls = [call(gaps_ms=range(0, 1_000, 10)), call(gaps_ms=[500])]
    assert kept("p50_gap=500ms", *calls)
    assert not kept("p95_gap=0.8s", *calls)


def test_nothing_measured_neither_keeps_nor_breaks():
    assert kept("p95_gap=800ms", call()) is None
    assert kept("success=95%") is None


def test_success_is_of_answered_calls_that_ran_to_their_end():
    calls = [call(), call(), call(Fate.FAILED), call(Fate.REFUSED), call(Fate.STOPPED)]
    assert kept("success=66%", *calls)
    assert not kept("success=67%", *calls)


def test_refused_and_dropped_are_told_apart():
    calls = [call(), call(Fate.REFUSED), call(Fate.UNREACHABLE), call(Fate.DROPPED)]
    assert parse_slo("refused=0%").judge(calls).measured == 0.5
    assert parse_slo("dropped=0%").judge(calls).measured == 0.5


def test_underruns_are_counted_over_all_calls():
    calls = [call(quality=Quality(underruns=1)), call(quality=Quality(underruns=2)), call()]
    assert not kept("underruns=2", *calls)
    assert kept("underruns=3", *calls)


def test_mos_is_what_nearly_all_calls_reach():
    good, bad = call(quality=Quality(mos=4.3)), call(quality=Quality(mos=2.0))
    assert kept("mos=4.0", *[good] * 99, bad)
    assert not kept("mos=4.0", *[good] * 9, bad)


@pytest.mark.parametrize(
    "text",
    ["", "gap", "p95_gap=800", "p95_gap=800%", "p95_joy=1ms", "success=5ms", "luck=1", "mos=1.2.3"],
)
def test_objective_that_cannot_be_read_is_an_error(text: str):
    with pytest.raises(BadSloError):
        parse_slo(text)


def test_spread_of_nothing_has_no_numbers():
    assert Spread.of([]) == Spread()
    assert Spread.of(range(101)) == Spread(count=101, p50=50, p95=95, p99=99, most=100)


def test_ratio_of_like_samples_does_not_differ_and_of_unlike_ones_does():
    random = Random(1)
    one = [random.gauss(500, 50) for _ in range(200)]
    same = [random.gauss(500, 50) for _ in range(200)]
    slower = [random.gauss(700, 50) for _ in range(200)]

    def p95(values: Sequence[float]) -> float | None:
        return percentile(values, 95)

    alike = bootstrap_ratio(one, same, p95, Random(2), resamples=300)
    unlike = bootstrap_ratio(one, slower, p95, Random(2), resamples=300)
    assert alike is not None
    assert not alike.differs
    assert unlike is not None
    assert unlike.differs
    assert unlike.low < unlike.value < unlike.high


def test_ratio_to_nothing_is_none():
    assert bootstrap_ratio([0.0], [1.0], lambda values: percentile(values, 50), Random(1)) is None


def test_slope_is_taken_between_the_points_around_a_stretch():
    points = [(0.0, 0.0), (2.0, 1.0), (4.0, 3.0), (6.0, 3.0)]
    assert slope(points, 2, 4) == pytest.approx(1.0)
    assert slope(points, 2.5, 5) == pytest.approx(0.5)
    assert slope(points[:1], 0, 4) is None
