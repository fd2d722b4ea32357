"""The bench of the media tick: real sockets, callers in a process of their own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("state", ["silent", "both"])
def test_bench_tick_measures_calls_whose_packets_go_both_ways(state: str, tmp_path: Path) -> None:
    figures = tmp_path / "tick.json"
    options = ["--calls", "3", "--state", state, "--seconds", "1", "--json", str(figures)]
    # A process of its own: it takes precedence over the others.
    command = [sys.executable, "-m", "server.cli", "bench", "tick", *options]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    (row,) = json.loads(figures.read_text())
    assert (row["calls"], row["state"]) == (3, state)
    assert row["packets"] > 3 * 10  # 50 in a second on each call, fewer on a busy machine
    assert row["us_per_call"] > 0
