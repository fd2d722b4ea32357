"""Postcodes: five digits in the US, letters and digits in Britain and Canada.

Letters are said as letters, by their names, in the NATO alphabet or "as in" a word: "S for sugar W
one A, one A A" is SW1A 1AA. Whether an "oh" is a letter or a digit, the country's format decides.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from dialog.entities.digits import Found, find_digits
from dialog.entities.numbers import is_number_word, readings
from dialog.entities.words import plain

_FORMATS: Final = {
    # BS 7666, and the letters that Royal Mail leaves out of the last two places.
    "uk": re.compile(r"[A-PR-UWYZ](?:\d[\dA-Z]?|[A-Y]\d[\dA-Z]?)\d[ABD-HJLNP-UW-Z]{2}"),
    # Canada Post leaves out D F I O Q U, and W Z in the first place.
    "ca": re.compile(r"[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z]\d[ABCEGHJ-NPRSTV-Z]\d"),
}
_LENGTHS: Final = {"uk": (5, 7), "ca": (6, 6)}

_NATO: Final = (
    *("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india"),
    *("juliet", "kilo", "lima", "mike", "november", "oscar", "papa", "quebec", "romeo"),
    *("sierra", "tango", "uniform", "victor", "whiskey", "xray", "yankee", "zulu"),
    *("alfa", "juliett", "whisky"),
)
_SOUNDS: Final = {
    **{"ay": "A", "eh": "A", "hey": "A", "bee": "B", "be": "B", "cee": "C", "see": "C"},
    **{"sea": "C", "dee": "D", "ee": "E", "ef": "F", "eff": "F", "gee": "G", "jee": "G"},
    **{"aitch": "H", "haitch": "H", "age": "H", "eye": "I", "jay": "J", "kay": "K"},
    **{"okay": "K", "el": "L", "ell": "L", "em": "M", "en": "N", "and": "N", "oh": "O"},
    **{"owe": "O", "pee": "P", "pea": "P", "cue": "Q", "queue": "Q", "are": "R", "ar": "R"},
    **{"ess": "S", "tee": "T", "tea": "T", "you": "U", "vee": "V", "ex": "X", "why": "Y"},
    **{"wye": "Y", "zed": "Z", "zee": "Z", "said": "Z"},
}
_AS_IN: Final = (("as", "in"), ("for",), ("like",), ("as",), ("is", "for"))
_SOUND_COST: Final = 0.2  # cost of hearing "bee" as B rather than the word
_CUT_SHORT: Final = 0.5  # cost of beginning after what may be its first character
_DIGIT_AS_LETTER: Final = {"0": "O", "1": "I"}  # a recogniser writes 0 for a spoken O
_LETTER_AS_DIGIT: Final = {letter: digit for digit, letter in _DIGIT_AS_LETTER.items()}
_SWAPPED: Final = 0.7
_MOST: Final = 256  # readings kept while a postcode is put together


def find_postcode(text: str, country: str) -> list[Found]:
    """Postcodes of the country in what was said, likeliest first; in their written form."""
    if country == "us":
        # A ZIP+4 is taken for its ZIP.
        extended = [Found(each.value[:5], each.cost) for each in find_digits(text, 9, 9)]
        return find_digits(text, 5, 5) or extended
    words = plain(text)
    found: dict[str, float] = {}
    for start in range(len(words)):
        cut = _CUT_SHORT if start and _is_character(words[start - 1 :]) else 0.0
        for value, cost in _from(words[start:], country):
            found[value] = min(cost + cut, found.get(value, cost + cut))
    ranked = sorted(found.items(), key=lambda each: each[1])
    return [Found(_written(value, country), cost) for value, cost in ranked]


def _written(value: str, country: str) -> str:
    return f"{value[:-3]} {value[-3:]}" if country in _FORMATS else value


def _from(words: Sequence[str], country: str) -> Iterator[tuple[str, float]]:
    """Whole postcodes that begin with the first word."""
    longest = _LENGTHS[country][1]
    best: list[dict[str, float]] = [{"": 0.0}] + [{} for _ in words]
    for at in range(len(words)):
        so_far = sorted(best[at].items(), key=lambda each: each[1])[:_MOST]
        for value, cost in so_far:
            for piece, length, extra in _characters(words[at:]):
                if len(value) + len(piece) <= longest:
                    reached = best[at + length]
                    total = cost + extra
                    reached[value + piece] = min(total, reached.get(value + piece, total))
        for value, cost in best[at + 1].items():
            if _FORMATS[country].fullmatch(value):
                # Words left over make it less likely that this is all of it.
                yield value, cost + 0.1 * (len(words) - at - 1)


def _characters(words: Sequence[str]) -> Iterator[tuple[str, int, float]]:
    """What the first words can be: (characters, number of words, cost)."""
    first = words[0]
    spelt = _as_in(words)
    if spelt:
        yield first_letter(words), spelt, 0.0
    elif first == "double" and len(words) > 1 and words[1] in ("u", "you"):
        yield "W", 2, 0.0
    elif first == "double" and len(words) > 1 and (letter := _letter(words[1])):
        yield letter * 2, 2, 0.0
    if letter := _letter(first):
        yield letter, 1, 0.0 if len(first) == 1 or first in _NATO else _SOUND_COST
    yield from _numbers(words)
    if len(first) > 1 and first.isascii() and first.isalnum() and any(map(str.isdigit, first)):
        yield first.upper(), 1, 0.0
        yield from ((each, 1, _SWAPPED) for each in _swapped(first.upper()))
    elif 1 < len(first) <= 3 and first.isalpha() and first not in _SOUNDS:
        yield first.upper(), 1, 0.5  # "sw" written as one word


def _is_character(words: Sequence[str]) -> bool:
    """Do the words begin with what is plainly a letter or a digit?"""
    return any(cost <= _SOUND_COST for _, _, cost in _characters(words))


def _numbers(words: Sequence[str]) -> Iterator[tuple[str, int, float]]:
    for length in (1, 2):
        span = words[:length]
        if len(span) == length and all(map(is_number_word, span)):
            for reading in readings(span)[:2]:
                yield reading.digits, length, reading.cost
                if reading.digits in _DIGIT_AS_LETTER:
                    yield _DIGIT_AS_LETTER[reading.digits], length, _SWAPPED


def _swapped(word: str) -> Iterator[str]:
    """The word with one O, 0, I or 1 taken for its look-alike."""
    for at, each in enumerate(word):
        other = _DIGIT_AS_LETTER.get(each) or _LETTER_AS_DIGIT.get(each)
        if other:
            yield word[:at] + other + word[at + 1 :]


def _letter(word: str) -> str:
    if len(word) == 1 and word.isascii() and word.isalpha():
        return word.upper()
    if word in _NATO:
        return word[0].upper()
    return _SOUNDS.get(word, "")


def first_letter(words: Sequence[str]) -> str:
    return _letter(words[0]) or words[0][0].upper()


def _as_in(words: Sequence[str]) -> int:
    """How many words an "A as in alpha" takes, or 0."""
    letter = _letter(words[0])
    for link in _AS_IN:
        end = len(link) + 1
        if letter and tuple(words[1:end]) == link and len(words) > end:
            return end + 1 if words[end][0].upper() == letter else 0
    return 0
