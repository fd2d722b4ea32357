"""The report of a run: rows per kind of turn, the targets, a table and JSON."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from rich.console import Group
from rich.table import Table

from loadtest.turns.call import CallRecording
from loadtest.turns.cases import Condition, Kind
from loadtest.turns.records import HeardAnswer
from loadtest.turns.score import AnswerScore, CallScore, Hole, InterruptionScore, StopScore

_LATE_MS: Final = 20.0  # a caller whose clock is a frame late measures itself
_ECHO_PROMPTS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    count: int
    p50: float | None
    p95: float | None

    @classmethod
    def of(cls, values: Iterable[float]) -> "Distribution":
        """The percentiles of `values`, None when there are none."""
        known = np.asarray(list(values), dtype=np.float64)
        if known.size == 0:
            return cls(count=0, p50=None, p95=None)
        p50, p95 = np.percentile(known, (50, 95))
        return cls(count=known.size, p50=float(p50), p95=float(p95))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRow:
    label: str
    answers: int
    gap_ms: Distribution
    cut_offs: int
    unanswered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptionRow:
    label: str
    silent_after_ms: Distribution  # of those that were heeded
    ignored: int  # the prompt was said to its end


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRow:
    label: str
    prompts: int
    false_stops: int
    silent_after_ms: Distribution  # its onset to our silence, where we fell silent
    back_after_ms: Distribution  # its onset to our voice again, likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSummary:
    """A call as it went, or why it did not."""

    name: str
    ended: str
    duration_s: float
    clock_late_p99_ms: float
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    name: str
    target: str
    measured: str
    met: bool | None  # None: not measured


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnsReport:
    target: str  # who was called
    calls: tuple[CallSummary, ...]
    answers: tuple[AnswerRow, ...]  # the last one is all of them
    interruptions: tuple[InterruptionRow, ...]
    stops: tuple[StopRow, ...]
    to_packet_ms: Distribution  # endpoint to first packet, by the server's own records
    parts_ms: Mapping[str, Distribution]  # where the time of a turn went, by the same
    unexplained_ms: Distribution  # gap heard less what the server's records say of it
    starts_lost: int
    starts_known: int
    targets: tuple[Target, ...]

    @property
    def missed(self) -> tuple[Target, ...]:
        return tuple(target for target in self.targets if target.met is False)


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return round(value, 1)
        case dict():
            return {key: _rounded(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
        case list() | tuple():
            return [_rounded(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value


# --- making it ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a run has brought in."""

    recordings: Sequence[CallRecording]
    failures: Sequence[CallSummary]
    scores: Sequence[CallScore]
    heard: Sequence[HeardAnswer]  # empty without access to the server's records


def make_report(target: str, measured: Measured) -> TurnsReport:
    """Put everything measured into rows and hold it against the targets."""
    answers = [each for score in measured.scores for each in score.answers]
    interruptions = [each for score in measured.scores for each in score.interruptions]
    stops = [each for score in measured.scores for each in score.stops]
    calls = [*map(summary_of, measured.recordings), *measured.failures]
    to_packet = Distribution.of(each.to_packet_ms for each in measured.heard)
    unexplained = [e.unexplained_ms for e in measured.heard if e.unexplained_ms is not None]
    known = [each.words_lost for each in measured.heard if each.words_lost is not None]
    return TurnsReport(
        target=target,
        calls=tuple(calls),
        answers=tuple(_answer_rows(answers)),
        interruptions=tuple(_interruption_rows(interruptions)),
        stops=tuple(_stop_rows(stops)),
        to_packet_ms=to_packet,
        parts_ms=_parts(measured.heard),
        unexplained_ms=Distribution.of(unexplained),
        starts_lost=sum(known),
        starts_known=len(known),
        targets=(
            *_gap_targets(answers),
            *_interruption_targets(interruptions, stops),
            *_packet_targets(to_packet),
            _explained_target(unexplained),
            _generator_target(calls),
        ),
    )


def _parts(heard: Sequence[HeardAnswer]) -> dict[str, Distribution]:
    """The time each part took, over the turns whose records name it."""
    names = dict.fromkeys(part for each in heard for part in each.parts_ms)
    return {
        name: Distribution.of(each.parts_ms[name] for each in heard if name in each.parts_ms)
        for name in names
    }


def summary_of(call: CallRecording) -> CallSummary:
    """A call that was held."""
    return CallSummary(
        name=call.name,
        ended=call.ended,
        duration_s=call.heard.size / 8_000,
        clock_late_p99_ms=call.media.clock_late_p99_ms,
        failed=False,
    )


def _answer_rows(answers: Sequence[AnswerScore]) -> Iterable[AnswerRow]:
    for kind in Kind:
        chosen = [a for a in answers if a.kind is kind and a.condition is Condition.CLEAN]
        if chosen:
            yield _answer_row(kind.value, chosen)
    for condition in Condition:
        chosen = [a for a in answers if a.condition is condition]
        if chosen:
            yield _answer_row(f"all, {condition.value}", chosen)
    yield _answer_row("all", answers)


def _answer_row(label: str, answers: Sequence[AnswerScore]) -> AnswerRow:
    cut_offs = sum(answer.cut_off for answer in answers)
    gaps = [answer.gap_ms for answer in answers if answer.gap_ms is not None]
    return AnswerRow(
        label=label,
        answers=len(answers),
        gap_ms=Distribution.of(gaps),
        cut_offs=cut_offs,
        unanswered=len(answers) - cut_offs - len(gaps),
    )


def _interruption_rows(scores: Sequence[InterruptionScore]) -> Iterable[InterruptionRow]:
    for kind in (Kind.INTERRUPTION, Kind.DOUBLE_TALK):
        chosen = [score for score in scores if score.kind is kind]
        yield InterruptionRow(
            label=kind.value,
            silent_after_ms=Distribution.of(s.silent_after_ms for s in chosen if s.heeded),
            ignored=sum(not score.heeded for score in chosen),
        )


def _stop_rows(stops: Sequence[StopScore]) -> Iterable[StopRow]:
    for kind in (Kind.BACKCHANNEL, Kind.NOISE, Kind.BACKGROUND, Kind.ECHO):
        chosen = [stop for stop in stops if stop.kind is kind]
        holes = [stop.hole for stop in chosen if stop.hole is not None]
        yield StopRow(
            label=kind.value,
            prompts=len(chosen),
            false_stops=sum(stop.false_stop for stop in chosen),
            silent_after_ms=Distribution.of(hole.silent_after_ms for hole in holes),
            back_after_ms=_back_after(holes),
        )


def _back_after(holes: Iterable[Hole]) -> Distribution:
    return Distribution.of(h.back_after_ms for h in holes if h.back_after_ms is not None)


# --- targets --------------------------------------------------------------------------------------


def _gap_targets(answers: Sequence[AnswerScore]) -> list[Target]:
    row = _answer_row("all", answers)
    return [
        _at_most("gap, p50", row.gap_ms.p50, 350, "ms"),
        _at_most("gap, p95", row.gap_ms.p95, 700, "ms"),
        _share("false cut-offs", row.cut_offs, row.answers),
    ]


def _interruption_targets(
    interruptions: Sequence[InterruptionScore], stops: Sequence[StopScore]
) -> list[Target]:
    # One that is ignored lasts as long as the prompt did: leaving it out would reward deafness.
    silent = Distribution.of(score.silent_after_ms for score in interruptions)
    sounds = [stop for stop in stops if stop.kind is not Kind.ECHO]
    echoes = [stop for stop in stops if stop.kind is Kind.ECHO]
    stopped = sum(stop.false_stop for stop in echoes)
    listening = [s.hole for s in stops if s.kind is Kind.BACKCHANNEL and s.hole is not None]
    return [
        _at_most("interruption to silence, p50", silent.p50, 120, "ms"),
        _at_most("interruption to silence, p95", silent.p95, 200, "ms"),
        _at_most("mm-hm to our voice again, p50", _back_after(listening).p50, 300, "ms"),
        _share("false stops", sum(stop.false_stop for stop in sounds), len(sounds)),
        Target(
            name="false stops by echo at -12 dB",
            target=f"0 in {_ECHO_PROMPTS}",
            measured=f"{stopped} in {len(echoes)}",
            # Too few prompts without a stop prove nothing yet; one stop is one too many.
            met=False if stopped else (True if len(echoes) >= _ECHO_PROMPTS else None),
        ),
    ]


def _packet_targets(to_packet: Distribution) -> list[Target]:
    return [
        _at_most("endpoint to first packet, p50", to_packet.p50, 40, "ms"),
        _at_most("endpoint to first packet, p95", to_packet.p95, 100, "ms"),
    ]


def _explained_target(unexplained: Sequence[float]) -> Target:
    """Records that do not add up to what was heard explain nothing."""
    sizes = Distribution.of(abs(each) for each in unexplained)
    return _at_most("gap less its recorded parts, p95", sizes.p95, 50, "ms")


def _generator_target(calls: Sequence[CallSummary]) -> Target:
    """A caller that is late itself measures nothing; a call that failed is not a good one."""
    failed = sum(call.failed for call in calls)
    late_ms = max((call.clock_late_p99_ms for call in calls), default=0.0)
    return Target(
        name="callers in time, calls held",
        target=f"p99 ≤ {_LATE_MS:.0f} ms, 0 failed",
        measured=f"{late_ms:.1f} ms, {failed} failed",
        met=late_ms <= _LATE_MS and not failed,
    )


def _at_most(name: str, measured: float | None, limit: float, unit: str) -> Target:
    return Target(
        name=name,
        target=f"≤ {limit:.0f} {unit}",
        measured="not measured" if measured is None else f"{measured:.0f} {unit}",
        met=None if measured is None else measured <= limit,
    )


def _share(name: str, bad: int, total: int) -> Target:
    share = bad / total if total else 0.0
    return Target(
        name=name,
        target="≤ 5%",
        measured=f"{100 * share:.1f}% ({bad} of {total})" if total else "not measured",
        met=share <= 0.05 if total else None,
    )


# --- showing it -----------------------------------------------------------------------------------


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
    """What was measured of each far end, a column each."""
    first = next(iter(reports.values()))
    return _table(
        "side by side, the same callers",
        ("target", *reports),
        [
            (target.name, target.target, *(each.targets[row].measured for each in reports.values()))
            for row, target in enumerate(first.targets)
        ],
    )


def to_json(reports: Mapping[str, TurnsReport]) -> str:
    """The reports as one JSON object, floats to a tenth."""
    return json.dumps(
        {name: _rounded(asdict(report)) for name, report in reports.items()}, indent=2
    )


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
