"""What the samples of the server amount to; pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from loadtest.load.run import RunData
from loadtest.load.server_side import Sample
from loadtest.shapes import Shape

_PART: Final = "frontdesk_gap_part_seconds_"
_CPU: Final = "frontdesk_cpu_seconds_total"
_BATCHES: Final = "frontdesk_recognition_batches_total"
_TICKS: Final = "frontdesk_media_ticks_total"
_LATE_TICKS: Final = "frontdesk_media_ticks_late_total"
_LEFT_OUT: Final = "frontdesk_media_ticks_left_out_total"


_SPARE: Final = {"MB": 8.0}
"""Growth that is none: a heap's own breathing; 2 of what is counted, for calls that come and go."""
_GROWTH: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the server held of something, in the run's second quarter and in its last."""

    name: str
    unit: str  # empty: pieces
    early: float
    late: float

    @property
    def grew(self) -> bool:
        """Whether that is more than chance."""
        return self.late - self.early > max(_SPARE.get(self.unit, 2.0), _GROWTH * self.early)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFigures:
    """The server, as far as it could be seen."""

    cpu_s: float | None = None
    cpu_s_per_call_minute: float | None = None
    memory_start_mb: float | None = None
    memory_most_mb: float | None = None
    mb_per_call: float | None = None  # growth with concurrent calls
    memory_mb_per_hour: float | None = None  # trend of the second half: a leak
    held: tuple[Held, ...] = ()
    descriptors_most: int | None = None
    threads_most: int | None = None
    parts_ms: Mapping[str, float] = field(default_factory=dict[str, float])  # mean, of a turn
    cpu_parts: Mapping[str, float] = field(default_factory=dict[str, float])
    """CPU seconds per call-minute, by part; "its children" is what its processes beside it took."""
    ticks: int | None = None  # of its media clock
    late_ticks: Mapping[str, float] = field(default_factory=dict[str, float])
    """Of those, by the milliseconds they were late over: what callers may hear as a hole."""
    ticks_left_out: int = 0
    waiting_most: float | None = None  # utterances in line before the recogniser
    together: float | None = None  # utterances in one beam search, mean
    grew: Mapping[str, float] = field(default_factory=dict[str, float])  # counters: by how much
    most: Mapping[str, float] = field(default_factory=dict[str, float])  # gauges: at most


def server_figures(data: RunData, *, call_minutes: float, most_calls: int) -> ServerFigures:
    samples = data.samples
    if not samples:
        return ServerFigures()
    first, last = samples[0], samples[-1]
    cpu_s = None if first.cpu_s is None or last.cpu_s is None else last.cpu_s - first.cpu_s
    memory = [each.memory_mb for each in samples if each.memory_mb is not None]
    grew, most = _metrics(samples)
    return ServerFigures(
        cpu_s=cpu_s,
        cpu_s_per_call_minute=cpu_s / call_minutes if cpu_s is not None and call_minutes else None,
        memory_start_mb=memory[0] if memory else None,
        memory_most_mb=max(memory, default=None),
        mb_per_call=_mb_per_call(memory, most_calls),
        memory_mb_per_hour=_trend_per_hour(samples),
        held=tuple(_held(samples, data.length_s)) if data.options.shape.shape in _STEADY else (),
        descriptors_most=max((s.descriptors for s in samples if s.descriptors), default=None),
        threads_most=max((s.threads for s in samples if s.threads), default=None),
        parts_ms=_parts(grew),
        cpu_parts=_cpu_parts(grew, cpu_s, call_minutes),
        ticks=int(grew[_TICKS]) if _TICKS in grew else None,
        late_ticks={f"{over} ms": count for over, count in _labelled(grew, _LATE_TICKS).items()},
        ticks_left_out=int(grew.get(_LEFT_OUT, 0)),
        waiting_most=most.get("frontdesk_recognition_waiting"),
        together=_mean_batch(_labelled(grew, _BATCHES)),
        grew=grew,
        most=most,
    )


def _mb_per_call(memory: Sequence[float], most: int) -> float | None:
    """What a further call adds to the server's memory: the most over the start, per call."""
    return (max(memory) - memory[0]) / most if memory and most else None


def _trend_per_hour(samples: Sequence[Sample]) -> float | None:
    """The slope of the second half by least squares: the first half warms up."""
    known = [(each.at_s, each.memory_mb) for each in samples if each.memory_mb is not None]
    half = known[len(known) // 2 :]
    if len(half) < 5:
        return None
    mean_at = sum(at for at, _ in half) / len(half)
    mean_mb = sum(mb for _, mb in half) / len(half)
    spread = sum((at - mean_at) ** 2 for at, _ in half)
    slope = sum((at - mean_at) * (mb - mean_mb) for at, mb in half) / spread if spread else 0.0
    return 3_600 * slope


_STEADY: Final = (Shape.FIXED, Shape.POISSON, Shape.SOAK)  # else what is held rises with the load

_WATCHED: Final[tuple[tuple[str, str, Callable[[Sample], float | None]], ...]] = (
    ("memory", "MB", lambda sample: sample.memory_mb),
    ("descriptors", "", lambda sample: sample.descriptors),
    ("threads", "", lambda sample: sample.threads),
    ("tasks", "", lambda sample: sample.metrics.get("frontdesk_tasks")),
    ("media ports", "", lambda sample: sample.metrics.get("frontdesk_rtp_ports")),
    ("SIP dialogs", "", lambda sample: sample.metrics.get("frontdesk_sip_dialogs")),
)


def _held(samples: Sequence[Sample], length_s: float) -> Iterator[Held]:
    """Compared between two quarters in which calls came and went: the first one fills caches."""
    for name, unit, of in _WATCHED:
        early, late = (
            [value for sample in samples if from_s <= sample.at_s < to_s and (value := of(sample))]
            for from_s, to_s in ((length_s / 4, length_s / 2), (length_s * 3 / 4, length_s))
        )
        if early and late:
            yield Held(
                name=name, unit=unit, early=sum(early) / len(early), late=sum(late) / len(late)
            )


def _metrics(samples: Sequence[Sample]) -> tuple[dict[str, float], dict[str, float]]:
    """Counters by their growth, gauges by their most."""
    seen = [each.metrics for each in samples if each.metrics]
    if not seen:
        return {}, {}
    first, last = seen[0], seen[-1]
    grew = {name: last[name] - first.get(name, 0.0) for name in last if _counts(name)}
    gauges = [name for name in last if not _counts(name)]
    most = {name: max(each.get(name, 0.0) for each in seen) for name in gauges}
    return {name: value for name, value in grew.items() if value}, most


def _counts(name: str) -> bool:
    """Whether a sample only grows, by the naming rules of Prometheus."""
    return name.partition("{")[0].endswith(("_total", "_sum", "_count"))


def _parts(grew: Mapping[str, float]) -> dict[str, float]:
    """The mean of each part of a turn's gap over the run, in milliseconds."""
    found: dict[str, float] = {}
    for name, total_s in grew.items():
        if name.startswith(f"{_PART}sum{{part="):
            part = name.removeprefix(f"{_PART}sum{{part=").rstrip("}")
            count = grew.get(name.replace("_sum{", "_count{"), 0.0)
            if count:
                found[part.removesuffix("_s")] = 1000 * total_s / count
    return found


def _labelled(grew: Mapping[str, float], name: str) -> dict[str, float]:
    """A counter's growth by the value of its only label."""
    return {
        key.partition("=")[2].rstrip("}"): value
        for key, value in grew.items()
        if key.startswith(f"{name}{{")
    }


def _cpu_parts(
    grew: Mapping[str, float], cpu_s: float | None, call_minutes: float
) -> dict[str, float]:
    parts = _labelled(grew, _CPU)
    if not parts or not call_minutes:
        return {}
    if cpu_s is not None:
        parts["its children"] = max(0.0, cpu_s - sum(parts.values()))
    return {name: spent_s / call_minutes for name, spent_s in parts.items()}


def _mean_batch(searches: Mapping[str, float]) -> float | None:
    count = sum(searches.values())
    return sum(int(size) * n for size, n in searches.items()) / count if count else None
