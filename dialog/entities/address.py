"""A spoken street address, written for reading back: "42 Oak Street, Springfield".

House numbers become figures; words that are not known stay, because towns and streets are seldom in
any list. An address has a house number, in front, and at least one word.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from dialog.entities.digits import Found
from dialog.entities.numbers import Reading, is_number_word, readings, unit_of
from dialog.entities.words import Word, words_of

_STREETS: Final = frozenset(
    {
        *("street", "road", "avenue", "lane", "drive", "court", "place", "boulevard", "way"),
        *("close", "crescent", "terrace", "square", "parkway", "circle", "trail", "highway"),
        *("gardens", "grove", "row", "walk", "mews", "alley", "plaza", "loop", "path", "parade"),
        *("st", "rd", "ave", "blvd", "ln", "dr", "ct", "pl", "pkwy", "hwy"),
    }
)
_WRITTEN_OUT: Final = {
    **{"st": "Street", "rd": "Road", "ave": "Avenue", "blvd": "Boulevard", "ln": "Lane"},
    **{"dr": "Drive", "ct": "Court", "pl": "Place", "pkwy": "Parkway", "hwy": "Highway"},
}
_AFTER_STREET: Final = frozenset({"north", "south", "east", "west", "n", "s", "e", "w"})
_UNITS: Final = frozenset(
    {"apartment", "apt", "unit", "suite", "flat", "floor", "number", "box", "room", "building"}
)
_LEAD_INS: Final = tuple(
    tuple(each.split())
    for each in (
        *("the new address is", "my new address is", "new address is", "the address is"),
        *("my address is", "address is", "it should be", "it should go to", "it has to be"),
        *("change it to", "change the address to", "change to", "changed to", "make it"),
        *("send it to", "ship it to", "deliver it to", "please send it to", "send to"),
        *(
            "it's",
            "its",
            "it is",
            "that's",
            "that is",
            "this is",
            "i live at",
            "i'm at",
            "we're at",
        ),
        *("i moved to", "we moved to", "i said", "i meant", "i mean", "actually", "the new one is"),
        *(
            "please",
            "to",
            "at",
            "is",
            "oh",
            "okay",
            "ok",
            "so",
            "yes",
            "yeah",
            "no",
            "nope",
            "sorry",
        ),
        *("the", "and", "but", "a", "new", "address", "hi", "hello", "uh", "sure", "correct", "my"),
        *("that's wrong", "that's not right", "wrong", "not", "rather", "instead"),
    )
)
_ENDINGS: Final = tuple(
    tuple(each.split())
    for each in ("please", "thank you", "thanks", "thank you very much", "instead", "that's it")
)
_ORDINAL_UNITS: Final = {
    **{"first": "1st", "second": "2nd", "third": "3rd", "fourth": "4th", "fifth": "5th"},
    **{"sixth": "6th", "seventh": "7th", "eighth": "8th", "ninth": "9th"},
}
_TENS: Final = {
    **{"twenty": "2", "thirty": "3", "forty": "4", "fifty": "5"},
    **{"sixty": "6", "seventy": "7", "eighty": "8", "ninety": "9"},
}
_FIGURES: Final = re.compile(r"\d+[a-z]?")
_LONGEST_NUMBER: Final = 6  # digits of a house number
_CORRECTION: Final = frozenset(
    {"no", "sorry", "actually", "mean", "not", "wait", "it's", "its", "is", "be", "rather"}
)


class Extent(StrEnum):
    """How much of an address was said."""

    NOTHING = "nothing"
    NUMBER = "number"  # of the house
    WORDS = "words"  # after the number, and none of them says what they are
    STREET = "street"  # to its last word
    TOWN = "town"  # or what else comes after the street


def extent_of(text: str) -> Extent:
    """How much of an address there is in what was said."""
    words = _core(words_of(text))
    at = _number_at(words)
    if at is None:
        return Extent.NOTHING
    _, rest = _house_number(words[at:])
    rest = _without_unit(rest)
    if not any(word.text.isalpha() for word in rest):
        return Extent.NUMBER
    # Not the first word: "Court Street" is a street as "Mill Court" is.
    ends = [at for at in range(1, len(rest)) if rest[at].text in _STREETS]
    if not ends:
        return Extent.WORDS
    after = _without_unit(rest[ends[0] + 1 :])
    beyond = [word for word in after if word.text not in _STREETS | _AFTER_STREET]
    return Extent.TOWN if beyond else Extent.STREET


def _without_unit(words: Sequence[Word]) -> Sequence[Word]:
    """Without the "apartment five" that they begin with."""
    if not words or words[0].text not in _UNITS:
        return words
    at = 1
    while at < len(words) and (is_number_word(words[at].text) or len(words[at].text) == 1):
        at += 1
    return words[at:]


def find_address(text: str, *, former: str | None = None) -> list[Found]:
    """The address in what was said, as a list of one, or of none.

    Args:
        former: the address that is being corrected; "no, forty four" then changes its number.
    """
    words = _core(words_of(text))
    at = _number_at(words)
    if at is None:
        return []
    number, rest = _house_number(words[at:])
    if number is None:
        return []
    if not any(each.text.isalpha() for each in rest):
        return [Found(_renumbered(former, number), 0.2)] if former and not rest else []
    head = _head(words[:at], number)
    # Words before the house number that are no unit of a building were probably meant otherwise.
    cost = 0.0 if at == 0 or words[0].text in _UNITS else 0.5
    return [Found(_sentence(head, rest), cost)]


def _head(before: Sequence[Word], number: str) -> str:
    """ "42", or "Apartment 5, 42" when the unit was said first."""
    if not before or before[-1].text == "number":
        return number
    written: list[str] = []
    at = 0
    while at < len(before):
        text, length = _written(before[at:], of_unit=at > 0 and before[at - 1].text in _UNITS)
        written.append(text)
        at += length
    return f"{' '.join(written)}{',' if before[0].text in _UNITS else ''} {number}"


def _core(words: list[Word]) -> list[Word]:
    """Without "the new address is" before it, and "please" after it."""
    words = _after_correction(words)
    while length := _match(words, _LEAD_INS):
        words = words[length:]
    while words and (length := _match_end(words, _ENDINGS)):
        words = words[:-length]
    return words


def _after_correction(words: list[Word]) -> list[Word]:
    """ "Forty two, no, forty four oak street": what follows the last word of correction."""
    for at in range(len(words) - 1, 0, -1):
        tail = words[at + 1 :]
        if words[at].text in _CORRECTION and _number_at(tail) in (0, 1) and len(tail) > 1:
            return tail
    return words


def _match(words: Sequence[Word], phrases: tuple[tuple[str, ...], ...]) -> int:
    fitting = (
        len(each) for each in phrases if tuple(word.text for word in words[: len(each)]) == each
    )
    return max(fitting, default=0)


def _match_end(words: Sequence[Word], phrases: tuple[tuple[str, ...], ...]) -> int:
    fitting = (
        len(each) for each in phrases if tuple(word.text for word in words[-len(each) :]) == each
    )
    return max(fitting, default=0)


def _number_at(words: Sequence[Word]) -> int | None:
    """Where the house number begins: in front, or after a unit such as "apartment five"."""
    for at, word in enumerate(words):
        starts = (
            is_number_word(word.text) or _FIGURES.fullmatch(word.text) or _is_hundred(words, at)
        )
        if starts and _ordinal(words[at:]) is None and not _is_of_unit(words, at):
            return at
    return None


def _is_hundred(words: Sequence[Word], at: int) -> bool:
    following = [word.text for word in words[at : at + 2]]
    return following == ["a", "hundred"] or following == ["o", "hundred"]


def _is_of_unit(words: Sequence[Word], at: int) -> bool:
    """Is this the number of an apartment that goes before the house number?"""
    if at == 0 or words[at - 1].text not in _UNITS or words[at - 1].text == "number":
        return False
    return _number_at(words[at + 1 :]) is not None


def _house_number(words: Sequence[Word]) -> tuple[str | None, Sequence[Word]]:
    """The number that the words begin with, as figures, and the words after it."""
    if _FIGURES.fullmatch(words[0].text) and not words[0].text.isdecimal():
        return words[0].text.upper(), words[1:]
    length = 0
    while length < len(words) and _goes_on(words, length):
        length += 1
        if words[length - 1].pause:
            break
    reading = _reading(words[:length])
    return (reading.digits if reading else None), words[length:]


def _goes_on(words: Sequence[Word], at: int) -> bool:
    word = words[at].text
    if _ordinal(words[at:]) is not None:
        return False
    if word == "and":
        return at + 1 < len(words) and is_number_word(words[at + 1].text)
    if word == "o":  # "four o eight": an oh between figures
        return at > 0 and at + 1 < len(words) and unit_of(words[at + 1].text) is not None
    return is_number_word(word) or (at == 0 and word == "a")


def _reading(words: Sequence[Word]) -> Reading | None:
    texts = ["oh" if word.text == "o" else word.text for word in words]
    fitting = [each for each in readings(texts) if len(each.digits) <= _LONGEST_NUMBER]
    return fitting[0] if fitting else None


def _ordinal(words: Sequence[Word]) -> tuple[str, int] | None:
    """ "twenty third" as ("23rd", 2); "fifth" alone stays a word."""
    if len(words) < 2 or words[0].text not in _TENS or words[1].text not in _ORDINAL_UNITS:
        return None
    return _TENS[words[0].text] + _ORDINAL_UNITS[words[1].text], 2


def _sentence(head: str, rest: Sequence[Word]) -> str:
    """House number, street, comma, town; a comma that was spoken as a pause stays."""
    written = [head]
    at = 0
    while at < len(rest):
        text, length = _written(rest[at:], of_unit=at > 0 and rest[at - 1].text in _UNITS)
        written.append(text)
        at += length
        last = rest[at - 1]
        if at < len(rest) and (
            last.pause or _ends_unit(rest, at - 1) or _ends_street(rest, at - 1)
        ):
            written[-1] += ","
    return " ".join(written)


def _ends_unit(rest: Sequence[Word], at: int) -> bool:
    """Is this the number in "apartment five"?"""
    return at > 0 and rest[at - 1].text in _UNITS and is_number_word(rest[at].text)


def _ends_street(rest: Sequence[Word], at: int) -> bool:
    """Is this the last word of the street's name?"""
    if rest[at].text not in _STREETS or at == 0 or rest[at + 1].text in _STREETS:
        return False
    if any(word.text in _STREETS for word in rest[1:at]):
        return False
    # "Oak Street North" is a street, "Oak Street, North Salem" a street and a town.
    return not (rest[at + 1].text in _AFTER_STREET and at + 2 == len(rest))


def _written(words: Sequence[Word], *, of_unit: bool) -> tuple[str, int]:
    """How the next word or words are written, and how many they are."""
    if ordinal := _ordinal(words):
        return ordinal
    length = 0
    while length < len(words) and is_number_word(words[length].text):
        length += 1
    if length:
        reading = _reading(words[:length])
        # One number word may well be part of a name: "Seven Oaks".
        if reading and (of_unit or length > 1 or words[0].text.isdecimal()):
            return reading.digits, length
    return _title(words[0].text), 1


def _title(word: str) -> str:
    return _WRITTEN_OUT.get(word) or word[:1].upper() + word[1:]


def _renumbered(former: str, number: str) -> str:
    return re.sub(r"\d+[A-Z]?", number, former, count=1)
