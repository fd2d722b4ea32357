"""What a run amounts to: the figures of the report, from its records; pure.

Gaps count at the moment the reply began, everything else of a call when it ended. Concurrency at
a moment is the number of calls that were up.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from loadtest.load import slo
from loadtest.load.generator_figures import GeneratorFigures, generator_cores, generator_figures
from loadtest.load.overload_figures import OverloadFigures, overload_figures
from loadtest.load.records import CallRecord, Fate
from loadtest.load.run import RunData, between, up_between
from loadtest.load.server_figures import ServerFigures, server_figures
from loadtest.load.server_side import Sample
from loadtest.load.slo import Verdict
from loadtest.load.spike_figures import SpikeFigures, spike_figures
from loadtest.shapes import Shape, stage_ends_s
from loadtest.statistics import Spread, slope

_BUCKETS: Final = 60  # of the timeline
_MIN_BUCKET_S: Final = 5.0  # a turn takes that long
_LEVELS: Final = 10  # of the knee curve of a run without stages


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio:
    """What came back, over all calls."""

    jitter_ms: Spread  # the worst of each call, RFC 3550
    lateness_ms: Spread  # p99 of each call
    loss: float | None  # mean share of packets, from the server to the caller
    mos: Spread  # of each call; p50 is the median call
    mos_p5: float | None  # 95% of the calls are at least that good
    underruns: int
    calls_with_underruns: int
    held_up: int  # of the underruns: while the callers' own clock did not run


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What callers got; shares are of answered calls that were not cut short, or None."""

    dialled: int
    answered: int
    fates: Mapping[str, int]
    success: float | None
    containment: float | None
    wrong_records: int
    asked_twice: int
    cut_offs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One scenario, or one level of load."""

    name: str
    calls: float  # how many there were, or were up at once
    answered: int
    gap_ms: Spread
    success: float | None
    asked_twice: int
    wrong_records: int
    dropped: int
    underruns: int
    server_cpu: float | None = None  # cores
    kept: bool | None = None  # every SLO


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A bucket of the timeline."""

    at_s: float
    calls: float
    gap_ms: Spread
    server_cpu: float | None  # cores
    generator_cpu: float | None  # cores
    memory_mb: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    target: str
    shape: str
    started_at: str
    length_s: float
    ended: str
    cores: int
    call_minutes: float
    most_calls: int  # up at once
    outcomes: Outcomes
    gap_ms: Spread
    interruption_ms: Spread
    setup_ms: Spread
    greeting_ms: Spread
    audio: Audio
    generator: GeneratorFigures
    server: ServerFigures
    spike: SpikeFigures | None
    overload: OverloadFigures | None
    verdicts: tuple[Verdict, ...]
    scenarios: tuple[Row, ...]
    levels: tuple[Row, ...]  # the knee curve
    timeline: tuple[Moment, ...]

    @property
    def kept(self) -> bool:
        """Whether no SLO was broken."""
        return all(verdict.kept is not False for verdict in self.verdicts)


def summarise(data: RunData) -> Summary:
    """The whole summary of a run."""
    calls, options = data.calls, data.options
    call_minutes = sum(call.talked_s for call in calls) / 60
    most_calls = _most_at_once(calls)
    return Summary(
        target=options.target,
        shape=options.shape.shape.value,
        started_at=data.started_at.isoformat(timespec="seconds"),
        length_s=data.length_s,
        ended=data.ended,
        cores=data.cores,
        call_minutes=call_minutes,
        most_calls=most_calls,
        outcomes=_outcomes(calls),
        gap_ms=gaps(calls),
        interruption_ms=Spread.of(ms for call in calls for ms in call.interruptions_ms),
        setup_ms=_spread(call.setup_ms for call in calls),
        greeting_ms=_spread(call.greeting_ms for call in calls),
        audio=_audio(calls),
        generator=generator_figures(data),
        server=server_figures(data, call_minutes=call_minutes, most_calls=most_calls),
        spike=spike_figures(data),
        overload=overload_figures(data),
        verdicts=tuple(each.judge(calls) for each in options.slos),
        scenarios=tuple(_scenario_rows(calls)),
        levels=tuple(_levels(data)),
        timeline=tuple(_timeline(data)),
    )


def gaps(calls: Iterable[CallRecord]) -> Spread:
    """Of all the calls' gaps."""
    return Spread.of(gap_ms for call in calls for _, gap_ms in call.gaps)


def _spread(values: Iterable[float | None]) -> Spread:
    return Spread.of(value for value in values if value is not None)


def _most_at_once(calls: Sequence[CallRecord]) -> int:
    changes = [(call.answered_s, 1) for call in calls if call.answered_s is not None]
    changes += [(call.ended_s, -1) for call in calls if call.answered]
    up = most = 0
    for _, change in sorted(changes):
        up += change
        most = max(most, up)
    return most


def _outcomes(calls: Sequence[CallRecord]) -> Outcomes:
    return Outcomes(
        dialled=len(calls),
        answered=sum(call.answered for call in calls),
        fates={fate.value: sum(call.fate is fate for call in calls) for fate in Fate},
        success=slo.success(calls),
        containment=slo.containment(calls),
        wrong_records=sum(call.wrong_record for call in calls),
        asked_twice=sum(call.asked_twice for call in calls),
        cut_offs=sum(call.cut_offs for call in calls),
    )


def _audio(calls: Sequence[CallRecord]) -> Audio:
    known = [call.quality for call in calls if call.quality is not None]
    return Audio(
        jitter_ms=_spread(each.worst_jitter_ms for each in known),
        lateness_ms=_spread(each.lateness_p99_ms for each in known),
        loss=slo.loss(calls),
        mos=_spread(each.mos for each in known),
        mos_p5=slo.mos(calls),
        underruns=sum(each.underruns for each in known),
        calls_with_underruns=sum(each.underruns > 0 for each in known),
        held_up=sum(each.held_up for each in known),
    )


def _row(
    name: str, count: float, calls: Sequence[CallRecord], server_cpu: float | None = None
) -> Row:
    return Row(
        name=name,
        calls=count,
        answered=sum(call.answered for call in calls),
        gap_ms=gaps(calls),
        success=slo.success(calls),
        asked_twice=sum(call.asked_twice for call in calls),
        wrong_records=sum(call.wrong_record for call in calls),
        dropped=sum(call.fate is Fate.DROPPED for call in calls),
        underruns=sum(call.quality.underruns for call in calls if call.quality),
        server_cpu=server_cpu,
    )


def _scenario_rows(calls: Sequence[CallRecord]) -> Iterable[Row]:
    for name in dict.fromkeys(call.scenario for call in calls):
        own = [call for call in calls if call.scenario == name]
        yield _row(name, len(own), own)


# --- over load and over time ----------------------------------------------------------------------


def _levels(data: RunData) -> Iterable[Row]:
    """The knee curve: the stages of a ramp; else moments with about as many calls together."""
    if data.options.shape.shape is Shape.RAMP:
        start_s = 0.0
        for end_s in stage_ends_s(data.options.shape):
            if start_s < data.length_s:
                yield _level(data, [(start_s, min(end_s, data.length_s))])
            start_s = end_s
        return
    by_level: dict[int, list[tuple[float, float]]] = {}
    width = max(1, math.ceil(_most_at_once(data.calls) / _LEVELS))
    for start_s, end_s in _bucket_edges(data):
        up = up_between(data.calls, start_s, end_s)
        if up >= 0.5:  # less is the run's beginning and end
            by_level.setdefault(round(up / width), []).append((start_s, end_s))
    for level in sorted(by_level):
        yield _level(data, by_level[level])


def _level(data: RunData, stretches: Sequence[tuple[float, float]]) -> Row:
    calls = [call for start_s, end_s in stretches for call in between(data.calls, start_s, end_s)]
    up = [up_between(data.calls, *stretch) for stretch in stretches]
    cpu = [each for stretch in stretches if (each := _cores(data.samples, *stretch)) is not None]
    mean = sum(up) / len(up)
    row = _row(f"{mean:.1f}", mean, calls, sum(cpu) / len(cpu) if cpu else None)
    verdicts = [each.judge(calls).kept for each in data.options.slos]
    judged = [kept for kept in verdicts if kept is not None]
    return replace(row, kept=all(judged) if judged else None)


def _bucket_edges(data: RunData) -> list[tuple[float, float]]:
    end_s = max([call.ended_s for call in data.calls], default=data.length_s)
    width_s = max(_MIN_BUCKET_S, end_s / _BUCKETS)
    count = math.ceil(end_s / width_s)
    return [(k * width_s, (k + 1) * width_s) for k in range(count)]


def _timeline(data: RunData) -> Iterable[Moment]:
    for start_s, end_s in _bucket_edges(data):
        inside = [s.memory_mb for s in data.samples if start_s <= s.at_s < end_s and s.memory_mb]
        yield Moment(
            at_s=start_s,
            calls=up_between(data.calls, start_s, end_s),
            gap_ms=gaps(between(data.calls, start_s, end_s)),
            server_cpu=_cores(data.samples, start_s, end_s),
            generator_cpu=generator_cores(data.pulses, start_s, end_s),
            memory_mb=max(inside, default=None),
        )


def _cores(samples: Sequence[Sample], start_s: float, end_s: float) -> float | None:
    """CPU of the server within a stretch, from the samples around it."""
    known = [(each.at_s, each.cpu_s) for each in samples if each.cpu_s is not None]
    return slope(known, start_s, end_s)
