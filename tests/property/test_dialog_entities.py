"""The grammars take any text without failing, and read back what they said."""

from hypothesis import given
from hypothesis import strategies as st

from dialog.entities.address import find_address
from dialog.entities.digits import find_digits
from dialog.entities.postcode import find_postcode
from dialog.entities.yes_no import find_yes_no
from dialog.names import spell
from dialog.repair import command_in

_WORDS = (
    *("one", "twenty", "double", "hundred", "thousand", "and", "a", "oh", "for", "to", "street"),
    *("no", "sorry", "it's", "oak", "apartment", "third", "is", "as", "in", "alpha", "4", "40"),
    *("yes", "not", "please", "12b", "w", "u", "²", "½", "٣"),
)
_speech = st.text(max_size=40) | st.lists(st.sampled_from(_WORDS), max_size=12).map(" ".join)
_DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@given(_speech)
def test_any_text_is_read_without_failing(text: str) -> None:
    for found in find_digits(text, 3, 6):
        assert found.value.isascii()
        assert found.value.isdecimal()
        assert 3 <= len(found.value) <= 6
    for country in ("us", "uk", "ca"):
        for found in find_postcode(text, country):
            assert found.value.isascii()
    for found in find_address(text):
        assert any(map(str.isdecimal, found.value))
        assert any(map(str.isalpha, found.value))
    find_yes_no(text)
    command_in(text)


@given(st.text("0123456789", min_size=4, max_size=4))
def test_digits_are_understood_as_they_are_said_back(digits: str) -> None:
    assert find_digits(spell(digits), 4, 4)[0].value == digits


@given(st.text("0123456789", min_size=4, max_size=4))
def test_digits_are_understood_word_by_word(digits: str) -> None:
    said = " ".join(_DIGIT_WORDS[int(each)] for each in digits)
    assert find_digits(f"my order number is {said}", 4, 4)[0].value == digits


@given(st.integers(1, 9999), st.sampled_from(["Oak Street, Springfield", "Mill Road, Bath"]))
def test_address_is_understood_as_it_is_read_back(number: int, rest: str) -> None:
    assert find_address(f"{number} {rest}")[0].value == f"{number} {rest}"
