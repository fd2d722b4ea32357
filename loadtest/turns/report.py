"""The report of a run: its calls, its rows, what they are held against; and the same as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from loadtest.turns.call import CallRecording
from loadtest.turns.records import HeardAnswer
from loadtest.turns.rows import (
    AnswerRow,
    Distribution,
    InterruptionRow,
    StopRow,
    answer_rows,
    interruption_rows,
    stop_rows,
)
from loadtest.turns.score import CallScore
from loadtest.turns.targets import Target, targets_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSummary:
    """A call as it went, or why it did not."""

    name: str
    ended: str
    duration_s: float
    clock_late_p99_ms: float
    failed: bool


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
    heard = measured.heard
    known = [each.words_lost for each in heard if each.words_lost is not None]
    return TurnsReport(
        target=target,
        calls=tuple(calls),
        answers=tuple(answer_rows(answers)),
        interruptions=tuple(interruption_rows(interruptions)),
        stops=tuple(stop_rows(stops)),
        to_packet_ms=Distribution.of(each.to_packet_ms for each in heard),
        parts_ms=_parts(heard),
        unexplained_ms=Distribution.of(
            each.unexplained_ms for each in heard if each.unexplained_ms is not None
        ),
        starts_lost=sum(known),
        starts_known=len(known),
        targets=targets_of(
            measured.scores,
            heard,
            late_ms=max((call.clock_late_p99_ms for call in calls), default=0.0),
            failed=sum(call.failed for call in calls),
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


def to_json(reports: Mapping[str, TurnsReport]) -> str:
    """The reports as one JSON object, floats to a tenth."""
    return json.dumps(
        {name: _rounded(asdict(report)) for name, report in reports.items()}, indent=2
    )


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
