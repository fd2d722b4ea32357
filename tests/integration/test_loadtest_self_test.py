"""The self-test with its real far end, and the socket whose packets the kernel stamps."""

import json
import socket
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from loadtest.load.self_test import SelfTestOptions, run_self_test
from loadtest.rtp_socket import RtpSocket

HOST = "127.0.0.1"


async def test_self_test_drives_calls_against_its_own_far_end_and_writes_figures(tmp_path: Path):
    options = SelfTestOptions(levels=(1, 3), measure_s=1.0, settle_s=0.5, cache=tmp_path / "speech")
    report = tmp_path / "self-test.json"
    assert await run_self_test(options, Console(quiet=True), report) == 0
    written = json.loads(report.read_text(encoding="utf-8"))
    assert [level["calls"] for level in written["levels"]] == [1, 3]
    assert all(0 < level["cpu_per_call"] < 1 for level in written["levels"])
    assert all(level["late_p99_ms"] > 0 for level in written["levels"])


@pytest.mark.skipif(sys.platform != "linux", reason="only its kernel stamps datagrams")
def test_packet_is_as_old_as_the_time_it_waited_to_be_read():
    ours = RtpSocket(HOST)
    ages_s: list[float] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far_end:
        # The kernel begins to stamp a moment after the machine's first socket that asks for it.
        while len(ages_s) < 100 and max(ages_s, default=0.0) < 0.01:
            far_end.sendto(b"one", (HOST, ours.port))
            time.sleep(0.01)
            ages_s += [age_s for data, age_s in ours.receive() if data == b"one"]
    ours.close()
    assert ages_s[-1] >= 0.01


def test_closed_socket_neither_sends_nor_receives():
    ours = RtpSocket(HOST)
    assert ours.port % 2 == 0
    ours.close()
    ours.close()
    assert not ours.send(b"late", (HOST, 9))
    assert list(ours.receive()) == []
