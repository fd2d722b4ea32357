"""Spoken forms and what they are read as."""

import pytest

from dialog.entities.address import find_address
from dialog.entities.digits import find_digits
from dialog.entities.numbers import readings
from dialog.entities.postcode import find_postcode
from dialog.entities.words import plain
from dialog.entities.yes_no import find_yes_no


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("four eight one five", "4815"),
        ("4815", "4815"),
        ("4,815", "4815"),
        ("4 8 1 5.", "4815"),
        ("it's 48-15", "4815"),
        ("forty eight fifteen", "4815"),
        ("forty eight one five", "4815"),
        ("forty-eight fifteen", "4815"),
        ("40 8 15", "4815"),
        ("four thousand eight hundred fifteen", "4815"),
        ("forty eight hundred", "4800"),
        ("forty eight hundred and five", "4805"),
        ("my order number is four eight one five", "4815"),
        ("um it's uh four eight er one five please", "4815"),
        ("four eight one oh", "4810"),
        ("four o eight one", "4081"),
        ("double five oh one", "5501"),
        ("triple one two", "1112"),
        ("for eight won five", "4815"),
        ("to one two three", "2123"),
        ("my order is for 4815", "4815"),
        ("four eight one five four eight one five", "4815"),
        ("four eight four eight one five", "4815"),
        ("four eight one six no sorry four eight one five", "4815"),
        ("four eight dash one five", "4815"),
        ("four eight and one five", "4815"),
        ("four eight is it one five", "4815"),
    ],
)
def test_number_of_four_digits_is_read(said: str, digits: str) -> None:
    assert find_digits(said, 4, 4)[0].value == digits


@pytest.mark.parametrize(
    "said", ["", "i don't know", "four eight one", "where is my order", "to be or not to be"]
)
def test_what_has_not_the_length_is_no_number(said: str) -> None:
    assert find_digits(said, 4, 4) == []


def test_number_taken_back_comes_after_the_one_that_stands() -> None:
    found = find_digits("one two three four, no, five six seven eight", 4, 4)
    assert [each.value for each in found] == ["5678", "1234"]


def test_tens_and_units_have_two_readings() -> None:
    assert [each.digits for each in readings(["forty", "eight"])] == ["48", "408"]


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("forty two oak street springfield", "42 Oak Street, Springfield"),
        ("42 Oak Street, Springfield.", "42 Oak Street, Springfield"),
        ("the new address is forty two oak street springfield", "42 Oak Street, Springfield"),
        ("please send it to 15 mill road ashford thank you", "15 Mill Road, Ashford"),
        ("four eight two elm drive", "482 Elm Drive"),
        ("twelve hundred maple avenue north salem", "1200 Maple Avenue, North Salem"),
        ("a hundred and five king's road london", "105 King's Road, London"),
        ("one oh five main street", "105 Main Street"),
        ("two thirty one west twenty third street new york", "231 West 23rd Street, New York"),
        ("one hundred twenty three fifth avenue brooklyn", "123 Fifth Avenue, Brooklyn"),
        (
            "forty two oak street springfield six two seven oh four",
            "42 Oak Street, Springfield 62704",
        ),
        ("42 broadway, new york", "42 Broadway, New York"),
        ("apartment five forty two oak street", "Apartment 5, 42 Oak Street"),
        ("nine main street apartment five riverside", "9 Main Street, Apartment 5, Riverside"),
        ("number seven high street seven oaks", "7 High Street, Seven Oaks"),
        ("12b baker street london", "12B Baker Street, London"),
        ("forty two zzyzx lane quux", "42 Zzyzx Lane, Quux"),
        ("forty two oak street north", "42 Oak Street North"),
        ("1 oak st springfield", "1 Oak Street, Springfield"),
        ("forty two no forty four oak street springfield", "44 Oak Street, Springfield"),
        ("not forty two it's forty four oak street", "44 Oak Street"),
        ("no that's wrong it's forty four oak street", "44 Oak Street"),
    ],
)
def test_address_is_written_for_reading_back(said: str, address: str) -> None:
    assert find_address(said)[0].value == address


@pytest.mark.parametrize(
    "said", ["oak street", "forty two", "", "yes that's right", "twenty third"]
)
def test_address_needs_a_number_and_a_word(said: str) -> None:
    assert find_address(said) == []


def test_number_alone_corrects_the_former_address() -> None:
    found = find_address("no forty four", former="42 Oak Street, Springfield")
    assert found[0].value == "44 Oak Street, Springfield"


@pytest.mark.parametrize(
    ("said", "country", "postcode"),
    [
        ("nine oh two one oh", "us", "90210"),
        ("ninety two one oh", "us", "90210"),
        ("90210-1234", "us", "90210"),
        ("s w one a one a a", "uk", "SW1A 1AA"),
        ("S for sugar double u one alpha, one a as in alpha a", "uk", "SW1A 1AA"),
        ("my postcode is ess double-u one a one a a", "uk", "SW1A 1AA"),
        ("SW1A 1AA", "uk", "SW1A 1AA"),
        ("ec one a one bee bee", "uk", "EC1A 1BB"),
        ("bravo tango one five eight jay ex", "uk", "BT15 8JX"),
        ("m one one a e", "uk", "M1 1AE"),
        ("k one a oh b one", "ca", "K1A 0B1"),
        ("k1a ob1", "ca", "K1A 0B1"),
    ],
)
def test_postcode_is_read_in_its_country_s_format(said: str, country: str, postcode: str) -> None:
    assert find_postcode(said, country)[0].value == postcode


@pytest.mark.parametrize("country", ["us", "uk", "ca"])
def test_other_words_are_no_postcode(country: str) -> None:
    assert find_postcode("where is my order", country) == []


@pytest.mark.parametrize(
    "said",
    [
        *(
            "yes",
            "Yeah, that's right.",
            "correct",
            "yep",
            "uh huh",
            "that is correct",
            "yes please",
        ),
        *("i think that's right", "sure go ahead", "it's right", "right"),
    ],
)
def test_yes(said: str) -> None:
    answer = find_yes_no(said)
    assert answer
    assert answer.yes
    assert answer.rest == ()


@pytest.mark.parametrize(
    "said",
    [
        *("no", "Nope.", "no that's wrong", "that's not right", "it's not correct", "incorrect"),
        *("know", "no thank you", "not really", "that isn't right", "i don't think so"),
    ],
)
def test_no(said: str) -> None:
    answer = find_yes_no(said)
    assert answer
    assert not answer.yes
    assert answer.rest == ()


@pytest.mark.parametrize("said", ["yeah no", "where it is", "forty two", "", "banana"])
def test_neither_yes_nor_no(said: str) -> None:
    assert find_yes_no(said) is None


def test_what_follows_an_answer_is_kept() -> None:
    answer = find_yes_no("no it's forty four")
    assert answer
    assert answer.rest == ("it's", "forty", "four")


def test_words_are_small_and_without_hesitation() -> None:
    assert plain("Um, Forty-Two; p.m. It’s 1,200!") == ["forty", "two", "pm", "it's", "1200"]
