"""Twice what a server carries: what is stated of it, and when it does not hold."""

from collections.abc import Sequence

import pytest
from rich.console import Console

from loadtest.load.command import EXIT_BROKEN, status
from loadtest.load.overload_figures import OverloadFigures
from loadtest.load.page import page
from loadtest.load.records import CallRecord, Fate
from loadtest.load.run import RunData
from loadtest.load.summary import summarise
from loadtest.load.terminal import tables
from loadtest.shapes import Shape
from tests.fakes.load import call, run_data

# A run of 90 s: measured from 22.5 s, the crowd comes at 45 s.


def calls(
    count: int, start_s: float, length_s: float, *, gap_ms: float = 300.0, fate: Fate = Fate.STOPPED
) -> list[CallRecord]:
    """So many that come evenly, each up for 20 s with a gap after 5 s, or turned away at once."""
    found: list[CallRecord] = []
    for number in range(count):
        at_s = start_s + length_s * number / count
        up = fate is not Fate.REFUSED
        found.append(
            call(
                fate,
                dialled_s=at_s,
                answered_s=at_s + 0.1 if up else None,
                ended_s=at_s + (20 if up else 0.05),
                gaps=((at_s + 5, gap_ms),) if up else (),
            )
        )
    return found


def overload(*more: Sequence[CallRecord], crowd_gap_ms: float = 330.0) -> RunData:
    """One call a second; then two, of which half are refused."""
    data = run_data(shape=Shape.OVERLOAD)
    data.calls = [
        *calls(45, 0, 45),
        *calls(45, 45, 45, gap_ms=crowd_gap_ms),
        *calls(45, 45, 45, fate=Fate.REFUSED),
        *(each for some in more for each in some),
    ]
    return data


def figures(data: RunData) -> OverloadFigures:
    found = summarise(data).overload
    assert found is not None
    return found


def test_overload_states_what_was_offered_and_what_became_of_it():
    found = figures(overload())
    assert found.nominal.offered_per_s == pytest.approx(1, rel=0.05)
    assert found.crowd.offered_per_s == pytest.approx(2)
    assert (found.crowd.offered, found.crowd.admitted, found.crowd.refused) == (90, 45, 45)
    assert (found.nominal.refused, found.crowd.dropped) == (0, 0)
    assert found.nominal.up == pytest.approx(20, rel=0.05)
    assert found.ratio == pytest.approx(1.1)
    assert found.refused_after_ms.p95 == pytest.approx(50)
    assert found.faults == []


def test_crowd_that_those_who_are_in_notice_is_broken():
    data = overload(crowd_gap_ms=390.0)
    assert "1.30 times as long" in figures(data).faults[0]
    assert status(summarise(data), Console(quiet=True)) == EXIT_BROKEN


def test_call_that_breaks_under_the_crowd_is_broken():
    dropped = call(Fate.DROPPED, dialled_s=30.0, ended_s=60.0)
    assert figures(overload([dropped])).faults == ["1 calls were dropped"]


def test_call_that_is_not_even_refused_is_broken():
    ignored = call(Fate.UNREACHABLE, dialled_s=50.0, ended_s=82.0)
    assert "neither taken nor refused" in figures(overload([ignored])).faults[0]


def test_load_that_was_too_much_from_the_start_is_not_nominal():
    assert "begin with fewer" in figures(overload(calls(5, 25, 10, fate=Fate.REFUSED))).faults[0]


def test_crowd_that_did_not_come_proves_nothing():
    data = overload()
    data.calls = [c for c in data.calls if c.fate is not Fate.REFUSED]
    assert figures(data).faults == ["the crowd was too small"]


def test_other_shapes_have_no_overload():
    assert summarise(run_data()).overload is None


def test_overload_is_shown_in_the_terminal_and_on_the_page():
    summary, console = summarise(overload()), Console(record=True, width=100)
    console.print(tables(summary))
    for shown in (console.export_text(), page(summary)):
        assert "gap p95 against nominal" in shown
        assert "1.10 ×" in shown
