"""Two runs side by side: ratios of what was measured, with bootstrap intervals over their calls."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from rich.table import Table

from loadtest.load import slo
from loadtest.load.files import SavedRun, read_run
from loadtest.load.records import CallRecord
from loadtest.load.slo import parse_slo, shown
from loadtest.statistics import Ratio, bootstrap_ratio

_SEED: Final = 1  # the same two files give the same table


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One figure of both runs."""

    name: str
    unit: str
    before: float | None
    after: float | None
    ratio: Ratio | None


def _percentile(name: str) -> Callable[[Sequence[CallRecord]], float | None]:
    return parse_slo(f"{name}=1ms").measure


_MEASURES: Final = (
    *((name, "ms", _percentile(name)) for name in ("p50_gap", "p95_gap", "p99_gap")),
    *((name, "ms", _percentile(name)) for name in ("p50_interruption", "p95_interruption")),
    *((name, "ms", _percentile(name)) for name in ("p95_setup", "p95_greeting", "p95_jitter")),
    ("success", "%", slo.success),
    ("containment", "%", slo.containment),
    ("refused", "%", slo.refused),
    ("dropped", "%", slo.dropped),
    ("cut_offs", "%", slo.cut_offs),
    ("underruns", "", slo.underruns),
    ("mos", "", slo.mos),
)


def _figures(run: SavedRun) -> dict[str, float | None]:
    """What there is one number of in a run."""
    summary, server = run.summary, run.summary["server"]
    parts = sorted(server.get("cpu_parts", {}).items(), key=lambda part: -part[1])
    return {
        "calls at once, at most": summary["most_calls"],
        "server CPU s per call-minute": server["cpu_s_per_call_minute"],
        **{f"  of it {name}": spent_s for name, spent_s in parts},
        "server MB at most": server.get("memory_most_mb"),
        "server MB per call": server["mb_per_call"],
        "callers' clock late, p99 ms": summary["generator"]["late_p99_ms"],
    }


def compare(before: SavedRun, after: SavedRun) -> list[Compared]:
    """Every figure of both; those of the server have no interval, being one number a run."""
    random = Random(_SEED)
    rows = [
        Compared(
            name=name,
            unit=unit,
            before=measure(before.calls),
            after=measure(after.calls),
            ratio=bootstrap_ratio(before.calls, after.calls, measure, random),
        )
        for name, unit, measure in _MEASURES
    ]
    first, second = _figures(before), _figures(after)
    for name in dict.fromkeys((*first, *second)):
        rows.append(
            Compared(name=name, unit="", before=first.get(name), after=second.get(name), ratio=None)
        )
    return rows


def compare_files(before: Path, after: Path) -> Table:
    """The table of two reports.

    Raises:
        ReportFileError: one cannot be read.
    """
    first, second = read_run(before), read_run(after)
    table = Table(title=f"{second.name} against {first.name}", title_justify="left")
    table.add_column("")
    for column in (first.name, second.name, "ratio", "95% of chance", ""):
        table.add_column(column, justify="right")
    for row in compare(first, second):
        table.add_row(
            row.name,
            _shown(row.before, row.unit),
            _shown(row.after, row.unit),
            _ratio(row),
            f"{row.ratio.low:.2f} to {row.ratio.high:.2f}" if row.ratio else "",
            "differs" if row.ratio is not None and row.ratio.differs else "",
        )
    return table


def _shown(value: float | None, unit: str) -> str:
    return "–" if value is None else shown(value, unit)


def _ratio(row: Compared) -> str:
    if row.ratio is not None:
        return f"{row.ratio.value:.2f}"
    return f"{row.after / row.before:.2f}" if row.before and row.after is not None else "–"
