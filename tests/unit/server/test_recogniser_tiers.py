"""The second tier of recognition is given up when the machine is full."""

from collections.abc import Sequence

import numpy as np

from models.pool import RecognitionPool
from models.stt import Prepared, Request
from models.transcript import Transcript
from server.flows import find_flow
from server.speech import Recogniser, hint_of
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


async def hint_for(expects: Expectation) -> str | None:
    engine = AskedEngine()
    hint = hint_of(find_flow("orders"))
    pool = RecognitionPool(engine)
    recogniser = Recogniser(pool, hint=hint)
    await recogniser.transcribe(np.zeros(800, dtype=np.int16), expects=expects)
    pool.close()
    return engine.asked[0].hint


async def test_where_callers_may_say_anything_the_flows_phrases_are_hinted_at():
    hint = await hint_for(Expectation())
    assert hint is not None
    for intent in find_flow("orders").intents.values():
        assert intent.examples[0] in hint, intent.name


async def test_where_an_answer_is_expected_nothing_is_hinted_at():
    assert await hint_for(FOUR_DIGITS) is None


async def asked_within_its_slot(*, fits: bool) -> bool:
    engine = AskedEngine()
    pool = RecognitionPool(engine)
    recogniser = Recogniser(pool, second_opinion=lambda: fits)
    await recogniser.transcribe(np.zeros(800, dtype=np.int16), expects=FOUR_DIGITS)
    pool.close()
    return engine.asked[0].within is not None


async def test_answer_is_decoded_within_its_slot_only_while_a_second_opinion_fits():
    assert await asked_within_its_slot(fits=True)
    assert not await asked_within_its_slot(fits=False)
