"""The metrics of several processes as one."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from server.processes.exposition import counter, gauge, merged


def exposition(calls: float, *, odd: bool = False) -> str:
    registry = CollectorRegistry()
    Gauge("calls", "Calls that are up", registry=registry).set(calls)
    ended = Counter("ended", "Calls by why", ["reason"], registry=registry)
    ended.labels('a "quoted", one}').inc(calls)
    Histogram("gap_seconds", "Gaps", registry=registry, buckets=(0.5, 1)).observe(0.3)
    if odd:
        Gauge("odd", "Only here", registry=registry).set(1)
    return generate_latest(registry).decode()


def samples(text: str) -> dict[tuple[str, str], float]:
    return {
        (sample.name, ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_sample_says_whose_it_is():
    found = samples(merged({"0": exposition(3), "1": exposition(5)}))
    assert found["calls", "process=0"] == 3
    assert found["calls", "process=1"] == 5
    assert found["ended_total", 'process=1,reason=a "quoted", one}'] == 5
    assert found["gap_seconds_bucket", "le=0.5,process=0"] == 1
    assert len(found) == 2 * len(samples(exposition(1)))


def test_family_is_described_once_and_stands_together():
    text = merged({"0": exposition(3), "1": exposition(5)})
    assert text.count("# HELP calls ") == text.count("# TYPE calls ") == 1
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert [line.startswith("calls{") for line in lines[:2]] == [True, True]


def test_family_of_one_process_is_kept():
    found = samples(merged({"0": exposition(3), "1": exposition(5, odd=True)}))
    assert found["odd", "process=1"] == 1


def test_figures_of_the_parent_are_in_the_same_format():
    text = gauge("up", "Whether", {"0": 1.0, "1": 0.0}, "process") + counter("passed", "All", 7)
    assert samples(text) == {
        ("up", "process=0"): 1,
        ("up", "process=1"): 0,
        ("passed_total", ""): 7,
    }
