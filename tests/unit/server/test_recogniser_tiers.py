"""The second tier of recognition is given up when the machine is full."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from models.stt import Prepared, Request, SttEngine
from models.transcript import Transcript
from server.speech import Recogniser
from voice.events import Expectation, Expects

FOUR_DIGITS = Expectation(kind=Expects.DIGITS, min_length=4, max_length=4)


class AskedEngine:
    """Hears nothing, and keeps what it was asked."""

    batches = False

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def prepare(self, request: Request) -> Prepared:
        self.asked.append(request)
        return Prepared(request=request)

    def transcribe_batch(self, prepared: Sequence[Prepared]) -> list[Transcript]:
        return [Transcript() for _ in prepared]


async def asked_within_its_slot(*, fits: bool) -> bool:
    engine = AskedEngine()
    recogniser = Recogniser(cast(SttEngine, engine), threads=1, second_opinion=lambda: fits)
    await recogniser.transcribe(np.zeros(800, dtype=np.int16), expects=FOUR_DIGITS)
    recogniser.close()
    return engine.asked[0].within is not None


async def test_answer_is_decoded_within_its_slot_only_while_a_second_opinion_fits():
    assert await asked_within_its_slot(fits=True)
    assert not await asked_within_its_slot(fits=False)
