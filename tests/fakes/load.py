"""Records of load runs that never were."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtest.load.mix import Mix, Part
from loadtest.load.records import CallRecord, Fate, Pulse
from loadtest.load.run import RunData, RunOptions
from loadtest.load.server_side import Sample
from loadtest.load.slo import DEFAULT_SLOS, parse_slo
from loadtest.quality import Histogram, Quality
from loadtest.scenario import find_scenario, load_scenario
from loadtest.shapes import Shape, ShapeOptions


def call(
    fate: Fate = Fate.SUCCEEDED, *, gaps_ms: Sequence[float] = (), **fields: Any
) -> CallRecord:
    """A call from 0 to 60 s, all of whose gaps ended in its first second."""
    answered = fate not in {Fate.REFUSED, Fate.UNREACHABLE}
    settings: dict[str, Any] = {
        "number": 0,
        "scenario": "trial",
        "detail": "",
        "dialled_s": 0.0,
        "ended_s": 60.0,
        "answered_s": 0.1 if answered else None,
        "contained": fate is Fate.SUCCEEDED,
        "gaps": tuple((1.0, gap) for gap in gaps_ms),
        **fields,
    }
    return CallRecord(fate=fate, **settings)


def run_data(
    *,
    shape: Shape = Shape.FIXED,
    gap_ms: float = 300.0,
    late_s: float = 0.001,
    generator_cores: float = 0.2,
    calls: int = 30,
    tasks_a_second: float = 0.0,
) -> RunData:
    """A run of a minute and a half whose calls come every 2 s and last 20 s, a gap every 5 s.

    Gaps grow by 1% from call to call.
    """
    scenario = load_scenario(find_scenario("order_status"))
    mix = Mix(parts=(Part(path=Path("order_status"), scenario=scenario, weight=1.0),))
    options = RunOptions(
        target="sip:desk@192.0.2.1",
        mix=mix,
        shape=ShapeOptions(shape=shape, calls=10, duration_s=90, stages=3),
        slos=tuple(parse_slo(text) for text in DEFAULT_SLOS),
    )
    data = RunData(options=options, started_at=datetime(2026, 1, 1, tzinfo=UTC), cores=2)
    data.length_s, data.ended = 90.0, "its time was over"
    data.calls = [_call(number, gap_ms * 1.01**number) for number in range(calls)]
    late = Histogram()
    for _ in range(1_000):
        late.add(late_s)
    counts = late.to_list()
    for second in range(100):
        data.pulses.append(
            Pulse(
                at_s=float(second),
                process=0,
                active=10,
                cpu_s=generator_cores * second,
                reader_cpu_s=0.0,
                late=counts,
                stolen_s=7.0 + 0.01 * second + (0.2 if second > 50 else 0.0),
            )
        )
    data.samples += [_sample(float(at_s), tasks_a_second) for at_s in range(0, 100, 2)]
    return data


def _call(number: int, gap_ms: float) -> CallRecord:
    start_s = 2.0 * number
    return call(
        number=number,
        dialled_s=start_s,
        answered_s=start_s + 0.05,
        setup_ms=50.0,
        greeting_ms=30.0,
        ended_s=start_s + 20,
        gaps=tuple((start_s + 5 * turn, gap_ms) for turn in range(1, 4)),
        interruptions_ms=(90.0,) if number % 5 == 0 else (),
        quality=Quality(
            jitter_ms=1.0, worst_jitter_ms=2.0, lateness_p99_ms=3.0, loss=0.01, mos=4.2
        ),
    )


def _sample(at_s: float, tasks_a_second: float) -> Sample:
    return Sample(
        at_s=at_s,
        cpu_s=10 + 0.5 * at_s,
        memory_mb=200 + 0.1 * at_s,
        descriptors=40,
        threads=9,
        metrics={
            "frontdesk_gap_part_seconds_sum{part=decode_s}": 0.01 * at_s,
            "frontdesk_gap_part_seconds_count{part=decode_s}": 0.5 * at_s,
            "frontdesk_calls_active": 10.0,
            "frontdesk_tasks": 40 + tasks_a_second * at_s,
            "frontdesk_cpu_seconds_total{part=media}": 0.2 * at_s,
            "frontdesk_cpu_seconds_total{part=recognition}": 0.1 * at_s,
            "frontdesk_media_ticks_total": 50 * at_s,
            "frontdesk_media_ticks_late_total{over_ms=5}": 0.5 * at_s,
            "frontdesk_recognition_waiting": 3.0 if at_s == 20 else 0.0,
            "frontdesk_recognition_batches_total{size=1}": 3 * at_s,
            "frontdesk_recognition_batches_total{size=3}": 1 * at_s,
        },
    )
