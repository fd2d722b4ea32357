"""What generator processes tell their parent, and what is kept of a run: plain data, as JSON.

Times are seconds on the machine's monotonic clock, which its processes share, until the parent
makes them seconds since the run began.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from loadtest.quality import Quality
from loadtest.report import CallReport, Outcome


class Fate(StrEnum):
    """What became of a call, for whoever counts calls."""

    SUCCEEDED = "succeeded"  # the caller's goal was reached
    FAILED = "failed"  # the call ended in order, without the goal
    DROPPED = "dropped"  # it was up, and broke, or was silent from the start
    REFUSED = "refused"  # a final SIP error, or a WebSocket declined
    UNREACHABLE = "unreachable"  # no answer
    STOPPED = "stopped"  # the run ended before the call did


_BROKEN = "network"

_FATES = {
    Outcome.COMPLETED: Fate.SUCCEEDED,
    Outcome.FAILED: Fate.FAILED,
    Outcome.TIMED_OUT: Fate.FAILED,
    Outcome.HUNG_UP_ON: Fate.FAILED,
    Outcome.NO_MEDIA: Fate.DROPPED,
    Outcome.REFUSED: Fate.REFUSED,
    Outcome.UNREACHABLE: Fate.UNREACHABLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call, as its caller had it."""

    number: int
    scenario: str
    fate: Fate
    detail: str
    dialled_s: float
    ended_s: float
    answered_s: float | None = None
    setup_ms: float | None = None
    greeting_ms: float | None = None
    gaps: tuple[tuple[float, float], ...] = ()  # when the reply began, ms before it
    interruptions_ms: tuple[float, ...] = ()  # the caller's onset to our silence
    cut_offs: int = 0
    asked_twice: int = 0
    wrong_record: bool = False
    contained: bool = False
    quality: Quality | None = None

    @property
    def answered(self) -> bool:
        return self.answered_s is not None

    @property
    def talked_s(self) -> float:
        """How long the call was up."""
        return 0.0 if self.answered_s is None else max(0.0, self.ended_s - self.answered_s)

    def since(self, epoch_s: float) -> "CallRecord":
        """The same with its times counted from `epoch_s`."""
        answered_s = None if self.answered_s is None else self.answered_s - epoch_s
        return replace(
            self,
            dialled_s=self.dialled_s - epoch_s,
            ended_s=self.ended_s - epoch_s,
            answered_s=answered_s,
            gaps=tuple((at_s - epoch_s, gap_ms) for at_s, gap_ms in self.gaps),
        )

    def to_dict(self) -> dict[str, Any]:
        return rounded(asdict(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "CallRecord":
        """Read back what `to_dict` wrote.

        Raises:
            TypeError, KeyError, ValueError: something else.
        """
        quality = data.get("quality")
        fields: dict[str, Any] = {
            **data,
            "fate": Fate(data["fate"]),
            "gaps": tuple((float(at), float(gap)) for at, gap in data["gaps"]),
            "interruptions_ms": tuple(data["interruptions_ms"]),
            "quality": None if quality is None else Quality(**quality),
        }
        return cls(**fields)


def _fate(report: CallReport) -> Fate:
    broke = report.ended_by == _BROKEN and not report.goal_reached
    return Fate.DROPPED if broke else _FATES[report.outcome]


def record_of(
    number: int, report: CallReport, *, dialled_s: float, ended_s: float, stopped: bool
) -> CallRecord:
    """A call's record from the report its caller made of it."""
    up = report.setup_ms is not None
    answered_s = dialled_s + report.setup_ms / 1000 if report.setup_ms is not None else None
    gaps = zip(report.gap_ends_s, report.gaps_ms, strict=True)
    cut_short = stopped and not report.goal_reached
    return CallRecord(
        number=number,
        scenario=report.scenario,
        fate=Fate.STOPPED if cut_short else _fate(report),
        detail=report.detail,
        dialled_s=dialled_s,
        ended_s=ended_s,
        answered_s=answered_s,
        setup_ms=report.setup_ms,
        greeting_ms=report.greeting_ms,
        gaps=tuple((answered_s + at_s, gap_ms) for at_s, gap_ms in gaps) if answered_s else (),
        interruptions_ms=tuple(t.silenced_ms for t in report.turns if t.silenced_ms is not None),
        cut_offs=report.cut_offs,
        asked_twice=report.asked_twice,
        wrong_record=report.wrong_record,
        contained=report.contained and up,
        quality=report.quality,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """A generator process, once a second; totals since it started."""

    at_s: float
    process: int
    active: int
    cpu_s: float  # of the process that keeps the callers' clock
    reader_cpu_s: float  # of the one that recognises prompts
    late: Sequence[int] = ()  # a quality.Histogram's counts
    stolen_s: float | None = None  # of its machine, since that started: loadtest/load/host.py


def rounded(value: Any) -> Any:
    """Floats to a ten-thousandth, enumerations and tuples as JSON has them."""
    match value:
        case StrEnum():
            return value.value
        case float():
            return round(value, 4)
        case dict():
            return {key: rounded(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
        case list() | tuple():
            return [rounded(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value
