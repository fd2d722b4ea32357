"""The README's first command, as a newcomer types it."""

import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_demo_changes_the_record_and_leaves_a_recording_of_both_sides(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "server.cli", "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "42 Oak Street" in done.stdout
    assert "change_address: succeeded" in done.stdout
    [recording] = (tmp_path / "var/demo/recordings").glob("*.wav")
    with wave.open(str(recording)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    for side, who in enumerate(("caller", "frontdesk")):
        spoken_s = np.count_nonzero(np.abs(both[:, side]) > 500) / 8000
        assert spoken_s > 1.0, f"the {who}'s side is silent"
