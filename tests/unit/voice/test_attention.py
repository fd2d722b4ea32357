"""How a voice over us is looked at while it goes on."""

import asyncio

import numpy as np

from voice.attention import EarlyEar
from voice.events import Expectation, Hypothesis, Transcription
from voice.frames import Pcm
from voice.turn_events import SoFar


class SlowStt:
    """Recognises when told to."""

    def __init__(self) -> None:
        self.heard: list[Pcm] = []
        self._running: asyncio.Future[Transcription] | None = None

    async def transcribe(
        self, pcm: Pcm, *, expects: Expectation, speculative: bool = False
    ) -> Transcription:
        self.heard.append(pcm)
        self._running = asyncio.get_running_loop().create_future()
        return await self._running

    async def finds(self, text: str) -> None:
        """The look that runs ends with this."""
        assert self._running is not None
        hypotheses = (Hypothesis(text=text, log_prob=-0.1),) if text else ()
        self._running.set_result(Transcription(hypotheses=hypotheses, confidence=0.9))
        await settle()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def voice(length: int) -> Pcm:
    return np.ones(length, dtype=np.int16)


async def looked_at(*lengths: int) -> tuple[EarlyEar, SlowStt, list[SoFar]]:
    """An ear that was asked for these looks, one after the other, before any was over."""
    told: list[SoFar] = []
    stt = SlowStt()
    ear = EarlyEar(stt, told.append)
    for length in lengths:
        ear.look(voice(length))
        await settle()
    return ear, stt, told


async def test_look_asked_for_during_another_follows_it_with_all_that_was_said_by_then():
    _, stt, told = await looked_at(1_600, 2_080, 2_560)
    assert [pcm.size for pcm in stt.heard] == [1_600]
    await stt.finds("")
    assert [pcm.size for pcm in stt.heard] == [1_600, 2_560]
    await stt.finds("okay")
    assert told == [SoFar.UNSURE, SoFar.LISTENING]


async def test_no_look_follows_words_and_none_follows_when_the_voice_is_forgotten():
    _, stt, told = await looked_at(1_600, 2_080)
    await stt.finds("cancel my order")
    assert (len(stt.heard), told) == (1, [SoFar.WORDS])
    ear, stt, told = await looked_at(1_600, 2_080)
    ear.forget()
    await settle()
    assert (len(stt.heard), told) == (1, [])
