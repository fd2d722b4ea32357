"""The caller's mind in virtual time: what it makes of prompts, and what it does."""

from typing import Any

from loadtest.conversation import (
    Command,
    Conversation,
    HangUp,
    Heard,
    Mind,
    PromptEnded,
    PromptStarted,
    Recognise,
    Recognised,
    SayingEnded,
    Speak,
)
from loadtest.fingerprint import Match
from loadtest.listening import Understood
from loadtest.report import Outcome
from loadtest.scenario import (
    Answer,
    HangsUp,
    MakesNoise,
    NotUnderstood,
    Presses,
    Says,
    Scenario,
    StaysSilent,
)

NAME = Answer(hears=("name",), action=Says(texts=("Robin", "Robin Hood")))
RIGHT = Answer(hears=("right",), action=Says(texts=("no",)))
RIGHT_ROBIN = Answer(hears=("Robin", "right"), action=Says(texts=("yes",)))
PIN = Answer(hears=("pin",), action=Presses(keys="12#"))
WAIT = Answer(hears=("think",), action=StaysSilent(for_s=5))
BYE = Answer(hears=("bye",), action=HangsUp(after_s=3))
ALL = (NAME, RIGHT, RIGHT_ROBIN, PIN, WAIT, BYE)


def understood(**scores: float) -> Understood:
    return Understood(
        matches=tuple(
            Match(text=text, score=score, start_s=0, end_s=index)
            for index, (text, score) in enumerate(scores.items())
        )
    )


class Caller:
    """Drives a conversation; every method returns what the caller does."""

    def __init__(self, *answers: Answer, **settings: Any) -> None:
        scenario = Scenario(name="trial", answers=answers or ALL, goal=("bye",), **settings)
        self.mind = Conversation(scenario)
        self.now_s = 0.0

    def starts(self, at_s: float) -> list[Command]:
        self.now_s = at_s
        return self.mind.receive(PromptStarted(at_s=at_s), at_s)

    def ends(self, at_s: float) -> list[Command]:
        """The prompt is over, found out 450 ms later."""
        self.now_s = at_s + 0.45
        return self.mind.receive(PromptEnded(at_s=at_s), self.now_s)

    def recognises(self, asked: Command, **scores: float) -> list[Command]:
        assert isinstance(asked, Recognise)
        self.now_s = max(self.now_s, asked.end_s)
        return self.mind.receive(
            Recognised(asked=asked, understood=understood(**scores)), self.now_s
        )

    def hears(self, at_s: float, **scores: float) -> list[Command]:
        """A whole prompt of one second."""
        assert self.starts(at_s) == []
        (asked,) = self.ends(at_s + 1)
        return self.recognises(asked, **scores)

    def said(self, at_s: float) -> list[Command]:
        self.now_s = at_s
        return self.mind.receive(SayingEnded(), at_s)

    def wait(self, until_s: float) -> list[Command]:
        """Tick to `until_s`; everything that was done on the way."""
        done: list[Command] = []
        while self.now_s < until_s:
            self.now_s += 0.02
            done += self.mind.tick(self.now_s)
        return done


def spoken(commands: list[Command]) -> str:
    (speak,) = [command for command in commands if isinstance(command, Speak)]
    return speak.text or f"[{speak.keys}]"


def test_known_phrase_is_answered_when_its_prompt_ends() -> None:
    caller = Caller()
    heard, speak = caller.hears(1, name=0.8)
    assert isinstance(heard, Heard)
    assert heard == Heard(matched=("name",), score=0.8, start_s=1, end_s=2)
    assert speak == Speak(prompt=heard, text="Robin")


def test_noise_is_made_as_something_without_words() -> None:
    caller = Caller(Answer(hears=("name",), action=MakesNoise(for_s=4)))
    heard, speak = caller.hears(1, name=0.8)
    assert isinstance(heard, Heard)
    assert speak == Speak(prompt=heard, text="[noise 4 s]", wordless=True)


def test_whole_prompt_is_listened_to_from_just_before_its_start() -> None:
    caller = Caller()
    caller.starts(1.0)
    assert caller.ends(3.0) == [Recognise(start_s=0.9, end_s=3.45, final=True)]


def test_list_of_texts_is_said_in_turn_and_its_last_again() -> None:
    caller = Caller()
    said: list[str] = []
    for turn in range(3):
        said.append(spoken(caller.hears(1 + 10 * turn, name=0.8)))
        caller.said(5 + 10 * turn)
    assert said == ["Robin", "Robin Hood", "Robin Hood"]


def test_answer_with_more_phrases_wins_over_a_better_score() -> None:
    assert spoken(Caller().hears(1, right=0.9, Robin=0.6)) == "yes"
    assert spoken(Caller().hears(1, right=0.9, Robin=0.4)) == "no"


def test_among_equals_the_better_score_wins() -> None:
    assert spoken(Caller().hears(1, name=0.6, pin=0.7)) == "[12#]"


def test_used_up_answer_leaves_room_for_another() -> None:
    once = Answer(hears=("right",), action=Says(texts=("maybe",)), limit=1)
    caller = Caller(once, RIGHT)
    assert spoken(caller.hears(1, right=0.8)) == "maybe"
    caller.said(4)
    assert spoken(caller.hears(5, right=0.8)) == "no"


def test_unknown_prompt_is_not_answered_before_patience_is_over() -> None:
    caller = Caller()
    (heard,) = caller.hears(1, name=0.3)
    assert isinstance(heard, Heard)
    assert (heard.matched, heard.score) == ((), 0.3)
    assert caller.wait(5.4) == []
    assert spoken(caller.wait(5.6)) == "repeat that please"


def test_filler_and_answer_are_one_prompt() -> None:
    caller = Caller()
    caller.hears(1, name=0.1)  # "one moment"
    caller.starts(3)
    (asked,) = caller.ends(4)
    assert isinstance(asked, Recognise)
    assert asked.start_s == 0.9
    assert spoken(caller.recognises(asked, name=0.9)) == "Robin"


def test_speech_going_on_while_it_is_recognised_is_heard_out() -> None:
    caller = Caller()
    caller.starts(1)
    (asked,) = caller.ends(2)
    caller.starts(2.5)
    assert caller.recognises(asked, name=0.9) == []
    (again,) = caller.ends(3.5)
    assert spoken(caller.recognises(again, name=0.9)) == "Robin"


def test_caller_gives_up_after_asking_twice() -> None:
    caller = Caller(not_understood=NotUnderstood(times=2, after_s=1))
    for at_s in (1, 11):
        caller.hears(at_s)
        assert spoken(caller.wait(at_s + 3)) == "repeat that please"
        caller.said(at_s + 4)
    caller.hears(21)
    (hang_up,) = caller.wait(24)
    assert isinstance(hang_up, HangUp)
    assert caller.mind.outcome is Outcome.FAILED


def test_silent_frontdesk_is_asked_too() -> None:
    caller = Caller(patience_s=10)
    assert caller.wait(9.9) == []
    assert spoken(caller.wait(10.1)) == "repeat that please"


def test_staying_silent_lets_the_frontdesk_ask_again() -> None:
    caller = Caller()
    (heard,) = caller.hears(1, think=0.9)
    assert isinstance(heard, Heard)
    assert caller.wait(7) == []
    assert spoken(caller.hears(7.1, name=0.9)) == "Robin"


def test_goodbye_waits_for_the_frontdesk_to_hang_up_first() -> None:
    caller = Caller()
    caller.hears(1, bye=0.9)
    assert caller.mind.leaving
    assert caller.mind.missing_goals == ()
    assert caller.wait(5.4) == []
    assert caller.wait(5.5) == [HangUp(reason="the scenario is over")]
    assert caller.mind.outcome is None
    assert caller.wait(10) == []


def test_overall_time_ends_the_call_whatever_happens() -> None:
    caller = Caller(timeout_s=20)
    caller.starts(1)
    (hang_up,) = caller.wait(20.1)
    assert isinstance(hang_up, HangUp)
    assert caller.mind.outcome is Outcome.TIMED_OUT
    assert caller.mind.mind is Mind.OVER


def test_prompt_that_began_and_ended_under_our_speech_is_recognised_after_it() -> None:
    caller = Caller()
    caller.hears(1, name=0.9)
    caller.starts(3)
    assert caller.ends(4) == []
    (asked,) = caller.said(5)
    assert isinstance(asked, Recognise)
    assert asked.start_s == 2.9


def test_goal_counts_what_was_said_right_before_the_far_end_hung_up() -> None:
    caller = Caller()
    caller.starts(1)
    asked = caller.mind.last_words(2.0)
    assert asked is not None
    assert asked == Recognise(start_s=0.9, end_s=2.0, final=True)
    heard = caller.mind.note_last_words(asked, understood(bye=0.9))
    assert heard == Heard(matched=("bye",), score=0.9, start_s=1, end_s=2.0)
    assert caller.mind.missing_goals == ()


def test_answered_prompt_leaves_no_last_words() -> None:
    caller = Caller()
    caller.hears(1, name=0.9)
    assert caller.mind.last_words(3.0) is None


INTERRUPTS = Answer(hears=("welcome",), action=Says(texts=("stop",)), interrupts_after_s=1.0)


def test_prompt_is_interrupted_once_known_and_late_enough() -> None:
    caller = Caller(INTERRUPTS, NAME)
    caller.starts(1)
    (early,) = caller.wait(1.35)
    assert isinstance(early, Recognise)
    assert not early.final
    assert caller.recognises(early, welcome=0.9, name=0.9) == []  # not yet a second into it
    (late,) = caller.wait(1.65)
    assert caller.recognises(late, welcome=0.1) == []  # not known yet
    caller.wait(2.1)
    caller.recognises(late)
    (due,) = caller.wait(2.5)
    heard, speak = caller.recognises(due, welcome=0.9)
    assert isinstance(speak, Speak)
    assert speak.interrupting
    assert isinstance(heard, Heard)
    assert heard.matched == ("welcome",)


def test_rest_of_an_interrupted_prompt_is_not_listened_to() -> None:
    caller = Caller(INTERRUPTS, NAME)
    caller.starts(1)
    (asked,) = caller.wait(1.35)
    assert isinstance(asked, Recognise)
    caller.now_s = 2.2
    caller.recognises(asked, welcome=0.9)
    assert caller.mind.mind is Mind.SPEAKING
    assert caller.ends(2.5) == []
    assert caller.said(4) == []
    assert spoken(caller.hears(5, name=0.9)) == "Robin"


def test_answers_that_do_not_interrupt_wait_for_the_end() -> None:
    caller = Caller(NAME)
    caller.starts(1)
    assert caller.wait(8) == []
