"""Is a sentence about a call borne out by its record?

A summary is read in a second and believed. So a sentence that states a number, a name, a quotation,
an outcome or a verification that the record does not hold is not shown, whoever wrote it.
"""

import re
from collections.abc import Iterator
from typing import Final

from server.handoff.context import ActionFact, HandOffContext

_DIGIT_WORDS: Final = {
    **{"zero": "0", "oh": "0", "one": "1", "two": "2", "three": "3", "four": "4"},
    **{"five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9"},
}
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_QUOTED: Final = re.compile(r"[\"“”]([^\"“”]+)[\"“”]")
_NO_NAMES: Final = frozenset({"i", "i'm", "i've", "i'd", "i'll", "i’m"})

# A negation or a wish before an outcome makes it no claim that it came about.
_NOT_SO: Final = (
    r"(?:not|never|nothing|without|cannot|\w+n['’]t|unable|failed|refused|unclear|whether)"
)
_WISH: Final = r"(?:wants?|wanted|wishes|asked|asks|needs?|needed|would like|tried|trying|hoping)"
_HEDGE: Final = re.compile(rf"\b(?:{_NOT_SO}|{_WISH})\b")
_DONE: Final = re.compile(
    r"\b(?:done|completed?|succeeded|successful(?:ly)?|went through|changed|updated|arranged|"
    r"cancelled|canceled|refunded|booked|placed|paid|processed|submitted|scheduled)\b"
)
_VERIFIED: Final = re.compile(r"\b(?:verified|authenticated|identified|proved|proven)\b")
_CONFIRMED: Final = re.compile(r"\bconfirmed\b")
_CLAUSE_ENDS: Final = re.compile(r";|\.(?:\s|$)|, (?:and|but) ")
_CONNECTORS: Final = r"\W*(?:(?:is|was|of|as|to|now|being|number)\W+)*"


class FactCheck:
    """Holds sentences against the record of one call."""

    def __init__(self, context: HandOffContext) -> None:
        self._context = context
        text = _record_of(context)
        words = _words_of(text)
        self._words = frozenset(words) | _NO_NAMES
        self._text = " ".join(words)
        self._numbers = frozenset(_numbers_in(text))

    def faults(self, sentence: str) -> tuple[str, ...]:
        """What the record does not bear out, for the log; empty: the sentence may be shown."""
        return (
            *self._unknown_numbers(sentence),
            *self._unknown_names(sentence),
            *self._unknown_quotations(sentence),
            *_other_values(sentence, self._context),
            *_unfounded_outcomes(sentence, self._context),
            *_unfounded_proofs(sentence, self._context),
        )

    def _unknown_numbers(self, sentence: str) -> Iterator[str]:
        found = _numbers_in(sentence)
        yield from (f"number {each}" for each in found if each not in self._numbers)

    def _unknown_names(self, sentence: str) -> Iterator[str]:
        for clause in re.split(r"(?<=[.!?:])\s+", sentence):
            words = [each.group() for each in _WORD.finditer(clause)]
            for word in words[1:]:
                if word[0].isupper() and word.lower() not in self._words:
                    yield f"name {word}"

    def _unknown_quotations(self, sentence: str) -> Iterator[str]:
        for quoted in _QUOTED.findall(sentence):
            if " ".join(_words_of(quoted)) not in self._text:
                yield f"quotation {quoted!r}"


def _other_values(sentence: str, context: HandOffContext) -> Iterator[str]:
    """A slot is named, with a number that is in the record but not that slot's."""
    for slot in context.slots:
        value = _digits_of(slot.value)
        if not value or not slot.value.replace(" ", "").isalnum():
            continue
        label = re.escape(slot.name.replace("_", " "))
        for found in re.finditer(rf"\b{label}{_CONNECTORS}(\d+(?: \d\b)*)", sentence.lower()):
            if _digits_of(found.group(1)) != value:
                yield f"{slot.name} {found.group(1)}"


# --- outcomes -------------------------------------------------------------------------------------


def _unfounded_outcomes(sentence: str, context: HandOffContext) -> Iterator[str]:
    for clause in _claims(sentence, _DONE):
        action = _meant(clause, context.actions)
        if action is None or action.status != "succeeded":
            yield f"outcome in {clause!r}"


def _unfounded_proofs(sentence: str, context: HandOffContext) -> Iterator[str]:
    if not context.verified:
        yield from (f"verification in {clause!r}" for clause in _claims(sentence, _VERIFIED))
    for clause in _claims(sentence, _CONFIRMED):
        named = [each for each in context.slots if each.name.replace("_", " ") in clause]
        if any(not each.confirmed for each in named):
            yield f"confirmation in {clause!r}"


def _claims(sentence: str, outcome: re.Pattern[str]) -> Iterator[str]:
    """The clauses that say, without a hedge before it, that it came about."""
    for clause in _CLAUSE_ENDS.split(_QUOTED.sub("", sentence).lower()):
        found = outcome.search(clause)
        if found and not _HEDGE.search(clause[: found.start()]):
            yield clause


def _meant(clause: str, actions: tuple[ActionFact, ...]) -> ActionFact | None:
    """The action that shares most words with the clause; of equals, one that did not succeed."""
    words = set(_stems(clause))

    def shared(action: ActionFact) -> tuple[int, bool]:
        about = f"{action.name.replace('_', ' ')} {action.detail}"
        return len(words & set(_stems(about))), action.status != "succeeded"

    return max(actions, key=shared, default=None)


def _stems(text: str) -> Iterator[str]:
    """Words without their endings, well enough to hold "changed" against "change"."""
    for word in _words_of(text):
        yield re.sub(r"(?:ing|ed|es|e|s)$", "", word) if len(word) > 4 else word


# --- the record -----------------------------------------------------------------------------------


def _record_of(context: HandOffContext) -> str:
    """Everything a sentence may draw on, as one text."""
    return "\n".join(
        (
            *(context.caller, context.callee, context.reason_text, context.task or ""),
            *(context.skill or "", context.said_last, *context.verified),
            *(f"{slot.name.replace('_', ' ')} {slot.value}" for slot in context.slots),
            *(f"{action.name.replace('_', ' ')} {action.detail}" for action in context.actions),
            *(line.text for line in context.lines),
        )
    )


def _words_of(text: str) -> list[str]:
    return [each.group().lower() for each in _WORD.finditer(text)]


def _digits_of(text: str) -> str:
    return "".join(each for each in text if each.isdigit())


def _numbers_in(text: str) -> Iterator[str]:
    """Numbers as strings of digits; digits said or written one by one are one number."""
    run = ""
    for token in re.findall(r"\d+|[^\W\d_]+|[^\w\s]", text.lower()):
        digit = token if token.isdigit() else _DIGIT_WORDS.get(token, "")
        if len(digit) == 1:
            run += digit
            continue
        yield from _spelt(run)
        run = ""
        if digit:
            yield digit
    yield from _spelt(run)


def _spelt(run: str) -> Iterator[str]:
    # "one" alone is a pronoun as often as a number.
    if len(run) > 1:
        yield run
