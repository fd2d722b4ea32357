"""The report of a run for a terminal: one of its own, and several side by side."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from rich.console import Group
from rich.table import Table

from loadtest.turns.report import TurnsReport
from loadtest.turns.rows import AnswerRow, Distribution
from loadtest.turns.script import DONE


def tables(report: TurnsReport) -> Group:
    """The report for a terminal."""
    return Group(
        _table(
            f"answers to {report.target}",
            ("answers", "gap p50", "p95", "cut off", "unanswered"),
            [(row.label, *_answer_cells(row)) for row in report.answers],
        ),
        _table(
            "words over a prompt",
            ("heeded", "silent after, p50", "p95", "ignored"),
            [
                (r.label, str(r.silent_after_ms.count), *_ms(r.silent_after_ms), str(r.ignored))
                for r in report.interruptions
            ],
        ),
        _table(
            "sounds over a prompt",
            ("prompts", "false stops", "silent", "after, p50", "p95", "back after, p50", "p95"),
            [
                (
                    *(row.label, str(row.prompts), str(row.false_stops)),
                    *(*_cells(row.silent_after_ms), *_ms(row.back_after_ms)),
                )
                for row in report.stops
            ],
        ),
        _table(
            "by the server's own records",
            ("turns", "p50", "p95"),
            [
                *((_part_label(part), *_cells(took)) for part, took in report.parts_ms.items()),
                ("endpoint to first packet", *_cells(report.to_packet_ms)),
                ("gap heard less these parts", *_cells(report.unexplained_ms)),
                ("first words lost", f"{report.starts_lost} of {report.starts_known}", "", ""),
            ],
        ),
        _table(
            "targets",
            ("target", "measured", "met"),
            [(t.name, t.target, t.measured, _VERDICT[t.met]) for t in report.targets],
        ),
    )


def side_by_side(reports: Mapping[str, TurnsReport]) -> Table:
    """What was measured of each far end, a column each, and of how many calls and answers."""
    first = next(iter(reports.values()))
    held = [(name, "", *map(show, reports.values())) for name, show in _HELD.items()]
    measured = [
        (target.name, target.target, *(each.targets[row].measured for each in reports.values()))
        for row, target in enumerate(first.targets)
    ]
    return _table("side by side, the same callers", ("target", *reports), [*held, *measured])


def _calls(report: TurnsReport) -> str:
    """How many calls went to the end of their plan, and how the others ended."""
    others = Counter(call.ended for call in report.calls if call.ended != DONE)
    done = len(report.calls) - others.total()
    ends = (f"{count} ended by: {reason}" for reason, count in others.items())
    return "\n".join([f"{done} of {len(report.calls)}", *ends])


_HELD: Final[Mapping[str, Callable[[TurnsReport], str]]] = {
    "calls to the end of their plan": _calls,
    "answers, and words over a prompt": lambda report: (
        f"{report.answers[-1].answers}, "
        f"{sum(row.silent_after_ms.count + row.ignored for row in report.interruptions)}"
    ),
    "sounds over a prompt": lambda report: str(sum(row.prompts for row in report.stops)),
}


_VERDICT: Final[dict[bool | None, str]] = {True: "yes", False: "NO", None: "–"}


def _part_label(part: str) -> str:
    return part.removesuffix("_s")


def _answer_cells(row: AnswerRow) -> tuple[str, ...]:
    return (str(row.answers), *_ms(row.gap_ms), str(row.cut_offs), str(row.unanswered))


def _cells(values: Distribution) -> tuple[str, ...]:
    return (str(values.count), *_ms(values))


def _ms(values: Distribution) -> tuple[str, str]:
    show: Callable[[float | None], str] = lambda value: "" if value is None else f"{value:.0f} ms"  # noqa: E731
    return show(values.p50), show(values.p95)


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*row)
    return table
