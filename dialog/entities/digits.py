"""A number said digit by digit, alone or in a sentence: "my order is four eight one five"."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from dialog.entities.numbers import is_number_word, is_soundalike, readings
from dialog.entities.words import plain

_BETWEEN: Final = frozenset({"dash", "hyphen", "space", "and", "then", "point", "slash", "comma"})
"""Words between digits that are no digits."""

_AGAIN: Final = frozenset(
    {"no", "sorry", "mean", "actually", "wait", "correction", "rather", "not", "oops"}
)
"""Words after which the caller says the number anew."""

_EARLIER_RUN: Final = 0.5  # cost of a number that another followed
_BEFORE_CORRECTION: Final = 2.0  # cost of a number that was taken back
_REPEATED: Final = 0.5  # cost of hearing "4 8, 4 8 1 5" as 4815
_JOINED: Final = 1.0  # cost of joining digits across other words


@dataclass(frozen=True, slots=True)
class Found:
    """A value and how far it was fetched: 0 is as plain as can be."""

    value: str
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring number words: words[start:end]."""

    start: int
    end: int
    corrected: bool  # taken back by what follows
    last: bool


def find_digits(text: str, low: int, high: int) -> list[Found]:
    """Numbers of `low` to `high` digits in what was said, likeliest first, each once."""
    words = [word for word in plain(text) if word not in _BETWEEN or word == "and"]
    runs = list(runs_of(words))
    found: dict[str, float] = {}
    for run in runs:
        extra = _BEFORE_CORRECTION if run.corrected else 0.0 if run.last else _EARLIER_RUN
        _note(found, words[run.start : run.end], low, high, extra)
    if not found and len(runs) > 1:
        joined = [word for run in runs for word in words[run.start : run.end]]
        _note(found, joined, low, high, _JOINED)
    return sorted((Found(*each) for each in found.items()), key=lambda each: each.cost)


def _note(found: dict[str, float], words: Sequence[str], low: int, high: int, extra: float) -> None:
    words = [word for word in words if word != "and"] if not _scaled(words) else words
    for reading in readings(words, soundalikes=True):
        for value, cost in _fitting(reading.digits, low, high):
            total = reading.cost + cost + extra
            found[value] = min(total, found.get(value, total))


def _scaled(words: Sequence[str]) -> bool:
    return "hundred" in words or "thousand" in words


def _fitting(digits: str, low: int, high: int) -> Iterator[tuple[str, float]]:
    if low <= len(digits) <= high:
        yield digits, 0.0
    for length in range(high, low - 1, -1):
        begun, again = digits[:-length], digits[-length:]
        if begun and len(begun) <= length and again.startswith(begun):
            yield again, _REPEATED


def runs_of(words: Sequence[str]) -> Iterator[Run]:
    """The runs of number words, each with at least one word that is surely one."""
    spans: list[tuple[int, int]] = []
    at = 0
    while at < len(words):
        end = at
        while end < len(words) and _belongs(words, at, end):
            end += 1
        if any(is_number_word(word) for word in words[at:end]):
            spans.append((at, end))
        at = max(end, at + 1)
    for index, (start, end) in enumerate(spans):
        last = index == len(spans) - 1
        between = () if last else words[end : spans[index + 1][0]]
        corrected = not _AGAIN.isdisjoint(between)
        yield Run(start, end, corrected, last)


def _belongs(words: Sequence[str], start: int, at: int) -> bool:
    word = words[at]
    if word == "and":  # "a hundred and five", "four eight and one five", but no run begins with it
        return at > start and at + 1 < len(words) and is_number_word(words[at + 1])
    if word == "a":
        return at + 1 < len(words) and words[at + 1] == "hundred"
    return is_number_word(word) or is_soundalike(word)
