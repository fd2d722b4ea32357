"""The scenario library, and how callers judge what they got."""

from pathlib import Path

import numpy as np
import pytest

from loadtest.conversation import Conversation, PromptEnded, PromptStarted, Recognise, Recognised
from loadtest.density import greatest
from loadtest.fingerprint import Match
from loadtest.listening import Understood
from loadtest.load.mix import find_mix, load_mix
from loadtest.load.reading import PromptMemory
from loadtest.pcm import Pcm
from loadtest.scenario import (
    SHIPPED,
    Answer,
    Presses,
    Says,
    Scenario,
    WrongWhen,
    find_scenario,
    load_scenario,
)
from loadtest.sounds import SpeechCache, sounds_of
from loadtest.speech import VoiceSettings


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_scenario_is_valid_and_named_as_its_file(path: Path):
    assert load_scenario(path).name == path.stem


def test_everyday_mix_adds_up():
    assert sum(part.weight for part in load_mix(find_mix("everyday")).parts) == 100


def after(scenario: Scenario, *prompts: tuple[str, ...]) -> Conversation:
    """A caller that has heard these prompts, each as the phrases in it."""
    mind = Conversation(scenario)
    now_s = 0.0
    for phrases in prompts:
        mind.receive(PromptStarted(at_s=now_s), now_s)
        asked = mind.receive(PromptEnded(at_s=now_s + 1), now_s + 1)[0]
        assert isinstance(asked, Recognise)
        matches = tuple(Match(text=text, score=0.9, start_s=0, end_s=1) for text in phrases)
        mind.receive(Recognised(asked=asked, understood=Understood(matches=matches)), now_s + 1)
        mind.mind = type(mind.mind).LISTENING
        now_s += 2
    return mind


QUESTION = Answer(hears=("Which number",), action=Presses(keys="1"))
SCENARIO = Scenario(
    name="trial",
    answers=(
        QUESTION,
        Answer(hears=("Digits please",), action=Presses(keys="1"), again=True),
        Answer(hears=("Anything else",), action=Says(texts=("more", "no"))),
    ),
    goal=("Done",),
    wrong=WrongWhen(hears="Done", unless="Done for Robin"),
    person=("A colleague",),
)


def test_question_that_was_answered_counts_as_asked_twice():
    assert after(SCENARIO, ("Which number",)).asked_twice == 0
    assert after(SCENARIO, ("Which number",), ("Which number",)).asked_twice == 1


def test_prompt_that_asks_again_counts_at_once():
    assert after(SCENARIO, ("Which number",), ("Digits please",)).asked_twice == 1


def test_question_with_several_answers_may_come_as_often():
    assert after(SCENARIO, ("Anything else",), ("Anything else",)).asked_twice == 0


def test_record_is_wrong_when_the_frontdesk_says_another():
    assert after(SCENARIO, ("Done",)).wrong_record
    assert not after(SCENARIO, ("Done", "Done for Robin")).wrong_record


def test_person_is_noticed():
    assert after(SCENARIO, ("A colleague",)).met_person
    assert not after(SCENARIO, ("Done",)).met_person


# --- prompts remembered ---------------------------------------------------------------------------


def tone(hz: float, count: int = 8_000, lead: int = 0) -> Pcm:
    samples = 8_000 * np.sin(2 * np.pi * hz * np.arange(count) / 8_000)
    return np.concatenate([np.zeros(lead), samples]).astype(np.int16)


WORDS = Understood(matches=(Match(text="a", score=1.0, start_s=0, end_s=1),))


def test_same_sound_is_recalled_wherever_the_window_was_laid():
    memory = PromptMemory[Understood]()
    memory.keep(tone(440, lead=100), WORDS)
    assert memory.recall(tone(440, lead=777)) is WORDS


def test_line_noise_does_not_hide_a_known_sound():
    memory = PromptMemory[Understood]()
    memory.keep(tone(440), WORDS)
    noise = np.random.default_rng(1).normal(0, 20, 8_000)
    noise[[0, -1]] = 0
    assert memory.recall((tone(440) + noise).astype(np.int16)) is WORDS


def test_one_other_syllable_is_another_sound():
    memory = PromptMemory[Understood]()
    memory.keep(tone(440), WORDS)
    other = tone(440)
    other[3_000:3_800] = tone(600)[3_000:3_800]
    assert memory.recall(other) is None


def test_silence_is_never_known():
    memory = PromptMemory[Understood]()
    memory.keep(np.zeros(800, np.int16), WORDS)
    assert memory.recall(np.zeros(800, np.int16)) is None


# --- speech kept ----------------------------------------------------------------------------------


def test_speech_is_rendered_once_and_shared(tmp_path: Path):
    cache = SpeechCache(tmp_path)
    cache.render("yes", VoiceSettings(name="en-gb"))
    (path,) = tmp_path.iterdir()
    np.save(path, np.arange(5, dtype=np.int16))
    assert cache.render("yes", VoiceSettings(name="en-gb")).tolist() == [0, 1, 2, 3, 4]
    path.write_bytes(b"cut")
    assert cache.render("yes", VoiceSettings(name="en-gb")).size > 2_000  # made anew


async def test_noise_of_a_scenario_is_among_its_sounds(tmp_path: Path):
    scenario = load_scenario(SHIPPED / "noise.yaml")
    sounds = await sounds_of(scenario, SpeechCache(tmp_path))
    assert sounds["[noise 4 s]"].size == 32_000


# --- how many -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "found"), [(0, 0), (1, 1), (7, 7), (12, 12), (64, 64), (999, 64)]
)
async def test_search_finds_the_greatest_number_that_holds(limit: int, found: int):
    asked: list[int] = []

    async def holds(number: int) -> bool:
        asked.append(number)
        return number <= limit

    assert await greatest(holds, start=4, most=64, close=0.0) == found
    assert len(asked) == len(set(asked))
    assert len(asked) <= 10


def test_silent_line_is_held_for_hours_without_a_word():
    mind = after(load_scenario(find_scenario("silent_line")), ("How can I help you",), ())
    assert [command for now_s in range(4, 40_000) for command in mind.tick(float(now_s))] == []
    assert mind.missing_goals == ()
