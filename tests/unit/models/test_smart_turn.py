"""Smart Turn as we run it is Smart Turn as its authors run it."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from loadtest.speech import VoiceSettings, render
from models.errors import EngineError, MissingModelError
from models.turn import SmartTurn
from tests.fakes.afresh import afresh

QUIET = np.zeros(1_600, dtype=np.int16)  # 200 ms after the last word


@pytest.fixture(scope="module")
def smart_turn() -> SmartTurn:
    return SmartTurn()


def said(text: str) -> NDArray[np.int16]:
    spoken = afresh(render, text, VoiceSettings(name="en-us+f2"))
    return np.concatenate([spoken.astype(np.int16), QUIET])


@pytest.mark.parametrize("text", ["i want to change my address", "um", "yes", "it's on the"])
def test_agrees_with_pipecat_on_the_same_audio(smart_turn: SmartTurn, text: str):
    from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3

    theirs = LocalSmartTurnAnalyzerV3(sample_rate=8_000)
    theirs._sample_rate = 8_000  # pyright: ignore[reportPrivateUsage]
    pcm = said(text)
    expected = theirs._predict_endpoint(pcm.astype(np.float32) / 32_768)  # pyright: ignore[reportPrivateUsage]
    assert smart_turn.complete(pcm) == pytest.approx(expected["probability"], abs=0.01)


def test_whole_sentence_is_more_complete_than_one_broken_off(smart_turn: SmartTurn):
    whole = smart_turn.complete(said("i want to change my address"))
    broken_off = smart_turn.complete(said("i want to change my"))
    assert whole > broken_off + 0.3


def test_only_the_last_eight_seconds_count(smart_turn: SmartTurn):
    pcm = said("i want to change my address")
    last = np.concatenate([np.zeros(10 * 8_000, dtype=np.int16), pcm])
    assert smart_turn.complete(last) == pytest.approx(smart_turn.complete(pcm), abs=0.02)


def test_audio_too_short_to_be_a_turn_is_not_complete(smart_turn: SmartTurn):
    assert smart_turn.complete(np.zeros(100, dtype=np.int16)) == 0.0


def test_floats_are_refused(smart_turn: SmartTurn):
    with pytest.raises(ValueError, match="int16"):
        smart_turn.complete(np.zeros(8_000))  # pyright: ignore[reportArgumentType]


def test_damaged_model_file_is_named_in_the_error(tmp_path: Path):
    path = tmp_path / "turn.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(EngineError, match=r"turn\.onnx"):
        SmartTurn(path)


def test_model_that_is_not_installed_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("models.turn.find_spec", lambda name: None)  # pyright: ignore[reportUnknownLambdaType,reportUnknownArgumentType]
    with pytest.raises(MissingModelError, match="reinstall"):
        SmartTurn()
