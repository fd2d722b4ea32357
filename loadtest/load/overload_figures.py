"""How a server fared that was offered twice what it carries, beside when it was not; pure.

Nominal is the load it carries, held for a while. What counts then is that who is let in notices
nothing of those who are not, and that those are told at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from loadtest.load import slo
from loadtest.load.records import CallRecord, Fate
from loadtest.load.run import RunData, between, up_between
from loadtest.load.spike_figures import WANTED
from loadtest.shapes import Shape, overload_s
from loadtest.statistics import Spread

_CARRIED: Final = 0.99  # of the nominal calls are let in, or it was not nominal
_OFFERED: Final = 0.8  # of what was to arrive did


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFigures:
    """A stretch of time; calls count for the one they came in, gaps for the one they ended in."""

    offered: int  # calls
    offered_per_s: float
    admitted: int
    refused: int  # told so
    unanswered: int  # told nothing: no answer at all
    dropped: int
    up: float  # at once, on average
    gap_ms: Spread
    success: float | None  # of calls that ended in it

    @property
    def admitted_share(self) -> float:
        return self.admitted / self.offered if self.offered else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OverloadFigures:
    nominal: PhaseFigures
    crowd: PhaseFigures
    factor: float  # how many times as many were to arrive
    refused_after_ms: Spread  # from dialling to the refusal

    @property
    def ratio(self) -> float | None:
        """The p95 gap in the crowd over the nominal one; None when there were none."""
        nominal, crowd = self.nominal.gap_ms.p95, self.crowd.gap_ms.p95
        return crowd / nominal if nominal and crowd is not None else None

    @property
    def faults(self) -> Sequence[str]:
        """Why it does not hold, in words; empty: it does."""
        nominal, crowd, ratio = self.nominal, self.crowd, self.ratio
        found: list[str] = []
        if nominal.admitted_share < _CARRIED:
            found.append("calls were refused before the crowd came: begin with fewer")
        if crowd.offered_per_s < _OFFERED * self.factor * nominal.offered_per_s:
            found.append("the crowd was too small")
        if ratio is None:
            found.append("no gap was measured")
        elif ratio > WANTED:
            found.append(f"those who were in waited {ratio:.2f} times as long, wanted {WANTED:g}")
        if crowd.dropped:
            found.append(f"{crowd.dropped} calls were dropped")
        if crowd.unanswered:
            found.append(f"{crowd.unanswered} calls were neither taken nor refused")
        return found


def overload_figures(data: RunData) -> OverloadFigures | None:
    """Of a run with an overload; None of any other."""
    if data.options.shape.shape is not Shape.OVERLOAD:
        return None
    phases = overload_s(data.options.shape)
    crowd_over_s = min(phases.over_s, data.length_s)
    came = _came(data.calls, phases.crowd_s, crowd_over_s)
    return OverloadFigures(
        nominal=_phase(data, phases.measured_s, phases.crowd_s),
        crowd=_phase(data, phases.crowd_s, crowd_over_s),
        factor=data.options.shape.factor,
        refused_after_ms=Spread.of(
            1000 * (call.ended_s - call.dialled_s) for call in came if call.fate is Fate.REFUSED
        ),
    )


def _came(calls: Sequence[CallRecord], start_s: float, end_s: float) -> list[CallRecord]:
    return [call for call in calls if start_s <= call.dialled_s < end_s]


def _phase(data: RunData, start_s: float, end_s: float) -> PhaseFigures:
    came = _came(data.calls, start_s, end_s)
    inside = between(data.calls, start_s, end_s)
    length_s = end_s - start_s
    return PhaseFigures(
        offered=len(came),
        offered_per_s=len(came) / length_s if length_s > 0 else 0.0,
        admitted=sum(call.answered for call in came),
        refused=sum(call.fate is Fate.REFUSED for call in came),
        unanswered=sum(call.fate is Fate.UNREACHABLE for call in came),
        dropped=sum(call.fate is Fate.DROPPED for call in inside),
        up=up_between(data.calls, start_s, end_s),
        gap_ms=Spread.of(gap_ms for call in inside for _, gap_ms in call.gaps),
        success=slo.success(inside),
    )
