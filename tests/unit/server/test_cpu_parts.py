"""CPU by part, of threads that really spend it."""

import sys
import threading
import time

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from server.cpu_parts import PARTS, CpuParts

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc of Linux")


def spend(seconds: float) -> None:
    until_s = time.thread_time() + seconds
    while time.thread_time() < until_s:
        pass


def test_a_thread_counts_for_the_part_its_name_says_also_after_its_end():
    parts = CpuParts(lambda: 0.0)
    before = parts.seconds()
    spent, release = threading.Event(), threading.Event()

    def work() -> None:
        spend(0.05)
        spent.set()
        release.wait()

    worker = threading.Thread(target=work, name="stt-7")
    worker.start()
    spent.wait()
    during = parts.seconds()
    release.set()
    worker.join()
    after = parts.seconds()
    assert during["recognition"] - before["recognition"] == pytest.approx(0.05, abs=0.04)
    assert after["recognition"] >= during["recognition"]


def test_the_tick_is_told_apart_from_what_shares_its_thread():
    media_s = 0.0
    parts = CpuParts(lambda: media_s)
    spend(0.4)
    before = parts.seconds()
    media_s = 0.3
    after = parts.seconds()
    assert after["media"] - before["media"] == pytest.approx(0.3)
    assert after["conversations"] < before["conversations"]


def test_parts_add_up_to_what_the_process_spent():
    spend(0.02)
    spent_s = sum(CpuParts(lambda: 0.0).seconds().values())
    # Threads that ended before the first look are in the process's account alone.
    assert 0.5 * time.process_time() < spent_s <= time.process_time() + 0.05


def test_every_part_is_exported():
    registry = CollectorRegistry()
    registry.register(CpuParts(lambda: 0.0))
    text = generate_latest(registry).decode()
    assert all(f'frontdesk_cpu_seconds_total{{part="{part}"}}' in text for part in PARTS)
