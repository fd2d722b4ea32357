"""What the self-test makes of what generators tell."""

import pytest

from loadtest.load.fleet import GeneratorError
from loadtest.load.records import Pulse
from loadtest.load.self_test import LevelFigures, SelfTestFigures, level_figures, parse_levels
from loadtest.quality import Histogram


def pulse(process: int, at_s: float, cpu_s: float, *late_ms: float) -> Pulse:
    late = Histogram()
    for each in late_ms:
        late.add(each / 1000)
    return Pulse(
        at_s=at_s,
        process=process,
        active=10,
        cpu_s=cpu_s,
        reader_cpu_s=cpu_s / 10,
        late=late.to_list(),
    )


def test_cost_is_of_all_processes_and_only_of_the_time_in_between():
    before = [pulse(0, 10.0, 3.0), pulse(1, 10.5, 1.0)]
    after = [pulse(0, 12.0, 3.4), pulse(1, 14.5, 1.4)]
    figures = level_figures(20, before, after)
    assert figures.cpu_per_call == pytest.approx((0.2 + 0.1) * 1.1 / 20)
    assert figures.reader_cpu_per_call == pytest.approx(0.03 / 20)


def test_lateness_of_an_earlier_level_does_not_count():
    before = [pulse(0, 0.0, 0.0, 400.0, 400.0)]
    after = [pulse(0, 5.0, 1.0, 400.0, 400.0, 1.2, 1.2, 2.2)]
    figures = level_figures(10, before, after)
    assert (figures.late_p50_ms, figures.late_p99_ms) == (1.5, 2.5)


def test_process_that_told_nothing_is_an_error_and_not_a_figure():
    with pytest.raises(GeneratorError, match="generator 0"):
        level_figures(10, [pulse(0, 1.0, 0.0)], [pulse(0, 1.0, 0.0)])


def test_greatest_number_of_calls_is_the_last_that_was_in_time():
    def level(calls: int, late_ms: float) -> LevelFigures:
        return LevelFigures(
            calls=calls,
            cpu_per_call=0.003,
            reader_cpu_per_call=0.0,
            late_p50_ms=1.0,
            late_p99_ms=late_ms,
        )

    def figures(*levels: LevelFigures) -> SelfTestFigures:
        return SelfTestFigures(processes=1, late_limit_ms=5.0, levels=levels)

    assert figures(level(10, 2.0), level(50, 5.0), level(100, 5.5)).greatest == 50
    assert figures(level(10, 7.0)).greatest is None


def test_levels_are_rising_numbers():
    assert parse_levels("10,50, 100") == (10, 50, 100)
    for text in ("", "0,5", "50,10", "10,10", "many"):
        with pytest.raises(GeneratorError, match="10,50,100"):
            parse_levels(text)
