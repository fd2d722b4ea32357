"""Scores against recordings whose truth is known."""

import pytest

from loadtest.turns.cases import Condition, Kind
from loadtest.turns.prompts import Prompt
from loadtest.turns.score import find_hole, score
from tests.fakes.recorded_calls import Sounds, recorded, says, sound_track

_BLOCK_MS = 10.0  # the resolution of the measurement


def test_gap_runs_from_the_callers_last_sound_to_frontdesks_first():
    call = recorded([Sounds(from_s=0.5, to_s=3), Sounds(from_s=6.3, to_s=8)], [says(4, 6)])
    [answer] = score(call).answers
    assert answer.gap_ms == pytest.approx(300, abs=_BLOCK_MS)
    assert not answer.cut_off


def test_pause_inside_an_answer_belongs_to_the_answer():
    answer = says(4, 7, Kind.DIGIT_GROUPS)
    call = recorded([Sounds(from_s=0.5, to_s=3), Sounds(from_s=7.5, to_s=9)], [answer])
    assert score(call).answers[0].gap_ms == pytest.approx(500, abs=_BLOCK_MS)


def test_speech_before_the_answer_is_complete_is_a_cut_off_and_no_gap():
    answer = says(4, 7, Kind.DIGIT_GROUPS)
    call = recorded([Sounds(from_s=0.5, to_s=3), Sounds(from_s=5.5, to_s=9)], [answer])
    [scored] = score(call).answers
    assert scored.cut_off
    assert scored.gap_ms is None


def test_filler_during_an_answer_is_no_cut_off():
    frontdesk = [
        Sounds(from_s=0.5, to_s=3),
        Sounds(from_s=5, to_s=5.6, ending=None, filler=True),
        Sounds(from_s=7.4, to_s=9),
    ]
    [scored] = score(recorded(frontdesk, [says(4, 7)])).answers
    assert not scored.cut_off
    assert scored.gap_ms == pytest.approx(400, abs=_BLOCK_MS)


def test_answer_that_nothing_follows_is_unanswered():
    [scored] = score(recorded([Sounds(from_s=0.5, to_s=3)], [says(4, 6)])).answers
    assert scored.gap_ms is None
    assert not scored.cut_off


def test_reply_after_the_no_input_time_is_no_reply():
    call = recorded([Sounds(from_s=0.5, to_s=3), Sounds(from_s=16.5, to_s=18)], [says(4, 6)])
    assert score(call).answers[0].gap_ms is None


def test_answer_that_begins_under_frontdesks_own_speech_is_not_scored():
    assert score(recorded([Sounds(from_s=0.5, to_s=5)], [says(4, 6)])).answers == ()


def test_keys_are_not_scored():
    call = recorded([Sounds(from_s=0.5, to_s=3)], [says(4, 5, Kind.KEYS)])
    assert score(call).answers == ()


def test_interruption_runs_from_the_callers_first_sound_to_frontdesks_last():
    words = says(2, 3.2, Kind.INTERRUPTION, overlap=True)
    call = recorded([Sounds(from_s=0.5, to_s=2.18, ending=None)], [words])
    [scored] = score(call).interruptions
    assert scored.silent_after_ms == pytest.approx(180, abs=_BLOCK_MS)
    assert scored.heeded


def test_prompt_said_to_its_end_has_ignored_the_interruption():
    words = says(2, 3.2, Kind.INTERRUPTION, overlap=True)
    [scored] = score(recorded([Sounds(from_s=0.5, to_s=6)], [words])).interruptions
    assert not scored.heeded


def test_words_after_the_prompt_are_no_interruption():
    words = says(4, 5, Kind.INTERRUPTION, overlap=True)
    assert score(recorded([Sounds(from_s=0.5, to_s=3)], [words])).interruptions == ()


def _mm_hm(from_s: float):
    return says(from_s, from_s + 0.5, Kind.BACKCHANNEL, overlap=True, takes_turn=False)


def test_prompt_that_goes_on_through_a_backchannel_did_not_stop():
    [scored] = score(recorded([Sounds(from_s=0.5, to_s=6)], [_mm_hm(2)])).stops
    assert not scored.stopped
    assert not scored.false_stop


def test_prompt_that_falls_silent_for_a_backchannel_and_goes_on_has_resumed():
    frontdesk = [Sounds(from_s=0.5, to_s=2.3, ending=None), Sounds(from_s=3.1, to_s=7)]
    [scored] = score(recorded(frontdesk, [_mm_hm(2)])).stops
    assert scored.resumed_after_ms == pytest.approx(800, abs=_BLOCK_MS)
    assert not scored.false_stop


def hole_after_2_s(*sounds: tuple[float, float]):
    return find_hole(sound_track(sounds, 10.0), 2 * 8_000)


def test_hole_for_a_backchannel_is_measured_from_its_onset_even_where_it_is_brief():
    hole = hole_after_2_s((0.5, 2.1), (2.28, 7))
    assert hole is not None
    assert hole.silent_after_ms == pytest.approx(100, abs=2 * _BLOCK_MS)
    assert hole.back_after_ms == pytest.approx(280, abs=2 * _BLOCK_MS)


def test_silence_that_begins_long_after_a_sound_is_not_its_hole():
    assert hole_after_2_s((0.5, 2.6), (2.9, 7)) is None


def test_prompt_that_never_comes_back_leaves_a_hole_without_end():
    hole = hole_after_2_s((0.5, 2.1))
    assert hole is not None
    assert hole.back_after_ms is None


@pytest.mark.parametrize(
    "rest",
    [
        [],
        [Sounds(from_s=3.1, to_s=7, apology=True)],
        [Sounds(from_s=3.1, to_s=4, ending=None)],
        [Sounds(from_s=3.1, to_s=4.5)],
        [Sounds(from_s=6.1, to_s=9)],
    ],
    ids=["never", "but says sorry", "not to its end", "but asks anew", "only after 3 s"],
)
def test_prompt_that_does_not_go_on_is_a_false_stop(rest: list[Sounds]):
    frontdesk = [Sounds(from_s=0.5, to_s=2.3, ending=None), *rest]
    assert score(recorded(frontdesk, [_mm_hm(2)])).stops[0].false_stop


def test_prompts_under_echo_are_scored_each_once():
    frontdesk = [
        Sounds(from_s=0.5, to_s=3, ending=Prompt.OPEN),
        Sounds(from_s=6, to_s=7, ending=None),
        Sounds(from_s=7.6, to_s=9),
        Sounds(from_s=12, to_s=13, ending=None),
    ]
    caller = [says(4, 5.5), says(10, 11)]
    stops = score(recorded(frontdesk, caller, condition=Condition.ECHO)).stops
    assert [(s.kind, s.stopped, s.false_stop) for s in stops] == [
        (Kind.ECHO, False, False),
        (Kind.ECHO, True, False),
        (Kind.ECHO, True, True),
    ]


def test_prompt_talked_over_under_echo_is_not_the_echos_doing():
    words = says(2, 3.2, Kind.DOUBLE_TALK, overlap=True)
    call = recorded([Sounds(from_s=0.5, to_s=2.2, ending=None)], [words], condition=Condition.ECHO)
    assert score(call).stops == ()


def test_filler_under_echo_is_no_prompt():
    filler = Sounds(from_s=0.5, to_s=1.5, ending=None, filler=True)
    assert score(recorded([filler], [], condition=Condition.ECHO)).stops == ()
