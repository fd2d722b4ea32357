"""Yes and no as people say them, and what they say after it."""

from dataclasses import dataclass
from typing import Final

from dialog.entities.words import plain

_YES: Final = tuple(
    tuple(each.split())
    for each in (
        *("yes", "yeah", "yep", "yup", "yet", "ya", "yes it is", "yes that's right", "yes please"),
        *("correct", "that's correct", "that is correct", "that's right", "that is right", "right"),
        *("sure", "of course", "ok", "okay", "absolutely", "definitely", "exactly", "affirmative"),
        *("indeed", "please do", "go ahead", "please", "it is", "i do", "that's it", "that's fine"),
        *("fine", "sounds good", "sounds right", "perfect", "uhhuh", "mhm"),
        *("why not", "all right", "alright", "good", "that's good", "that's mine", "you got it"),
        *("it's right", "it's correct", "it is right", "it is correct", "that's the one"),
        *("that would be great", "that would be good", "great", "certainly", "do it", "i would"),
    )
)
_NO: Final = tuple(
    tuple(each.split())
    for each in (
        *("no", "nope", "nah", "know", "no thanks", "no thank you", "not really", "negative"),
        *("no it isn't", "no it's not", "it's not", "it isn't", "it is not", "not at all", "never"),
        *("wrong", "that's wrong", "that is wrong", "it's wrong", "incorrect", "not right"),
        *("that's incorrect", "that's not right", "that is not right", "that isn't right"),
        *("that's not correct", "that is not correct", "that isn't correct", "not correct"),
        *("that's not it", "not quite", "i don't", "i do not", "don't", "do not", "nothing"),
        *("nothing else", "that's not mine", "nothing thanks", "not now", "not today"),
        *("i don't think so", "you got it wrong", "you got that wrong", "no that's wrong"),
        *("it's not right", "it's not correct", "it isn't right", "it isn't correct"),
        *("it is not right", "it is not correct", "that was wrong", "no way"),
    )
)
_LEADING: Final = frozenset(
    {"i", "think", "guess", "believe", "suppose", "say", "so", "oh", "and", "would", "i'd", "hey"}
)
_EMPTY: Final = frozenset({"thanks", "thank", "you", "please", "sir", "madam", "it", "that", "all"})


@dataclass(frozen=True, slots=True)
class YesNo:
    """An answer; `rest` is what was said beside it, such as a correction."""

    yes: bool
    rest: tuple[str, ...] = ()


def find_yes_no(text: str) -> YesNo | None:
    """Read an answer at the beginning of what was said, or the end of it; None when there is none.

    Both in one ("yeah no") is no answer: the caller is asked again.
    """
    words = plain(text)
    answers: list[bool] = []
    while words:
        length, yes = _answer(words)
        if not length:
            break
        answers.append(yes)
        words = words[length:]
    if not answers and words and (ending := _ending(words)) is not None:
        return ending
    if not answers or (True in answers and False in answers):
        return None
    rest = () if _EMPTY.issuperset(words) else tuple(words)
    return YesNo(answers[0], rest)


def _answer(words: list[str]) -> tuple[int, bool]:
    """Length and meaning of the longest answer that `words` begin with; length 0 for none."""
    longest = 0, False
    for yes, phrases in ((True, _YES), (False, _NO)):
        for phrase in phrases:
            if len(phrase) > longest[0] and tuple(words[: len(phrase)]) == phrase:
                longest = len(phrase), yes
    return longest


def _ending(words: list[str]) -> YesNo | None:
    """Words that say nothing yet, then nothing but an answer, as in "I think that's right"."""
    for start in range(1, len(words)):
        if words[start - 1] not in _LEADING:
            return None
        length, yes = _answer(words[start:])
        if length and start + length == len(words):
            return YesNo(yes)
    return None
