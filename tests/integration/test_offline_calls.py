"""Whole calls of the turn-taking suite in virtual time, with the engines and the scoring."""

import numpy as np
import pytest

from loadtest.speech import VoiceSettings
from loadtest.turns.call import CallRecording
from loadtest.turns.plans import Sort, plans
from loadtest.turns.score import score
from loadtest.turns.spans import learn_prompts
from tests.fakes.offline_call import OfflineCall, OfflineEngines
from voice.frames import FRAME_S, RATE_HZ


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


async def test_our_own_voice_coming_back_stops_no_prompt(engines: OfflineEngines):
    [scored] = [score(call) for call in await played(engines, Sort.ECHO, calls=1, seed=5)]
    assert len(scored.stops) >= 15
    assert [stop for stop in scored.stops if stop.stopped] == []


async def test_words_over_a_prompt_that_comes_back_stop_it(engines: OfflineEngines):
    [scored] = [score(call) for call in await played(engines, Sort.DOUBLE_TALK, calls=1, seed=5)]
    assert len(scored.interruptions) >= 8
    assert all(each.heeded and each.silent_after_ms <= 300 for each in scored.interruptions)


async def test_time_of_each_turn_adds_up_to_the_gap_that_was_heard(engines: OfflineEngines):
    book = await learn_prompts(VoiceSettings())
    [plan] = plans(1, 5, Sort.ANSWERS)
    call = OfflineCall(engines=engines, plan=plan, understand=book.understand)
    answers = score(await call.run()).answers
    turns = [turn for turn in call.journal.turns if turn.caller_kind == "speech"]
    beyond_s = call.delays.way_back_frames * FRAME_S  # what our clock cannot know
    unexplained: list[float] = []
    for answer in answers:
        end_s = answer.end / RATE_HZ
        turn = min(turns, key=lambda turn: abs(turn.started_at_s - end_s - 0.2))
        if answer.gap_ms is not None:
            unexplained.append(abs(answer.gap_ms / 1000 - turn.times.gap_s - beyond_s))
    assert len(unexplained) >= 10
    assert np.percentile(unexplained, 95) <= 0.05
