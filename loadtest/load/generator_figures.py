"""Whether the callers themselves kept up: a late caller measures its own lateness; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from loadtest.load.records import Pulse
from loadtest.load.run import RunData
from loadtest.quality import Histogram
from loadtest.statistics import slope

LATE_LIMIT_MS: Final = 5.0  # p99 of the callers' own clock: a quarter of a packet
CPU_LIMIT: Final = 0.85  # of a core, per generator process, over ten seconds
_WINDOW_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorFigures:
    """The callers themselves: a late caller measures its own lateness."""

    processes: int
    late_p50_ms: float
    late_p99_ms: float
    busiest: float  # the busiest ten seconds of the busiest process, share of a core
    cpu_s: float  # all processes, prompt recognition included
    held_back: int  # arrivals for whom no caller was free
    bottleneck: str | None  # why the run cannot be trusted
    stolen_s: float | None  # CPU time that the host took of the machine, all cores
    stolen_most_s: float | None  # within one second


def _by_process(pulses: Sequence[Pulse]) -> dict[int, list[Pulse]]:
    found: dict[int, list[Pulse]] = {}
    for pulse in pulses:
        found.setdefault(pulse.process, []).append(pulse)
    return found


def generator_cores(pulses: Sequence[Pulse], start_s: float, end_s: float) -> float | None:
    slopes = [
        slope([(p.at_s, p.cpu_s + p.reader_cpu_s) for p in own], start_s, end_s)
        for own in _by_process(pulses).values()
    ]
    known = [slope for slope in slopes if slope is not None]
    return sum(known) if known else None


def generator_figures(data: RunData) -> GeneratorFigures:
    processes = _by_process(data.pulses)
    late = Histogram()
    for own in processes.values():
        late.merge(Histogram(own[-1].late))
    p99_ms = late.percentile_ms(99)
    stolen = [took for own in list(processes.values())[:1] for took in _stolen(own)]  # of them all
    busiest = max((_busiest(own) for own in processes.values()), default=0.0)
    return GeneratorFigures(
        processes=len(processes),
        late_p50_ms=late.percentile_ms(50),
        late_p99_ms=p99_ms,
        busiest=busiest,
        cpu_s=sum(own[-1].cpu_s + own[-1].reader_cpu_s for own in processes.values()),
        held_back=data.held_back,
        bottleneck=_bottleneck(p99_ms, busiest, data.held_back),
        stolen_s=sum(stolen) if stolen else None,
        stolen_most_s=max(stolen, default=None),
    )


def _stolen(pulses: Sequence[Pulse]) -> list[float]:
    """What the host took between each two pulses of one process; empty where it does not tell."""
    told = [pulse.stolen_s for pulse in pulses if pulse.stolen_s is not None]
    return [after - before for before, after in pairwise(told)]


def _busiest(pulses: Sequence[Pulse]) -> float:
    """The largest share of a core that the clock's process took for ten seconds."""
    shares = [
        (later.cpu_s - sooner.cpu_s) / (later.at_s - sooner.at_s)
        for index, sooner in enumerate(pulses)
        for later in pulses[index + 1 :]
        if _WINDOW_S <= later.at_s - sooner.at_s < _WINDOW_S + 2
    ]
    return max(shares, default=0.0)


def _bottleneck(late_p99_ms: float, busiest: float, held_back: int) -> str | None:
    if late_p99_ms > LATE_LIMIT_MS:
        return f"its packets left late, p99 {late_p99_ms:.1f} ms: use more or quieter cores"
    if busiest > CPU_LIMIT:
        return f"a process took {100 * busiest:.0f}% of a core: use more --processes"
    if held_back:
        return f"{held_back} arrivals found no free caller: raise --calls"
    return None
