"""What closed slots allow, and a decode that produces nothing else."""

from functools import cache

import pytest

from models import constraint
from models.constraint import LENGTH_BONUS, Vocabulary
from models.decoding import Tokens
from models.espeak import EspeakVoice
from models.speech import Pcm
from models.stt import SttEngine
from models.transcript import Hypothesis
from models.window import preferred_first


@cache
def engine() -> SttEngine:
    return SttEngine()


def say(text: str) -> Pcm:
    return EspeakVoice("en-us").render(text).pcm


# --- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("four eight one five", "4815"),
        ("oh four zero", "040"),
        ("double five triple nine", "55999"),
        ("forty eight fifteen", "4815"),
        ("forty oh eight", "4008"),
        ("4815", "4815"),
        ("48 1 5", "4815"),
        ("four agent", None),
        ("double", None),
        ("double forty", None),
        ("", None),
    ],
)
def test_digits_are_read_as_callers_say_them(said: str, value: str | None):
    assert constraint.digits().value(said) == value
    assert constraint.digits().fits(said) == (value is not None)


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("s w one a one a a", "SW1A1AA"),
        ("sierra whiskey one alpha", "SW1A"),
        ("a as in alpha b for bravo two", "AB2"),
        ("double b zed", "BBZ"),
        ("sw1a 1aa", "SW1A1AA"),
        ("oh x", "0X"),
        ("hello", None),
        ("as in", None),
    ],
)
def test_codes_are_read_from_letters_and_the_words_for_them(said: str, value: str | None):
    assert constraint.characters().value(said) == value


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("yes", "yes"),
        ("yes please", "yes"),
        ("yeah sure", "yes"),
        ("no that's not right", "no"),
        ("yes four", None),
        ("please yes that", None),
    ],
)
def test_answers_are_whole_phrases_one_after_the_other(said: str, value: str | None):
    assert constraint.yes_no().value(said) == value


def test_choices_allow_only_the_menu():
    menu = constraint.choices(["Billing", "technical support"])
    assert menu.value("technical support") == "technical support"
    assert not menu.fits("technical billing")
    with pytest.raises(ValueError, match="phrase"):
        constraint.choices(["", "?"])


@pytest.mark.parametrize(
    ("allowed", "fits", "does_not"),
    [
        (constraint.dates(), "the twenty first of may", "the first order"),
        (constraint.dates(), "may 3rd 2024", "may maybe"),
        (constraint.amounts(), "forty two dollars and ten cents", "forty two dogs"),
    ],
)
def test_dates_and_amounts_allow_their_words(allowed: Vocabulary, fits: str, does_not: str):
    assert allowed.fits(fits)
    assert not allowed.fits(does_not)


def test_a_wanted_length_is_preferred_but_not_enforced():
    four = constraint.digits(4, 4)
    near = Hypothesis(text="four eight one five", log_prob=-0.3)
    likely = Hypothesis(text="four one five", log_prob=-0.3 + LENGTH_BONUS / 2)
    sure = Hypothesis(text="four one five", log_prob=-0.3 + 2 * LENGTH_BONUS)
    assert preferred_first([likely, near], four)[0] is near
    assert preferred_first([sure, near], four)[0] is sure


# --- the decode -------------------------------------------------------------------------------


def test_only_what_the_slot_allows_comes_out():
    """Also of what is nothing like it; the free hypotheses are left as they are."""
    sound = say("where is my package")
    within = constraint.characters()
    heard = engine().transcribe(sound, within=within)
    assert heard.hypotheses == engine().transcribe(sound).hypotheses
    assert all(within.fits(one.text) for one in heard.constrained)


def test_an_answer_that_fits_is_not_searched_again():
    heard = engine().transcribe(say("four eight one five"), within=constraint.digits(4, 4))
    assert heard.constrained[0] == heard.hypotheses[0]
    assert heard.constrained[0].text == "four eight one five"


def test_what_does_not_fit_is_unlikelier_on_the_same_scale():
    heard = engine().transcribe(say("where is my order please"), within=constraint.digits())
    assert all(one.log_prob < heard.hypotheses[0].log_prob - 0.3 for one in heard.constrained)


def test_scores_of_both_searches_agree_where_both_found_the_same():
    within = constraint.digits(8, 8)  # nothing fits, so that the second search runs
    heard = engine().transcribe(say("nine four two seven"), within=within)
    free = {one.text: one.log_prob for one in heard.hypotheses}
    common = [one for one in heard.constrained if one.text in free]
    assert common
    assert all(abs(one.log_prob - free[one.text]) < 0.1 for one in common)


def test_nothing_said_stays_nothing():
    assert engine().transcribe(say("")[:0], within=constraint.yes_no()).constrained == ()


def test_every_word_of_a_vocabulary_can_be_written():
    tokens: Tokens = engine().decoder.tokens
    for within in (constraint.digits(), constraint.characters(), constraint.yes_no()):
        suppressed = set(tokens.all_but(within))
        assert all(suppressed.isdisjoint(tokens.ids(word)) for word in within.words)
        assert suppressed.issuperset(set(tokens.ids("package")) - set(tokens.ids("pa")))
