"""Phrases found in real renderings of every prompt of the shipped flow, and nowhere else."""

import asyncio
import time
from functools import cache

import numpy as np
import pytest

from loadtest import g711
from loadtest.fingerprint import THRESHOLD, Match, features
from loadtest.listening import PhraseBook, Understood
from loadtest.pcm import FRAME_SAMPLES, Pcm
from loadtest.speech import VoiceSettings, render

AGENT = VoiceSettings()
ADDRESS = "42 Oak Street, Springfield"

# Each prompt of the flow, and the phrases that are in it.
PROMPTS: dict[str, set[str]] = {
    "Welcome to Oakline. You can change the address on an order, or ask where an order is. "
    "How can I help you?": {"How can I help you", "Welcome to Oakline"},
    "What is your order number?": {"What is your order number"},
    "What is the postcode on the order?": {"postcode on the order"},
    "What is the new address?": {"What is the new address"},
    f"I have {ADDRESS}. Is that right?": {"42 Oak Street", "Is that right"},
    f"The address is changed to {ADDRESS}. Is there anything else I can do for you?": {
        "42 Oak Street",
        "The address is changed",
        f"The address is changed to {ADDRESS}",
        "anything else",
    },
    "Your order is being prepared. Is there anything else I can do for you?": {
        "Your order is being prepared",
        "anything else",
    },
    "Sorry, I did not understand.": {"I did not understand"},
    "Thank you for calling Oakline. Goodbye.": {"Thank you for calling", "Goodbye"},
}
# Never said: the nearest thing to a wrong address that a read-back could be.
NEAR_MISSES = (
    "43 Oak Street",
    "40 Oak Street",
    "52 Oak Street",
    "32 Oak Street",
    "42 Elm Street",
    "42 Oak Avenue",
    "42 Oak Drive",
    "4 Oak Street",
)


@cache
def book() -> PhraseBook:
    phrases = {phrase for inside in PROMPTS.values() for phrase in inside}
    return asyncio.run(PhraseBook.learn([*sorted(phrases), *NEAR_MISSES], AGENT))


def through_the_network(pcm: Pcm, *, gain: float, loss: float, seed: int) -> Pcm:
    """µ-law, another level, lost packets concealed by repetition, line noise, silence around."""
    random = np.random.default_rng(seed)
    loud = np.concatenate([np.zeros(int(random.integers(400, 3_000)), np.int16), pcm])
    noisy = loud * gain + random.normal(0, 6, loud.size)
    heard = g711.decode(g711.encode(noisy.clip(-32_768, 32_767).astype(np.int16), "PCMU"), "PCMU")
    for start in range(FRAME_SAMPLES, heard.size - FRAME_SAMPLES, FRAME_SAMPLES):
        if random.random() < loss:
            heard[start : start + FRAME_SAMPLES] = heard[start - FRAME_SAMPLES : start]
    return np.concatenate([heard, np.zeros(3_600, np.int16)])


def heard_in(understood: Understood) -> set[str]:
    return {match.text for match in understood.heard}


def score_of(understood: Understood, text: str) -> Match:
    return next(match for match in understood.matches if match.text == text)


@pytest.mark.parametrize(
    ("gain", "loss"), [(1.0, 0.0), (0.3, 0.01), (0.3, 0.02), (1.5, 0.02), (0.15, 0.01)]
)
def test_every_prompt_is_heard_as_its_own_phrases_and_nothing_else(
    gain: float, loss: float
) -> None:
    for seed, (prompt, inside) in enumerate(PROMPTS.items()):
        sound = through_the_network(render(prompt, AGENT), gain=gain, loss=loss, seed=seed)
        assert heard_in(book().understand(sound)) == inside, prompt


def test_right_phrases_stand_well_above_wrong_ones() -> None:
    right: list[float] = []
    wrong: list[float] = []
    for prompt, inside in PROMPTS.items():
        for match in book().understand(render(prompt, AGENT)).matches:
            (right if match.text in inside else wrong).append(match.score)
    assert min(right) > THRESHOLD + 0.05
    assert max(wrong) < THRESHOLD - 0.05


@pytest.mark.parametrize("number", ["41", "43", "52", "420", "14"])
def test_another_street_number_is_not_ours(number: str) -> None:
    wrong = render(f"I have {number} Oak Street, Springfield. Is that right?", AGENT)
    heard = heard_in(book().understand(wrong))
    assert "42 Oak Street" not in heard
    assert "Is that right" in heard


def test_phrase_is_found_where_it_lies() -> None:
    before, after = (
        render("Welcome to Oakline.", AGENT),
        render("What is your order number?", AGENT),
    )
    match = score_of(
        book().understand(np.concatenate([before, np.zeros(1_600, np.int16), after])),
        "What is your order number",
    )
    starts_s = (before.size + 1_600) / 8_000
    assert match.start_s == pytest.approx(starts_s, abs=0.1)
    assert match.end_s == pytest.approx(starts_s + after.size / 8_000, abs=0.15)


def test_agent_speaking_a_tenth_faster_is_still_understood() -> None:
    faster = VoiceSettings(rate_wpm=182)
    assert heard_in(book().understand(render("What is the new address?", faster))) == {
        "What is the new address"
    }


def test_another_voice_saying_other_words_is_not_understood() -> None:
    stranger = VoiceSettings(name="en-gb+m3")
    assert not heard_in(
        book().understand(render("please leave a message after the tone", stranger))
    )


@pytest.mark.parametrize("pcm", [np.zeros(0, np.int16), np.zeros(8_000, np.int16)])
def test_silence_holds_no_phrase(pcm: Pcm) -> None:
    assert not heard_in(book().understand(pcm))


def test_noise_holds_no_phrase() -> None:
    noise = np.random.default_rng(1).normal(0, 3_000, 24_000).astype(np.int16)
    assert not heard_in(book().understand(noise))


def test_features_do_not_depend_on_the_level() -> None:
    pcm = render("What is your order number?", AGENT)
    quiet = (pcm // 8).astype(np.int16)
    assert np.abs(features(pcm) - features(quiet)).mean() < 0.1


def test_looking_for_a_phrase_costs_milliseconds() -> None:
    longest = render(max(PROMPTS, key=len), AGENT)
    book().understand(longest)
    started_s = time.thread_time()  # CPU of this thread alone: no wall clock, no neighbours
    phrases = len(book().understand(longest).matches)
    assert (time.thread_time() - started_s) / phrases < 0.02
