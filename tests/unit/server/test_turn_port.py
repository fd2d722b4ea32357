"""Smart Turn behind voice's port."""

import numpy as np
import pytest

from models.turn import SmartTurn
from server.turn_port import TurnJudge
from voice.events import SpeechError


@pytest.fixture(scope="module")
def model() -> SmartTurn:
    return SmartTurn()


async def test_judge_says_what_the_model_says(model: SmartTurn):
    pcm = (3000 * np.sin(np.arange(8000) / 5)).astype(np.int16)
    judge = TurnJudge(model)
    try:
        assert await judge.finished(pcm) == pytest.approx(model.complete(pcm))
    finally:
        judge.close()


async def test_audio_it_cannot_take_is_a_speech_error(model: SmartTurn):
    judge = TurnJudge(model)
    try:
        with pytest.raises(SpeechError, match="int16"):
            await judge.finished(np.zeros((2, 800), dtype=np.int16))
    finally:
        judge.close()
