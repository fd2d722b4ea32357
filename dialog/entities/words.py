"""Spoken text as words: small letters, no punctuation but what belongs inside a word."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(r"[^\W_]+(?:['’.][^\W_]+)*")
_ASSENT: Final = re.compile(r"\b(?:uh|mm|mhm|um)[ -]?(?:huh|hmm?)\b")  # two hesitations make a yes
_THOUSANDS: Final = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")

HESITATIONS: Final = frozenset({"uh", "um", "uhm", "er", "erm", "ah", "hm", "hmm", "mm", "well"})
"""Sounds and words that carry nothing, wherever they stand."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word, and whether a comma or full stop followed it."""

    text: str
    pause: bool = False


def words_of(text: str) -> list[Word]:
    """The words of a transcription, hesitations left out.

    A recogniser may write "4,815", "forty-eight" or "p.m."; they come out as 4815, forty eight, pm.
    """
    text = _ASSENT.sub("uhhuh", _THOUSANDS.sub("", text.lower()))
    found: list[Word] = []
    for match in _TOKEN.finditer(text):
        word = match.group().replace("’", "'").replace(".", "")
        if word not in HESITATIONS:
            found.append(Word(word, text[match.end() : match.end() + 1] in (",", ".", ";")))
    return found


def plain(text: str) -> list[str]:
    """The words alone."""
    return [word.text for word in words_of(text)]


def find(words: Sequence[str], phrase: Sequence[str], start: int = 0) -> int:
    """Where `phrase` begins in `words`, from `start`; -1 when it is not there."""
    for at in range(start, len(words) - len(phrase) + 1):
        if list(words[at : at + len(phrase)]) == list(phrase):
            return at
    return -1


def contains(text: str, phrase: str) -> bool:
    return find(plain(text), plain(phrase)) >= 0
