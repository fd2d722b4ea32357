"""What is shown of the process itself, for whoever looks for leaks."""

import asyncio

import pytest

from server import observability
from server.observability import Metrics
from telephony.media_clock import Lateness


class Sip:
    open_dialogs = 3
    ports_in_use = 2


def sample(metrics: Metrics, name: str) -> float | None:
    return metrics.registry.get_sample_value(name)


def test_process_and_garbage_collection_are_shown():
    metrics = Metrics()
    assert (sample(metrics, "process_resident_memory_bytes") or 0) > 1e6
    assert (sample(metrics, "process_open_fds") or 0) > 2
    generation = {"generation": "2"}
    collections = "python_gc_collections_total"
    assert metrics.registry.get_sample_value(collections, generation) is not None


async def test_what_calls_hold_is_shown(monkeypatch: pytest.MonkeyPatch):
    metrics, calls, resident = Metrics(), 0, 100_000_000
    monkeypatch.setattr(observability, "resident_bytes", lambda: resident)
    metrics.watch_resources(calls=lambda: calls, sip=Sip())
    assert sample(metrics, "frontdesk_memory_per_call_bytes") == 0
    calls, resident = 4, 106_000_000
    assert sample(metrics, "frontdesk_memory_per_call_bytes") == 1_500_000
    assert sample(metrics, "frontdesk_sip_dialogs") == 3
    assert sample(metrics, "frontdesk_rtp_ports") == 2
    before = sample(metrics, "frontdesk_tasks") or 0
    task = asyncio.create_task(asyncio.sleep(60))
    assert sample(metrics, "frontdesk_tasks") == before + 1
    task.cancel()


def test_lag_is_the_worst_of_the_last_second_and_not_of_all_time():
    metrics, lateness = Metrics(), Lateness()
    metrics.watch_clock(lateness)
    lateness.record(40.0)
    assert sample(metrics, "frontdesk_event_loop_lag_seconds") == 0.04
    for _ in range(50):
        lateness.record(1.0)
    assert sample(metrics, "frontdesk_event_loop_lag_seconds") == 0.001
