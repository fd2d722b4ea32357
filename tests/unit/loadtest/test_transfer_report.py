"""What a run of transfers says, and when it misses its targets."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from loadtest.transfer.report import (
    Figures,
    Transfer,
    TransferReport,
    make_report,
    tables,
    to_json,
)

GOOD = Transfer(
    caller="one",
    asked_to_request_ms=1_400.0,
    request_to_screen_ms=40.0,
    asked_to_screen_ms=1_440.0,
    screen_to_audio_ms=60.0,
    accept_to_agent_hears_ms=20.0,
    accept_to_caller_hears_ms=35.0,
)
FIGURES = Figures(
    concurrent=2,
    most_at_once=2,
    length_s=10.0,
    server_cores=0.4,
    server_memory_mb=300.0,
    generator_cores=0.2,
    generator_late_p99_ms=2.0,
    machine_load=1.0,
)


def missed(report: TransferReport) -> list[str]:
    return [target.name for target in report.missed]


def test_run_that_keeps_everything_misses_nothing():
    assert missed(make_report("sip:x", [GOOD, GOOD], FIGURES)) == []


def test_two_way_audio_is_there_when_the_later_end_hears():
    assert GOOD.accept_to_both_ms == 35.0
    assert replace(GOOD, accept_to_agent_hears_ms=None).accept_to_both_ms is None


@pytest.mark.parametrize(
    ("slow", "named"),
    [
        (replace(GOOD, request_to_screen_ms=501.0), "agent's screen"),
        (replace(GOOD, accept_to_caller_hears_ms=301.0), "two-way audio"),
        (Transfer(caller="lost", failure="the caller is not heard"), "completed"),
    ],
)
def test_each_target_is_missed_by_its_own_figure(slow: Transfer, named: str):
    [found] = missed(make_report("sip:x", [slow, slow, GOOD], FIGURES))
    assert named in found


def test_fewer_transfers_at_once_than_asked_for_are_a_miss():
    assert missed(make_report("sip:x", [GOOD], replace(FIGURES, most_at_once=1))) == ["at once"]


def test_run_without_transfers_misses_its_targets():
    assert len(missed(make_report("sip:x", [], FIGURES))) == 3


def test_tables_and_json_have_every_row_and_every_failure():
    failed = Transfer(caller="lost", failure="ended by network")
    report = make_report("sip:x", [GOOD, failed], FIGURES)
    paper = io.StringIO()
    Console(file=paper, width=100).print(tables(report))
    shown = paper.getvalue()
    assert "1440 ms" in shown
    assert "lost: ended by network" in shown
    kept = json.loads(to_json(report))
    assert (kept["schema"], len(kept["transfers"])) == ("frontdesk.transfer", 2)
