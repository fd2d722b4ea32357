"""Rows, targets and verdicts of the turn-taking report."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from loadtest.turns.bench import verdict
from loadtest.turns.call import CallRecording
from loadtest.turns.cases import Condition, Kind
from loadtest.turns.records import ServerTurn, match, start_lost
from loadtest.turns.report import (
    CallSummary,
    Measured,
    TurnsReport,
    make_report,
    to_json,
)
from loadtest.turns.rows import Distribution
from loadtest.turns.score import score
from loadtest.turns.tables import side_by_side, tables
from tests.fakes.recorded_calls import Sounds, recorded, says

GOOD = recorded([Sounds(from_s=0.5, to_s=3), Sounds(from_s=6.3, to_s=8)], [says(4, 6)])
CUT = recorded([Sounds(from_s=0.5, to_s=3), Sounds(from_s=5.0, to_s=8)], [says(4, 6)])
FAILED = CallSummary(
    name="000", ended="refused: 503", duration_s=0.0, clock_late_p99_ms=0.0, failed=True
)


def _report(*recordings: CallRecording, failures: tuple[CallSummary, ...] = ()) -> TurnsReport:
    return make_report(
        "sip:test",
        Measured(
            recordings=recordings,
            failures=failures,
            scores=[score(call) for call in recordings],
            heard=[],
        ),
    )


def _met(report: TurnsReport) -> dict[str, bool | None]:
    return {target.name: target.met for target in report.targets}


def test_percentiles_of_nothing_are_nothing():
    assert Distribution.of([]) == Distribution(count=0, p50=None, p95=None)


def test_good_gap_meets_its_targets_and_what_was_not_measured_is_open():
    met = _met(_report(GOOD))
    assert met["gap, p50"] is True
    assert met["false cut-offs"] is True
    assert met["false stops"] is None
    assert met["endpoint to first packet, p50"] is None


def test_cut_off_counts_against_its_share_and_not_as_a_gap():
    report = _report(GOOD, CUT)
    [*_, everything] = report.answers
    assert (everything.answers, everything.cut_offs, everything.gap_ms.count) == (2, 1, 1)
    assert _met(report)["false cut-offs"] is False


def test_failed_call_misses_a_target():
    assert _met(_report(GOOD, failures=(FAILED,)))["callers in time, calls held"] is False


def test_gate_names_every_target_missed():
    report = _report(CUT, failures=(FAILED,))
    out = io.StringIO()
    assert verdict(report, Console(file=out, width=200)) == 1
    assert "missed: false cut-offs: 100.0% (1 of 1)" in out.getvalue()
    assert "missed: callers in time" in out.getvalue()
    assert verdict(_report(GOOD), Console(file=io.StringIO())) == 0


def test_report_goes_to_json_and_to_the_terminal():
    report = _report(GOOD)
    plain = json.loads(to_json({"frontdesk": report}))["frontdesk"]
    assert plain["answers"][-1]["gap_ms"]["p50"] == pytest.approx(300, abs=10)
    out = io.StringIO()
    Console(file=out, width=120).print(tables(report))
    assert Kind.REQUEST.value in out.getvalue()


def test_far_ends_are_shown_side_by_side():
    out = io.StringIO()
    table = side_by_side({"frontdesk": _report(GOOD), "peer": _report(CUT)})
    Console(file=out, width=160).print(table)
    [row] = [line for line in out.getvalue().splitlines() if "false cut-offs" in line]
    assert "0.0% (0 of 1)" in row
    assert "100.0% (1 of 1)" in row


def test_side_by_side_tells_how_calls_ended_and_why_a_figure_is_missing():
    lost = replace(GOOD, ended="nothing to answer was heard for 20 s")
    out = io.StringIO()
    table = side_by_side({"frontdesk": _report(GOOD), "peer": _report(CUT, lost)})
    Console(file=out, width=240).print(table)
    lines = out.getvalue().splitlines()
    [calls] = [line for line in lines if "to the end of their plan" in line]
    assert [cell.strip() for cell in calls.split("│")[3:5]] == ["1 of 1", "1 of 2"]
    assert any("1 ended by: nothing to answer was heard for 20 s" in line for line in lines)
    [packets] = [line for line in lines if "first packet, p50" in line]
    assert packets.count("not measured: only frontdesk's records tell") == 2
    [again] = [line for line in lines if "voice again" in line]
    assert "not measured: no prompt had one" in again


def test_words_and_sounds_over_a_prompt_on_a_bad_line_have_rows_of_their_own():
    frontdesk = [Sounds(from_s=0.5, to_s=3.1, ending=None)]
    over = says(3, 4, kind=Kind.INTERRUPTION, overlap=True)
    labels: list[list[str]] = []
    for condition in (Condition.CLEAN, Condition.NETWORK):
        report = _report(recorded(frontdesk, [over], condition=condition))
        labels.append([row.label for row in report.interruptions if row.silent_after_ms.count])
    assert labels == [["interruption"], ["all, loss and jitter"]]


@pytest.mark.parametrize(
    ("said", "understood", "lost"),
    [
        ("where is my order", "where is my order", False),
        ("where is my order", "my order", True),
        ("where is my order", "there is my order", False),
        ("where is my order", "goodbye", None),
        ("yes", "", None),
    ],
)
def test_lost_start(said: str, understood: str, lost: bool | None):
    assert start_lost(said, understood) is lost


def test_answer_finds_its_turn_in_the_records_by_its_end():
    turns = [_turn(1.0), _turn(6.2), _turn(15.0)]
    [heard] = match(score(GOOD).answers, turns)
    assert heard.to_packet_ms == pytest.approx(30)
    assert heard.unexplained_ms == pytest.approx(300 - 200 - 30, abs=10)
    assert heard.parts_ms["decode_s"] == pytest.approx(20)
    assert match(score(CUT).answers, turns) == []


def test_wait_known_to_the_server_begins_with_the_last_sound_that_was_heard():
    frontdesk = [Sounds(from_s=0.5, to_s=3), Sounds(from_s=6.3, to_s=8)]
    call = recorded(frontdesk, [says(4, 6, drowned_s=0.1)], condition=Condition.NOISE_10)
    [heard] = match(score(call).answers, [_turn(6.2)])
    assert heard.unexplained_ms == pytest.approx(300 + 100 - 200 - 30, abs=10)


def test_wait_known_to_the_server_begins_when_the_network_has_brought_the_last_sound():
    frontdesk = [Sounds(from_s=0.5, to_s=3), Sounds(from_s=6.3, to_s=8)]
    call = replace(recorded(frontdesk, [says(4, 6)], condition=Condition.NETWORK), path_s=0.03)
    [heard] = match(score(call).answers, [_turn(6.2)])
    assert heard.unexplained_ms == pytest.approx(300 - 200 - 30 - 30, abs=10)


def test_records_that_do_not_add_up_to_the_gap_miss_a_target():
    for detection_s, met in ((0.17, True), (0.1, False)):
        turn = ServerTurn(started_at_s=6.2, text="", times_s={"detection_s": detection_s + 0.1})
        heard = match(score(GOOD).answers, [turn])
        measured = Measured(recordings=[GOOD], failures=[], scores=[score(GOOD)], heard=heard)
        report = make_report("sip:test", measured)
        assert _met(report)["gap less its recorded parts, p95"] is met
        assert report.parts_ms["detection_s"].count == 1


def _turn(started_at_s: float) -> ServerTurn:
    return ServerTurn(
        started_at_s=started_at_s,
        text="where is my order",
        times_s={"detection_s": 0.1, "endpointing_s": 0.1, "decode_s": 0.02, "playout_s": 0.01},
    )
