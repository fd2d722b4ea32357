"""Spoken numbers as digits: every way a run of words can be read, each with its cost.

"forty eight fifteen" is 4815; "four hundred five" is 405, "double oh seven" is 007, and "for eight"
can be 48, when digits were asked for. The reader who knows the format chooses.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast

from text_to_num import text2num  # pyright: ignore[reportUnknownVariableType]

UNITS: Final = {
    **{"zero": "0", "oh": "0", "nought": "0", "naught": "0", "nil": "0"},
    **{"one": "1", "two": "2", "three": "3", "four": "4", "five": "5"},
    **{"six": "6", "seven": "7", "eight": "8", "nine": "9"},
}
_TEENS: Final = {
    **{"ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14"},
    **{"fifteen": "15", "sixteen": "16", "seventeen": "17", "eighteen": "18", "nineteen": "19"},
}
_TENS: Final = {
    **{"twenty": "20", "thirty": "30", "forty": "40", "fourty": "40", "fifty": "50"},
    **{"sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90"},
}
_SOUNDALIKES: Final = {
    **{"o": "0", "owe": "0", "won": "1", "to": "2", "too": "2", "for": "4", "fore": "4"},
    **{"ate": "8", "nein": "9", "sex": "6", "tree": "3", "free": "3", "fife": "5", "niner": "9"},
}
_REPEATS: Final = {"double": 2, "triple": 3, "treble": 3, "quadruple": 4}
_SCALES: Final = frozenset({"hundred", "thousand"})

_READ_AS_DIGIT: Final = 1.0  # cost of taking "for" as 4
_LEFT_OUT: Final = 0.5  # cost of taking "for" as the word it is
_SPLIT: Final = 1.0  # cost of reading "forty eight" as 40 8
_MOST_READINGS: Final = 64


@dataclass(frozen=True, slots=True)
class Reading:
    digits: str
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class _Piece:
    """The first `length` words, read."""

    digits: str
    length: int
    cost: float = 0.0


def is_number_word(word: str) -> bool:
    """Can this word be part of a number, in any company?"""
    return word.isdecimal() or any(
        word in each for each in (UNITS, _TEENS, _TENS, _REPEATS, _SCALES)
    )


def is_soundalike(word: str) -> bool:
    return word in _SOUNDALIKES


def readings(words: Sequence[str], *, soundalikes: bool = False) -> list[Reading]:
    """Every reading of all of `words` as digits, cheapest first; empty when there is none.

    Args:
        soundalikes: also take "for" as 4, or leave it out.
    """
    # best[i]: the cheapest cost of each digit string that the first i words can be.
    best: list[dict[str, float]] = [{"": 0.0}] + [{} for _ in words]
    for at in range(len(words)):
        so_far = sorted(best[at].items(), key=lambda item: item[1])[:_MOST_READINGS]
        for piece in _pieces(words[at:], soundalikes):
            reached = best[at + piece.length]
            for digits, cost in so_far:
                total = cost + piece.cost
                if total < reached.get(digits + piece.digits, float("inf")):
                    reached[digits + piece.digits] = total
    found = [Reading(digits, cost) for digits, cost in best[-1].items() if digits]
    return sorted(found, key=lambda each: each.cost)


def _pieces(words: Sequence[str], soundalikes: bool) -> Iterator[_Piece]:
    yield from _small(words)
    yield from _repeated(words, soundalikes)
    yield from _scaled(words)
    if soundalikes and words[0] in _SOUNDALIKES:
        yield _Piece(_SOUNDALIKES[words[0]], 1, _READ_AS_DIGIT)
        yield _Piece("", 1, _LEFT_OUT)


def _small(words: Sequence[str]) -> Iterator[_Piece]:
    first = words[0]
    following = unit_of(words[1]) if len(words) > 1 else None
    tens = _TENS.get(first) or (first if len(first) == 2 and first.isdecimal() else "")
    if tens.endswith("0") and tens != "00" and following not in (None, "0"):
        spelt_out = first in _TENS
        # A recogniser that writes "40 8" may have heard "forty eight" or "four oh eight".
        yield _Piece(tens[0] + str(following), 2, 0.0 if spelt_out else _SPLIT)
        yield _Piece(tens, 1, _SPLIT if spelt_out else 0.0)
    elif first in _TENS:
        yield _Piece(_TENS[first], 1)
    elif first.isdecimal() and first.isascii():
        yield _Piece(first, 1)
    elif digits := UNITS.get(first) or _TEENS.get(first):
        yield _Piece(digits, 1)


def unit_of(word: str) -> str | None:
    """The single digit that a word is, or None."""
    if len(word) == 1 and word.isdecimal() and word.isascii():
        return word
    return UNITS.get(word)


def _repeated(words: Sequence[str], soundalikes: bool) -> Iterator[_Piece]:
    times = _REPEATS.get(words[0])
    if times is None or len(words) < 2:
        return
    unit = unit_of(words[1]) or (_SOUNDALIKES.get(words[1]) if soundalikes else None)
    if words[1] == "o":
        unit = "0"
    if unit is not None:
        yield _Piece(unit * times, 2)


def _scaled(words: Sequence[str]) -> Iterator[_Piece]:
    """Hundreds and thousands: "twelve hundred", "a hundred and five", "4 thousand 8 hundred"."""
    length = 0
    while length < len(words) and (
        is_number_word(words[length]) or words[length] == ("a" if length == 0 else "and")
    ):
        length += 1
    for end in range(length, 1, -1):
        span = words[:end]
        if _SCALES.isdisjoint(span) or span[-1] == "and":
            continue
        value = _value_of(span)
        if value is not None:
            yield _Piece(str(value), end)
            return


def _value_of(span: Sequence[str]) -> int | None:
    cardinals = ["one" if word == "a" else _CARDINALS.get(word, word) for word in span]
    try:
        return int(cast(int, text2num(" ".join(cardinals), "en")))
    except ValueError:
        return None


# text2num reads words only; a recogniser mixes them with figures: "12 hundred".
_CARDINALS: Final = {
    str(int(digits)): word for word, digits in (UNITS | _TEENS | _TENS).items() if word != "fourty"
} | {"fourty": "forty"}
