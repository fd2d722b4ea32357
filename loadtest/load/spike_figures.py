"""What a spike did to the calls that were admitted, beside the time before it; pure."""

from dataclasses import dataclass
from typing import Final

from loadtest.load.records import Fate
from loadtest.load.run import RunData, between
from loadtest.shapes import Shape, spike_s
from loadtest.statistics import Spread

WANTED: Final = 1.2
"""Times the p95 gap before it: callers who are in should not notice those who are not let in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikeFigures:
    before_ms: Spread  # gaps, until the spike
    during_ms: Spread
    refused: int  # of those who came in the spike
    dropped: int

    @property
    def ratio(self) -> float | None:
        """The p95 gap in the spike over that before it; None when there were none."""
        before, during = self.before_ms.p95, self.during_ms.p95
        return during / before if before and during is not None else None

    @property
    def held(self) -> bool:
        """Whether those who were in noticed nothing."""
        return self.ratio is not None and self.ratio <= WANTED and not self.dropped


def spike_figures(data: RunData) -> SpikeFigures | None:
    """Of a run with a spike; None of any other."""
    if data.options.shape.shape is not Shape.SPIKE:
        return None
    start_s, end_s = spike_s(data.options.shape)
    came = [call for call in data.calls if start_s <= call.dialled_s < end_s]
    over = between(data.calls, start_s, end_s)
    return SpikeFigures(
        before_ms=_gaps(data, start_s / 2, start_s),  # the first half is calls coming in
        during_ms=_gaps(data, start_s, end_s),
        refused=sum(call.fate is Fate.REFUSED for call in came),
        dropped=sum(call.fate is Fate.DROPPED for call in over),
    )


def _gaps(data: RunData, start_s: float, end_s: float) -> Spread:
    return Spread.of(
        gap_ms for call in between(data.calls, start_s, end_s) for _, gap_ms in call.gaps
    )
