"""sipp as the caller: signalling by somebody else's stack, RTP from a file."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.recordings import contains_phrase, read_stereo
from tests.fakes.system import System
from tests.interop.conftest import peer
from voice.codec import Codec, encode

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

SCENARIO = Path(__file__).parent / "sipp" / "uac_rtp.xml"


def test_sipp_completes_a_call_and_the_recording_contains_the_greeting(
    system: System, question: np.ndarray, tmp_path: Path
):
    sipp = peer("sipp")
    (tmp_path / "caller.ulaw").write_bytes(encode(Codec.PCMU, question))
    shutil.copy(SCENARIO, tmp_path)
    done = subprocess.run(
        [
            *(sipp, f"127.0.0.1:{system.sip_port}", "-sf", SCENARIO.name, "-s", "frontdesk"),
            *("-i", "127.0.0.1", "-p", "25080", "-mi", "127.0.0.1", "-m", "1", "-nostdin"),
            *("-timeout", "60s", "-timeout_error"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    call = system.last_call()
    assert call["end_reason"] == "caller_hangup"
    assert call["turns"][0]["heard"].startswith("Welcome to Oakline")
    assert call["turns"][1]["caller_text"] == "where is my order"
    _, ours = read_stereo(Path(call["recording_path"]))
    assert contains_phrase(ours, "How can I help you?")
    assert contains_phrase(ours, "What is your order number?")
    assert not contains_phrase(ours, "What is the postcode on the order?")
