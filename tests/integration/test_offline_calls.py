"""Whole calls of the turn-taking suite in virtual time, with the engines and the scoring."""

import pytest

from loadtest.speech import VoiceSettings
from loadtest.turns.call import CallRecording
from loadtest.turns.plans import Sort, plans
from loadtest.turns.score import score
from loadtest.turns.spans import learn_prompts
from tests.fakes.offline_call import OfflineCall, OfflineEngines


@pytest.fixture(scope="module")
def engines() -> OfflineEngines:
    return OfflineEngines.load()


async def played(
    engines: OfflineEngines, sort: Sort, *, calls: int, seed: int
) -> list[CallRecording]:
    book = await learn_prompts(VoiceSettings())
    return [
        await OfflineCall(engines=engines, plan=plan, understand=book.understand).run()
        for plan in plans(calls, seed, sort)
    ]


async def test_words_over_a_prompt_stop_it_at_once_and_no_other_sound_does(engines: OfflineEngines):
    scores = [score(call) for call in await played(engines, Sort.OVERLAPS, calls=2, seed=5)]
    stops = [stop for each in scores for stop in each.stops]
    assert len(stops) >= 10
    assert [stop for stop in stops if stop.false_stop] == []
    interruptions = [each for call in scores for each in call.interruptions]
    assert len(interruptions) >= 6
    assert all(each.heeded for each in interruptions)
    # 100 ms of it are the buffers on the way to us and back.
    assert max(each.silent_after_ms for each in interruptions) <= 250


async def test_answers_come_soon_and_nobody_is_cut_off(engines: OfflineEngines):
    scores = [score(call) for call in await played(engines, Sort.ANSWERS, calls=1, seed=5)]
    answers = [answer for each in scores for answer in each.answers]
    assert len(answers) >= 12
    assert sum(answer.cut_off for answer in answers) <= len(answers) * 0.05
    gaps_ms = sorted(answer.gap_ms for answer in answers if answer.gap_ms is not None)
    assert gaps_ms[len(gaps_ms) // 2] <= 500
