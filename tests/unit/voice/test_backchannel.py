"""Words interrupt; listening noises, coughs and breaths do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.backchannel import ANSWERS, NOISE_S, PHRASES, heard_so_far, is_backchannel
from voice.turn_events import SoFar

SHORT_S, SURE = 0.5, 0.9


@pytest.mark.parametrize(
    "text",
    [
        "mm-hm", "Mm-hmm.", "mhm", "uh huh", "Uh-huh!", "okay", "OK", "right", "Right, right.",
        "yeah", "yes", "hm", "Hmm...", "oh", "ah", "oh okay", "I see", "got it", "all right",
        "alright, okay", "yeah, that's right", "That’s fine", "um", "of course",
    ],
)  # fmt: skip
def test_listening_over_a_statement_does_not_interrupt(text: str):
    assert is_backchannel(text, SURE, SHORT_S)


@pytest.mark.parametrize(
    "text",
    [
        "no", "stop", "wait", "hold on", "hello", "what", "sorry", "agent", "five", "cancel",
        "okay but", "yeah I know", "right, and my address is", "no no no", "oh no", "I", "see",
        "got", "of",
    ],
)  # fmt: skip
def test_words_interrupt(text: str):
    assert not is_backchannel(text, SURE, SHORT_S)


@pytest.mark.parametrize("text", ["yes", "yeah", "mm-hm", "uh huh", "okay", "right", "oh yes"])
def test_agreement_over_a_question_is_its_answer(text: str):
    assert is_backchannel(text, SURE, SHORT_S)
    assert not is_backchannel(text, SURE, SHORT_S, over_question=True)


@pytest.mark.parametrize("text", ["hm", "oh", "um", "ah"])
def test_sounds_that_answer_nothing_do_not_interrupt_a_question(text: str):
    assert is_backchannel(text, SURE, SHORT_S, over_question=True)


@pytest.mark.parametrize("text", ["", " ", "...", "-"])
def test_cough_does_not_interrupt_and_long_talk_without_a_recognised_word_does(text: str):
    assert is_backchannel(text, 0.0, NOISE_S - 0.1)
    assert not is_backchannel(text, 0.0, NOISE_S + 0.1)


def test_doubted_blip_is_noise_but_a_doubted_sentence_is_not():
    assert is_backchannel("stop", 0.1, 0.2)
    assert not is_backchannel("stop", 0.8, 0.2)
    assert not is_backchannel("I want to stop", 0.1, 1.2)


def test_long_agreement_wants_the_floor():
    assert is_backchannel("okay okay right", SURE, 1.2)
    assert not is_backchannel("okay okay right yeah okay sure", SURE, 2.5)


agreement = st.sampled_from(sorted(ANSWERS) + [" ".join(phrase) for phrase in PHRASES])


@given(
    st.lists(agreement, min_size=1, max_size=5), st.sampled_from(["please", "but", "no", "seven"])
)
def test_one_word_of_substance_among_any_agreement_interrupts(heard: list[str], word: str):
    assert is_backchannel(" ".join(heard), SURE, SHORT_S)
    assert not is_backchannel(" ".join([*heard, word]), SURE, SHORT_S)
    assert not is_backchannel(" ".join([word, *heard]), SURE, SHORT_S)


@given(st.text(), st.floats(0, 1), st.floats(0, 30))
def test_any_text_is_judged(text: str, confidence: float, voiced_s: float):
    over_statement = is_backchannel(text, confidence, voiced_s)
    over_question = is_backchannel(text, confidence, voiced_s, over_question=True)
    assert over_statement or not over_question, "a question is interrupted by more, never by less"


def test_hummed_mm_hm_that_came_out_as_words_nobody_believes_does_not_interrupt():
    assert is_backchannel("a moment", 0.01, 0.7)
    assert not is_backchannel("a moment", 0.3, 0.7), "believed"
    assert not is_backchannel("a moment", 0.01, 1.4), "too long for a hum"
    assert not is_backchannel("wait a moment", 0.01, 0.7), "asks for attention"


@pytest.mark.parametrize("text", ["mm", "okay", "amma", "mmer", "uh huh", "right", "oh okay"])
def test_beginning_of_a_listeners_word_is_known(text: str):
    assert heard_so_far(text, 0.5) is SoFar.LISTENING


@pytest.mark.parametrize("text", ["where", "okay but", "my", "yes", "i", "no", "correct", "am"])
def test_beginning_of_anything_else_is_words_if_that_is_certain(text: str):
    assert heard_so_far(text, 0.9) is SoFar.WORDS
    assert heard_so_far(text, 0.2) is SoFar.UNSURE


@pytest.mark.parametrize("text", ["mm", "amma", "mm hm", "mm h h", "mmer"])
def test_hum_is_a_listeners_though_no_recogniser_believes_it(text: str):
    assert heard_so_far(text, 0.01) is SoFar.LISTENING
    assert heard_so_far(f"{text} where", 0.9) is SoFar.WORDS


def test_beginning_that_is_nothing_or_not_believed_tells_nothing():
    assert heard_so_far("okay", 0.01) is SoFar.UNSURE
    assert heard_so_far("", 0.9) is SoFar.UNSURE
