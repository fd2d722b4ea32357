"""The caller's decisions, in virtual time."""

from dataclasses import dataclass, field

import pytest

from loadtest.pcm import FRAME_SAMPLES, RATE_HZ
from loadtest.speech import VoiceSettings
from loadtest.turns.cases import Condition, Kind, Overlap, Plan, Utterance
from loadtest.turns.prompts import Prompt
from loadtest.turns.script import Do, Leave, Script
from loadtest.turns.spans import HeardSpan

YES = Utterance(kind=Kind.YES_NO, pieces=("yes",))
NO = Utterance(kind=Kind.YES_NO, pieces=("no",))
WHERE = Utterance(kind=Kind.REQUEST, pieces=("where is my order",))
MM_HM = Utterance(kind=Kind.BACKCHANNEL, pieces=("mm hm",))


def _plan(*overlaps: Overlap, rounds: int = 3) -> Plan:
    return Plan(
        name="test",
        condition=Condition.CLEAN,
        voice=VoiceSettings(),
        answers={Prompt.OPEN: [WHERE], Prompt.YES_NO: [YES, NO], Prompt.ANYTHING_ELSE: [WHERE]},
        keys={Prompt.YES_NO: "1"},
        overlaps=overlaps,
        seed=1,
        rounds=rounds,
    )


def _over(utterance: Utterance, *, takes_turn: bool) -> Overlap:
    return Overlap(utterance=utterance, after_s=1.0, takes_turn=takes_turn)


@dataclass
class Table:
    """A script in a call of which a test tells what is heard."""

    script: Script
    now_s: float = 0.0
    did: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    speech_s: float = 1.0  # every utterance takes so long
    left: str = ""
    prompt_from_s: float | None = None

    def until(self, at_s: float) -> "Table":
        while self.now_s < at_s - 1e-9:
            now = round(self.now_s * RATE_HZ)
            move = self.script.tick(now, far_end_speaks=self.prompt_from_s is not None)
            if isinstance(move, Do):
                text = move.utterance.text or f"[{move.utterance.keys}]"
                self.did.append((round(self.now_s, 2), text))
                self.script.saying(move, now, now + round(self.speech_s * RATE_HZ))
            elif isinstance(move, Leave):
                self.left = self.left or move.reason
            self.now_s += FRAME_SAMPLES / RATE_HZ
        return self

    def prompt(self, from_s: float, to_s: float, ending: Prompt | None) -> "Table":
        self.until(from_s)
        self.prompt_from_s = from_s
        self.script.far_end_began(round(from_s * RATE_HZ))
        self.until(to_s + 0.4)
        self.prompt_from_s = None
        self.script.far_end_quiet(round(to_s * RATE_HZ))
        span = HeardSpan(start=round(from_s * RATE_HZ), end=round(to_s * RATE_HZ), ending=ending)
        self.script.far_end_said(span)
        return self


def test_answer_comes_a_moment_after_the_prompt():
    table = Table(Script(_plan())).prompt(0.5, 3, Prompt.OPEN).until(6)
    [(at_s, text)] = table.did
    assert text == "where is my order"
    assert 3.6 <= at_s <= 4.02


def test_answers_to_a_prompt_are_given_in_turn_and_then_again():
    table = Table(Script(_plan()))
    for start, prompt in ((0, Prompt.YES_NO), (10, Prompt.OPEN), (20, Prompt.YES_NO)):
        table.prompt(start + 0.5, start + 3, prompt).until(start + 10)
    table.prompt(30.5, 33, Prompt.OPEN).prompt(40.5, 43, Prompt.YES_NO).until(45)
    assert [text for _, text in table.did][::2] == ["yes", "no", "yes"]


def test_question_that_comes_a_third_time_in_a_row_gets_keys():
    table = Table(Script(_plan()))
    for start in (0, 10, 20):
        table.prompt(start + 0.5, start + 3, Prompt.YES_NO).until(start + 10)
    assert [text for _, text in table.did] == ["yes", "no", "[1]"]


def test_prompt_without_its_end_is_not_answered():
    assert Table(Script(_plan())).prompt(0.5, 3, None).until(8).did == []


def test_prompt_that_goes_on_before_the_answer_takes_it_back():
    table = Table(Script(_plan())).prompt(0.5, 3, Prompt.OPEN)
    table.prompt(3.5, 6, None).until(10)
    assert table.did == []


def test_sound_is_put_over_the_greeting_and_the_prompt_is_answered_then():
    plan = _plan(_over(MM_HM, takes_turn=False))
    table = Table(Script(plan)).prompt(0.5, 6, Prompt.OPEN).until(9)
    assert table.did[0] == (1.5, "mm hm")
    assert [text for _, text in table.did] == ["mm hm", "where is my order"]


def test_overlap_waits_for_another_prompt_when_this_one_was_short():
    table = Table(Script(_plan(_over(MM_HM, takes_turn=False))))
    table.prompt(0.5, 0.9, None).prompt(2, 6, Prompt.OPEN)
    assert table.did == [(3.0, "mm hm")]


def test_short_questions_are_not_talked_over():
    plan = _plan(_over(MM_HM, takes_turn=False))
    table = Table(Script(plan)).prompt(0.5, 0.9, Prompt.OPEN).until(4)
    table.prompt(4, 7, Prompt.YES_NO).until(9)
    assert [text for _, text in table.did] == ["where is my order", "yes"]


def test_question_that_answers_an_interrupted_greeting_is_too_short_to_talk_over():
    plan = _plan(_over(WHERE, takes_turn=True), _over(MM_HM, takes_turn=False))
    table = Table(Script(plan)).prompt(0.5, 6, Prompt.OPEN).until(8)
    table.prompt(8, 10, Prompt.YES_NO).until(12)
    assert "mm hm" not in [text for _, text in table.did]


def test_interrupted_prompt_is_not_answered_but_the_reply_is():
    table = Table(Script(_plan(_over(WHERE, takes_turn=True))))
    table.prompt(0.5, 6, Prompt.OPEN).until(8)
    assert len(table.did) == 1
    table.prompt(8, 10, Prompt.YES_NO).until(12)
    assert [text for _, text in table.did] == ["where is my order", "yes"]


def test_stretch_within_our_own_answer_is_not_answered():
    table = Table(Script(_plan()), speech_s=5.0).prompt(0.5, 3, Prompt.OPEN).until(5)
    table.prompt(5, 6, Prompt.YES_NO).until(12)
    assert [text for _, text in table.did] == ["where is my order"]


def test_caller_leaves_when_asked_for_more_often_enough():
    table = Table(Script(_plan(rounds=1))).prompt(0.5, 3, Prompt.ANYTHING_ELSE).until(5)
    assert table.left == "the plan is done"
    assert table.did == []


def test_caller_leaves_after_goodbye():
    assert Table(Script(_plan())).prompt(0.5, 3, Prompt.GOODBYE).until(5).left


def test_caller_leaves_when_nothing_is_heard():
    table = Table(Script(_plan())).until(19.9)
    assert not table.left
    assert table.until(21).left


@pytest.mark.parametrize("seed", range(3))
def test_script_is_the_same_for_the_same_seed(seed: int):
    def times() -> list[tuple[float, str]]:
        plan = Plan(
            name="test",
            condition=Condition.CLEAN,
            voice=VoiceSettings(),
            answers={Prompt.OPEN: [WHERE]},
            keys={},
            seed=seed,
            rounds=1,
        )
        return Table(Script(plan)).prompt(0.5, 3, Prompt.OPEN).until(6).did

    assert times() == times()
