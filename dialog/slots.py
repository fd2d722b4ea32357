"""Typed slots: a value from what was said or keyed, and how a value is said back.

What is said comes as n-best. Every hypothesis votes, with its weight, for the values its words can
be read as; a value the caller refused is passed over while there is any other.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dialog.entities.address import find_address
from dialog.entities.digits import Found, find_digits, runs_of
from dialog.entities.numbers import is_number_word
from dialog.entities.postcode import find_postcode
from dialog.entities.words import find, plain
from dialog.entities.yes_no import find_yes_no
from dialog.events import Hypothesis
from dialog.names import spell
from dialog.plan import Slot, SlotType

_SHARPNESS: Final = 4.0  # per unit of mean log-probability: a likely reading outvotes, never drowns
_BY_RANK: Final = 0.98  # between hypotheses of equal probability the earlier one wins
_HEARD_TWICE: Final = 1.5  # times the votes of a value that was among the others before
_ALSO_LIKELY: Final = 0.15  # share of the best value's votes that makes another worth a try
_MOST_OTHERS: Final = 2  # tried at the back end without asking: few, or it would be guessing
_HESITATIONS: Final = frozenset({"is", "it's", "its", "um", "uh", "er", "well", "so", "the"})
_NEAR_CUE: Final = 3  # words between "order" and its number: "order, the number is four …"


@dataclass(frozen=True, slots=True)
class Filled:
    """A slot's value, its share of the votes, 0 to 1, and what else may have been said."""

    value: str
    score: float
    others: tuple[str, ...] = ()


def weights(hypotheses: Sequence[Hypothesis]) -> list[float]:
    """How much each hypothesis counts; they add up to 1."""
    best = max((each.log_prob for each in hypotheses), default=0.0)
    raw = [
        math.exp(_SHARPNESS * (each.log_prob - best)) * _BY_RANK**rank
        for rank, each in enumerate(hypotheses)
    ]
    total = sum(raw)
    return [each / total for each in raw]


def fill(
    slot: Slot,
    hypotheses: Sequence[Hypothesis],
    *,
    rejected: Collection[str] = (),
    before: Collection[str] = (),
    former: str | None = None,
) -> Filled | None:
    """The likeliest value in what was said, or None.

    Args:
        rejected: values the caller refused; one is returned only when there is no other.
        before: what else was heard the time before; a value that comes again is likelier.
        former: the value being corrected, for an answer that says only what was wrong in it.
    """
    votes: dict[str, float] = {}
    for hypothesis, weight in zip(hypotheses, weights(hypotheses), strict=True):
        for found in _find(slot, hypothesis.text, former):
            vote = weight * math.exp(-found.cost) * (_HEARD_TWICE if found.value in before else 1.0)
            votes[found.value] = votes.get(found.value, 0.0) + vote
    if not votes:
        return None
    ranked = sorted(votes, key=lambda each: -votes[each])
    value, *others = [each for each in ranked if each not in rejected] or ranked[:1]
    likely = [each for each in others if votes[each] >= _ALSO_LIKELY * votes[value]]
    return Filled(value, min(1.0, votes[value]), tuple(likely[:_MOST_OTHERS]))


def fill_from_keys(slot: Slot, digits: str) -> Filled | None:
    """The value that was keyed, when it has the slot's format."""
    if not slot.takes_keys or not digits.isdecimal():
        return None
    low, high = _lengths(slot)
    return Filled(digits, 1.0) if low <= len(digits) <= high else None


def fill_within(slot: Slot, words: Sequence[str]) -> tuple[str, list[str]] | None:
    """A value after one of the slot's cues in a longer sentence, and the words left without it.

    "change the address on ORDER four eight one five to …": only what a cue announces is taken,
    because any number could be anything.
    """
    for cue in sorted((plain(cue) for cue in slot.cues), key=len, reverse=True):
        at = find(words, cue)
        while at >= 0:
            if taken := _after_cue(slot, words[at + len(cue) :]):
                value, start, end = taken
                after = at + len(cue)
                return value, [*words[: after + start], *words[after + end :]]
            at = find(words, cue, at + 1)
    return None


def announces(slot: Slot, words: Sequence[str]) -> bool:
    """Do the words only announce a value that has not come yet, "my order number is …"?"""
    said = list(words)
    while said and said[-1] in _HESITATIONS:
        said.pop()
    return any(said[-len(cue) :] == cue for cue in map(plain, slot.cues) if cue)


def spoken(slot: Slot, value: str) -> str:
    """How a value is said back: digits and postcodes one by one."""
    return spell(value) if slot.type in (SlotType.DIGITS, SlotType.POSTCODE) else value


# --- one type each --------------------------------------------------------------------------------


def _lengths(slot: Slot) -> tuple[int, int]:
    return slot.min_length or 1, slot.max_length or 32


def _digits(slot: Slot, text: str, former: str | None) -> list[Found]:
    return find_digits(text, *_lengths(slot))


def _postcode(slot: Slot, text: str, former: str | None) -> list[Found]:
    return find_postcode(text, slot.country)


def _address(slot: Slot, text: str, former: str | None) -> list[Found]:
    return find_address(text, former=former)


def _yes_no(slot: Slot, text: str, former: str | None) -> list[Found]:
    answer = find_yes_no(text)
    return [Found("yes" if answer.yes else "no")] if answer else []


def _message(slot: Slot, text: str, former: str | None) -> list[Found]:
    return [Found(" ".join(text.split()))] if text.strip() else []


_FIND: Final[Mapping[SlotType, Callable[[Slot, str, str | None], list[Found]]]] = {
    SlotType.DIGITS: _digits,
    SlotType.POSTCODE: _postcode,
    SlotType.ADDRESS: _address,
    SlotType.YES_NO: _yes_no,
    SlotType.MESSAGE: _message,
}


def _find(slot: Slot, text: str, former: str | None) -> list[Found]:
    return _FIND[slot.type](slot, text, former)


def _after_cue(slot: Slot, tail: Sequence[str]) -> tuple[str, int, int] | None:
    """(value, start, end) of a value at the beginning of `tail`; tail[start:end] said it."""
    match slot.type:
        case SlotType.ADDRESS:
            if not tail or not (is_number_word(tail[0]) or tail[0][0].isdecimal()):
                return None
            found = find_address(" ".join(tail))
            return (found[0].value, 0, len(tail)) if found else None
        case SlotType.DIGITS:
            return _digits_after_cue(slot, tail)
        case SlotType.POSTCODE:
            return _postcode_after_cue(slot, tail)
        case SlotType.YES_NO | SlotType.MESSAGE:
            return None


def _digits_after_cue(slot: Slot, tail: Sequence[str]) -> tuple[str, int, int] | None:
    run = next(runs_of(tail), None)
    if run is None or run.start > _NEAR_CUE:
        return None
    best: tuple[float, str, int] | None = None
    # The run may swallow what follows ("… one five to forty two"): the cheapest beginning counts.
    for end in range(run.start + 1, run.end + 1):
        found = find_digits(" ".join(tail[run.start : end]), *_lengths(slot))
        if found and (best is None or found[0].cost <= best[0]):
            best = found[0].cost, found[0].value, end
    return (best[1], run.start, best[2]) if best else None


def _postcode_after_cue(slot: Slot, tail: Sequence[str]) -> tuple[str, int, int] | None:
    found = find_postcode(" ".join(tail), slot.country)
    return (found[0].value, 0, len(tail)) if found else None
