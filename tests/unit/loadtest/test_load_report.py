"""The report of a run: what its figures are made of, and that it can be read back."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from loadtest.errors import ScenarioError
from loadtest.load.command import EXIT_BOTTLENECK, EXIT_BROKEN, status
from loadtest.load.compare import compare
from loadtest.load.files import ReportFileError, read_run, to_json
from loadtest.load.host import stolen_s
from loadtest.load.mix import load_mix
from loadtest.load.page import page
from loadtest.load.plots import Axis, Line, line_plot, nice_ticks
from loadtest.load.records import CallRecord, Fate
from loadtest.load.run import RunData, between, up_between
from loadtest.load.server_side import parse_metrics
from loadtest.load.summary import summarise
from loadtest.load.terminal import knee, tables
from loadtest.shapes import Shape
from tests.fakes.load import call, run_data


def saved(folder: Path, name: str, data: RunData) -> Path:
    path = folder / f"{name}.json"
    path.write_text(to_json(summarise(data), data), encoding="utf-8")
    return path


def test_concurrency_is_the_mean_number_of_calls_that_were_up():
    calls = [call(answered_s=0.0, ended_s=10.0), call(answered_s=5.0, ended_s=10.0)]
    assert up_between(calls, 0, 10) == pytest.approx(1.5)


def test_gaps_count_in_the_stretch_they_ended_in_and_calls_where_they_ended():
    one = call(gaps=((1.0, 100.0), (8.0, 900.0)), ended_s=9.0, cut_offs=2)
    (early,) = between([one], 0, 5)
    (late,) = between([one], 5, 10)
    assert (early.gaps, early.fate, early.cut_offs) == (((1.0, 100.0),), Fate.STOPPED, 0)
    assert (late.gaps, late.fate, late.cut_offs) == (((8.0, 900.0),), Fate.SUCCEEDED, 2)


def test_summary_tells_what_the_host_took_of_the_machine():
    summary = summarise(run_data())
    assert summary.generator.stolen_s == pytest.approx(99 * 0.01 + 0.2)
    assert summary.generator.stolen_most_s == pytest.approx(0.21)
    untold = run_data()
    untold.pulses = [replace(pulse, stolen_s=None) for pulse in untold.pulses]
    assert summarise(untold).generator.stolen_s is None


def test_what_the_host_took_is_read_as_the_kernel_writes_it(tmp_path: Path):
    stat = tmp_path / "stat"
    stat.write_text("cpu  10 20 30 40 50 60 70 250 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n")
    assert stolen_s(stat) == 250 / os.sysconf("SC_CLK_TCK")
    assert stolen_s(tmp_path / "nothing") is None


def test_summary_has_the_servers_cost_per_call_and_where_the_time_went():
    summary = summarise(run_data())
    assert summary.most_calls == 10
    assert summary.call_minutes == pytest.approx(30 * 19.95 / 60)
    assert summary.server.cpu_s_per_call_minute == pytest.approx(49 / (30 * 19.95 / 60))
    minutes = 30 * 19.95 / 60
    # 49 s in 98 s, of which the fake says 0.2 and 0.1 a second: the rest is not this process.
    assert summary.server.cpu_parts == pytest.approx(
        {
            "media": 19.6 / minutes,
            "recognition": 9.8 / minutes,
            "its children": 19.6 / minutes,
        }
    )
    assert summary.server.ticks == 4_900
    assert summary.server.late_ticks == {"5 ms": 49}
    assert summary.server.waiting_most == 3
    assert summary.server.together == pytest.approx(1.5)
    assert summary.server.parts_ms == pytest.approx({"decode": 20.0})
    assert summary.server.memory_mb_per_hour == pytest.approx(360)
    assert summary.generator.bottleneck is None
    assert summary.kept


def test_late_callers_are_named_the_bottleneck():
    assert "late" in (summarise(run_data(late_s=0.008)).generator.bottleneck or "")


def test_callers_without_room_on_their_core_are_named_the_bottleneck():
    assert "--processes" in (summarise(run_data(generator_cores=0.9)).generator.bottleneck or "")


def test_arrivals_without_a_caller_are_named_the_bottleneck():
    data = run_data()
    data.held_back = 3
    assert "3 arrivals" in (summarise(data).generator.bottleneck or "")


def test_run_that_nobody_answered_proves_nothing():
    data = run_data()
    data.calls = [call(Fate.UNREACHABLE)]
    summary = summarise(data)
    assert summary.generator.bottleneck is None
    assert status(summary, Console(quiet=True)) == EXIT_BROKEN


def test_status_tells_a_broken_objective_from_callers_too_slow_to_tell():
    quiet = Console(quiet=True)
    assert status(summarise(run_data()), quiet) == 0
    assert status(summarise(run_data(gap_ms=900)), quiet) == EXIT_BROKEN
    assert status(summarise(run_data(gap_ms=900, late_s=0.05)), quiet) == EXIT_BOTTLENECK


def test_soak_in_which_the_server_holds_more_and_more_is_broken() -> None:
    quiet = Console(quiet=True)
    assert status(summarise(run_data(shape=Shape.SOAK)), quiet) == 0
    leaking = summarise(run_data(shape=Shape.SOAK, tasks_a_second=0.5))
    assert [each.name for each in leaking.server.held if each.grew] == ["tasks"]
    assert status(leaking, quiet) == EXIT_BROKEN


def test_what_a_growing_load_holds_is_no_leak() -> None:
    assert summarise(run_data(shape=Shape.FIXED, tasks_a_second=0.5)).server.held
    assert not summarise(run_data(shape=Shape.RAMP, tasks_a_second=0.5)).server.held


def test_spike_that_callers_noticed_is_broken_and_one_they_did_not_is_kept() -> None:
    quiet, console = Console(quiet=True), Console(record=True, width=120)
    # Gaps grow by a percent from call to call: 1.11 times the gap in the spike's third.
    kept = summarise(run_data(shape=Shape.SPIKE))
    assert kept.spike is not None
    assert kept.spike.ratio == pytest.approx(1.01**10, rel=0.08)
    assert status(kept, quiet) == 0
    console.print(tables(kept))
    assert "the spike" in console.export_text()
    data = run_data(shape=Shape.SPIKE)
    data.calls = [
        replace(c, gaps=tuple((at, gap * (2 if 30 <= at < 60 else 1)) for at, gap in c.gaps))
        for c in data.calls
    ]
    assert status(summarise(data), quiet) == EXIT_BROKEN


def test_spike_counts_whom_it_turned_away_and_whom_it_dropped() -> None:
    data = run_data(shape=Shape.SPIKE)
    data.calls += [
        call(Fate.REFUSED, dialled_s=40.0, ended_s=40.1),
        call(Fate.REFUSED, dialled_s=10.0, ended_s=10.1),
        call(Fate.DROPPED, dialled_s=20.0, ended_s=50.0),
    ]
    spike = summarise(data).spike
    assert spike is not None
    assert (spike.refused, spike.dropped, spike.held) == (1, 1, False)


def test_ramp_states_the_last_stage_that_kept_and_the_first_that_did_not() -> None:
    summary = summarise(run_data(shape=Shape.RAMP))  # 9 calls up on average, then 10
    first, *others = [replace(stage, kept=True) for stage in summary.levels]
    broken = [first, *(replace(stage, kept=False) for stage in others)]
    assert knee(broken) == f"{first.name} calls at p95 333 ms; broken at {others[0].name}"
    assert knee([replace(first, kept=False)]).startswith("below the first")
    assert knee([first]).endswith("not reached")


def test_run_that_is_no_soak_may_still_fill_its_caches() -> None:
    assert status(summarise(run_data(tasks_a_second=0.5)), Console(quiet=True)) == 0


def test_slow_server_breaks_its_objective():
    summary = summarise(run_data(gap_ms=900))
    assert not summary.kept
    assert [verdict.name for verdict in summary.verdicts if verdict.kept is False] == ["p95_gap"]


def test_stages_of_a_ramp_are_the_points_of_the_knee():
    levels = summarise(run_data(shape=Shape.RAMP)).levels
    assert [level.calls for level in levels] == pytest.approx([7.0, 10.0, 3.0], abs=0.1)
    medians = [level.gap_ms.p50 or 0.0 for level in levels]
    assert medians == sorted(medians)


def test_report_survives_being_written_and_read(tmp_path: Path):
    data = run_data()
    run = read_run(saved(tmp_path, "one", data))
    assert [record.gaps for record in run.calls] == [
        tuple((at_s, pytest.approx(gap, abs=1e-3)) for at_s, gap in record.gaps)
        for record in data.calls
    ]
    assert run.calls[0].quality == data.calls[0].quality
    assert run.summary["most_calls"] == 10


@pytest.mark.parametrize(
    "content", ["", "{}", '{"schema": "frontdesk.loadtest", "version": 99, "calls": []}']
)
def test_file_of_another_kind_is_an_error_that_names_it(tmp_path: Path, content: str):
    path = tmp_path / "other.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ReportFileError, match=r"other\.json"):
        read_run(path)


def test_comparison_tells_a_slower_run_from_chance(tmp_path: Path):
    fast = read_run(saved(tmp_path, "fast", run_data(gap_ms=300)))
    slow = read_run(saved(tmp_path, "slow", run_data(gap_ms=450)))
    rows = {row.name: row for row in compare(fast, slow)}
    gap = rows["p95_gap"].ratio
    assert gap is not None
    assert gap.value == pytest.approx(1.5, rel=0.01)
    assert gap.differs
    setup = rows["p95_setup"].ratio
    assert setup is not None
    assert not setup.differs
    calls, media = rows["calls at once, at most"], rows["  of it media"]
    assert (calls.before, calls.after) == (10, 10)
    assert media.before == pytest.approx(19.6 / (30 * 19.95 / 60), rel=0.01)


def test_page_stands_alone_and_is_well_formed():
    summary = summarise(run_data(shape=Shape.RAMP))
    text = page(summary)
    assert "http://" not in text.replace('xmlns="http://www.w3.org', "")
    assert "https://" not in text
    assert "<script" not in text
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) == 8
    for drawing in drawings:
        ElementTree.fromstring(drawing)


def test_page_says_first_that_figures_do_not_stand():
    text = page(summarise(run_data(late_s=0.05)))
    assert text.index("The generator was the bottleneck") < text.index("Objectives")


def test_plot_breaks_its_line_where_nothing_was_measured():
    line = Line(name="p95", colour="c1", points=[(0, 1.0), (1, None), (2, 2.0), (3, 3.0)])
    drawn = line_plot([line], Axis(label="x"), Axis(label="y"))
    path = drawn.split(' d="')[1].split('"')[0]
    assert path.count("M") == 2
    assert path.count("L") == 1


def test_plot_of_nothing_says_so():
    empty = Line(name="p95", colour="c1", points=[(0, None)])
    assert "Not enough" in line_plot([empty], Axis(label="x"), Axis(label="y"))


def test_ticks_are_round_and_cover_the_range():
    assert nice_ticks(0, 870) == [0, 200, 400, 600, 800, 1000]
    assert nice_ticks(0, 0.19) == [0, 0.05, 0.1, 0.15, 0.2]


def test_metrics_are_read_without_buckets():
    text = (
        "# TYPE a_seconds histogram\n"
        'a_seconds_bucket{le="1.0",part="x"} 3\na_seconds_bucket{le="+Inf",part="x"} 4\n'
        'a_seconds_count{part="x"} 4\na_seconds_sum{part="x"} 2.5\n'
        "# TYPE up gauge\nup 1\n"
    )
    assert parse_metrics(text) == {
        "a_seconds_count{part=x}": 4,
        "a_seconds_sum{part=x}": 2.5,
        "up": 1,
    }


def test_metrics_of_several_processes_add_up_to_the_servers():
    text = (
        "# TYPE calls counter\n"
        'calls_total{process="0",end_reason="x"} 3\ncalls_total{process="1",end_reason="x"} 4\n'
        '# TYPE ports gauge\nports{process="0"} 2\nports{process="1"} 5\n'
        '# TYPE late_seconds gauge\nlate_seconds{process="0"} 0.1\nlate_seconds{process="1"} 0.3\n'
        '# TYPE gap_seconds histogram\ngap_seconds_bucket{process="0",le="+Inf"} 1\n'
        'gap_seconds_sum{process="0"} 0.2\ngap_seconds_sum{process="1"} 0.5\n'
    )
    assert parse_metrics(text) == {
        "calls_total{end_reason=x}": 7,
        "ports": 7,
        "late_seconds": 0.3,
        "gap_seconds_sum": pytest.approx(0.7),
    }


def test_call_that_never_was_survives_being_written():
    refused = call(Fate.REFUSED)
    assert CallRecord.from_dict(json.loads(json.dumps(refused.to_dict()))) == refused


def test_mix_has_its_shares(tmp_path: Path):
    path = tmp_path / "mix.yaml"
    path.write_text("order_status: 3\nchange_address: 1\n", encoding="utf-8")
    mix = load_mix(path)
    assert [(part.scenario.name, part.weight) for part in mix.parts] == [
        ("order_status", 3.0),
        ("change_address", 1.0),
    ]


@pytest.mark.parametrize("text", ["", "[order_status]", "order_status: -1", "no_such: 1"])
def test_wrong_mix_is_an_error(tmp_path: Path, text: str):
    path = tmp_path / "mix.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError):
        load_mix(path)
