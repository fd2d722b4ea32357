"""Whole calls of the turn-taking suite in virtual time, with the engines and the scoring."""

import numpy as np
import pytest

from loadtest.impair import Impairment
from loadtest.speech import VoiceSettings
from loadtest.turns.cases import Kind
from loadtest.turns.plans import Sort, plans
from loadtest.turns.report import CallSummary
from loadtest.turns.score import CallScore, score
from loadtest.turns.spans import learn_prompts
from loadtest.turns.suite import TurnsOptions
from server.virtual.call import VirtualCall, VirtualEngines
from server.virtual.suite import run_virtual


@pytest.fixture(scope="module")
def engines() -> VirtualEngines:
    return VirtualEngines.load()


async def played(
    engines: VirtualEngines,
    sort: Sort,
    *,
    calls: int,
    seed: int,
    network: Impairment | None = None,
) -> list[CallScore]:
    book = await learn_prompts(VoiceSettings())
    return [
        score(
            await VirtualCall(
                engines=engines, plan=plan, understand=book.understand, network=network
            ).run()
        )
        for plan in plans(calls, seed, sort)
    ]


async def test_words_over_a_prompt_stop_it_at_once_and_no_other_sound_does(engines: VirtualEngines):
    scores = await played(engines, Sort.OVERLAPS, calls=2, seed=5)
    stops = [stop for each in scores for stop in each.stops]
    assert len(stops) >= 10
    assert [stop for stop in stops if stop.false_stop] == []
    interruptions = [each for call in scores for each in call.interruptions]
    assert len(interruptions) >= 6
    assert all(each.heeded for each in interruptions)
    assert max(each.silent_after_ms for each in interruptions) <= 200


async def test_prompt_is_back_before_a_listeners_mm_hm_is_over(engines: VirtualEngines):
    scores = await played(engines, Sort.OVERLAPS, calls=4, seed=21)
    stops = [stop for each in scores for stop in each.stops if stop.kind is Kind.BACKCHANNEL]
    holes = [stop.hole for stop in stops if stop.hole is not None]
    back_ms = [hole.back_after_ms for hole in holes if hole.back_after_ms is not None]
    assert len(back_ms) == len(holes) >= 6
    assert np.median(back_ms) <= 320
    assert max(back_ms) <= 500


async def test_answers_come_soon_and_nobody_is_cut_off(engines: VirtualEngines):
    scores = await played(engines, Sort.ANSWERS, calls=1, seed=5)
    answers = [answer for each in scores for answer in each.answers]
    assert len(answers) >= 12
    assert sum(answer.cut_off for answer in answers) <= len(answers) * 0.05
    gaps_ms = sorted(answer.gap_ms for answer in answers if answer.gap_ms is not None)
    assert gaps_ms[len(gaps_ms) // 2] <= 350


STALLS = Impairment(delay_s=0.002, stall_s=0.2, stall_every_s=7.3)
"""The caller's packets wait now and then, and then come all at once: the jitter buffer grows, and
shrinks again in what follows."""


@pytest.mark.parametrize("network", [None, STALLS], ids=["steady", "stalls"])
async def test_our_own_voice_coming_back_stops_no_prompt(
    engines: VirtualEngines, network: Impairment | None
):
    scores = await played(engines, Sort.ECHO, calls=2, seed=5, network=network)
    stops = [stop for each in scores for stop in each.stops]
    assert len(stops) >= 30
    assert [stop for stop in stops if stop.stopped] == []


@pytest.mark.parametrize("sort", [Sort.ANSWERS, Sort.NETWORK])
async def test_suite_in_virtual_time_reports_what_was_heard_and_where_the_time_went(sort: Sort):
    told: list[CallSummary] = []
    options = TurnsOptions(target="", calls=1, seed=5, only=sort)
    report = await run_virtual(options, on_call=told.append)
    assert report.calls == tuple(told)
    assert report.answers[-1].gap_ms.count >= 12
    assert report.unexplained_ms.count == report.answers[-1].gap_ms.count
    met = {target.name: target.met for target in report.targets}
    assert met["gap less its recorded parts, p95"] is True


async def test_words_over_a_prompt_that_comes_back_stop_it(engines: VirtualEngines):
    [scored] = await played(engines, Sort.DOUBLE_TALK, calls=1, seed=5)
    assert len(scored.interruptions) >= 8
    assert all(each.heeded and each.silent_after_ms <= 300 for each in scored.interruptions)
