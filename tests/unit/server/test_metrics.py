"""What is shown of the process itself, for whoever looks for leaks."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from server import observability
from server.observability import Metrics
from telephony.media_clock import MediaClock


class Sip:
    open_dialogs = 3
    ports_in_use = 2


@dataclass
class Recognition:
    waiting: int
    batch_sizes: Mapping[int, int]


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
    metrics, clock = Metrics(), MediaClock()
    metrics.watch_clock(clock)
    lateness = clock.lateness
    lateness.record(40.0)
    assert sample(metrics, "frontdesk_event_loop_lag_seconds") == 0.04
    for _ in range(50):
        lateness.record(1.0)
    assert sample(metrics, "frontdesk_event_loop_lag_seconds") == 0.001


def test_cpu_is_shown_by_part():
    metrics, clock = Metrics(), MediaClock()
    metrics.watch_clock(clock)
    before = metrics.registry.get_sample_value("frontdesk_cpu_seconds_total", {"part": "media"})
    clock.cpu_s = 0.1
    after = metrics.registry.get_sample_value("frontdesk_cpu_seconds_total", {"part": "media"})
    assert (before, after) == (0.0, 0.1)


def test_the_line_before_the_recogniser_is_shown():
    metrics = Metrics()
    metrics.watch_recognition(Recognition(waiting=3, batch_sizes={1: 40, 8: 2}))
    assert sample(metrics, "frontdesk_recognition_waiting") == 3
    searches = "frontdesk_recognition_batches_total"
    assert metrics.registry.get_sample_value(searches, {"size": "8"}) == 2


def test_late_ticks_are_shown_by_what_callers_hear_of_them():
    metrics, clock = Metrics(), MediaClock()
    metrics.watch_clock(clock)
    for late_ms in (0.2, 5.0, 12.0, 25.0, 150.0):
        clock.lateness.record(late_ms, missed=2 if late_ms > 100 else 0)
    ticks = metrics.registry.get_sample_value("frontdesk_media_ticks_total")
    late = {
        over: metrics.registry.get_sample_value(
            "frontdesk_media_ticks_late_total", {"over_ms": over}
        )
        for over in ("5", "20", "60")
    }
    assert (ticks, late) == (5, {"5": 3, "20": 2, "60": 1})
    assert sample(metrics, "frontdesk_media_ticks_left_out_total") == 2


def test_unevenness_of_sending_is_shown():
    metrics, jitter = Metrics(), MediaClock().lateness
    metrics.watch_sending(jitter)
    for apart_ms in (0.1, 0.3, 6.0):
        jitter.record(apart_ms)
    assert sample(metrics, "frontdesk_media_sends_total") == 3
    uneven = "frontdesk_media_sends_uneven_total"
    assert metrics.registry.get_sample_value(uneven, {"over_ms": "5"}) == 1
    assert sample(metrics, "frontdesk_media_send_jitter_p99_seconds") == 0.006
