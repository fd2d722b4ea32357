"""One call of the turn-taking suite against the whole system: heard, scored, explained."""

from pathlib import Path

import pytest

from loadtest.impair import Impairment
from loadtest.speech import VoiceSettings
from loadtest.turns.call import make_call
from loadtest.turns.cases import Condition, Kind, Overlap, Plan, Utterance
from loadtest.turns.plans import VOICES
from loadtest.turns.prompts import Prompt
from loadtest.turns.records import RecordsAccess, match, read_turns
from loadtest.turns.score import score
from loadtest.turns.spans import learn_prompts
from server.stack import fresh_folder, running_stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

WHERE = Utterance(kind=Kind.REQUEST, pieces=("where is my order",))


async def test_call_is_interrupted_answered_and_explained_by_the_records(tmp_path: Path):
    interruption = Utterance(kind=Kind.INTERRUPTION, pieces=("where is my order",))
    plan = Plan(
        name="one",
        condition=Condition.NETWORK,
        voice=VOICES[0],
        answers={
            Prompt.OPEN: [WHERE],
            Prompt.ANYTHING_ELSE: [WHERE],
            Prompt.ORDER_NUMBER: [Utterance(kind=Kind.KEYS, keys="4815")],
            Prompt.POSTCODE: [Utterance(kind=Kind.KEYS, keys="90210")],
        },
        keys={},
        overlaps=[Overlap(utterance=interruption, after_s=1.5, takes_turn=True)],
        network=Impairment(loss=0.01, delay_s=0.03, jitter_s=0.01, seed=1),
        seed=1,
        rounds=2,
    )
    book = await learn_prompts(VoiceSettings())
    async with running_stack(fresh_folder(tmp_path), on_step=lambda step: None) as stack:
        call = await make_call(stack.server.sip, plan, book, caller="turns-test")
        access = RecordsAccess(url=stack.server.http, token=stack.server.token)
        turns = await read_turns(access, [call.caller])
    assert call.ended == "the plan is done", (call.marks, call.spans, turns)
    scores = score(call)
    [silenced] = scores.interruptions
    assert silenced.heeded
    assert 0 < silenced.silent_after_ms < 2_000
    [answer] = scores.answers
    assert answer.gap_ms is not None
    assert 0 < answer.gap_ms < 5_000
    [heard] = match(scores.answers, turns[call.caller])
    assert heard.words_lost is False
