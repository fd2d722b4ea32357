"""baresip as the caller: a softphone that plays a WAV and records the answer."""

import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.recordings import contains_phrase
from tests.fakes.system import System
from tests.interop.conftest import peer

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

CONFIG = """
sip_listen 127.0.0.1:25090
net_interface 127.0.0.1
module_path {modules}
module g711.so
module aufile.so
module sndfile.so
module_tmp account.so
module_app menu.so
audio_source aufile,{wav}
audio_player aufile,/dev/null
audio_alert aufile,/dev/null
snd_path {folder}
"""


def test_baresip_completes_a_call_and_its_own_recording_contains_the_greeting(
    system: System, question: np.ndarray, tmp_path: Path
):
    baresip = peer("baresip")
    [modules] = Path("/usr/lib").glob("**/baresip/modules")
    wav = tmp_path / "caller.wav"
    write_mono(wav, question)
    (tmp_path / "config").write_text(CONFIG.format(modules=modules, wav=wav, folder=tmp_path))
    (tmp_path / "accounts").write_text("<sip:tester@127.0.0.1>;regint=0\n")
    done = subprocess.run(
        [baresip, "-f", tmp_path, "-e", f"/dial {system.sip}", "-t", "30"],
        capture_output=True,
        text=True,
        check=False,
    )
    call = system.last_call()
    assert call["end_reason"] == "caller_hangup", done.stdout[-2000:]
    assert call["turns"][0]["heard"].startswith("Welcome to Oakline")
    assert call["turns"][1]["caller_text"] == "where is my order"
    [heard] = tmp_path.glob("dump-*-dec.wav")
    assert contains_phrase(read_mono(heard), "How can I help you?")
    assert contains_phrase(read_mono(heard), "What is your order number?")


def write_mono(path: Path, pcm: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(pcm.astype("<i2").tobytes())


def read_mono(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate()) == (1, 8000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")
