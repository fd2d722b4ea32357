"""Whether what the caller said over us asks us to stop.

People who listen say so: "mm-hm", "okay", "right". Someone who stops at each of them never finishes
a sentence; someone who talks over "no, wait" is not listening at all. The rules, first match wins:

1. No word was recognised. A short sound is a cough, a breath or something in the room: go on. A
   long one is someone talking whom we did not understand: it interrupts.
2. The recogniser doubts what it heard, and it was hardly long enough for a word; or it does not
   believe it at all, and it was no longer than an "mm-hm" hummed through closed lips, which comes
   out as any words: noise, go on, unless one of them asks for attention.
3. Every word is a listener's word, and they were said briefly. Over a statement: go on. Over a
   question, "yeah", "mm-hm", "okay" or "right" is the answer: it interrupts; only sounds that
   answer nothing ("hm", "oh", "uh") do not.
4. Anything else is a word and interrupts: "no", "stop", "wait", "hello", "what", a number, an
   order, whatever may stand beside the listener's words ("okay but", "yeah I know").
"""

import re
from typing import Final

from voice.turn_events import SoFar

CERTAIN_CONFIDENCE: Final = 0.3
"""From here on the beginning of a listener's word is hardly ever taken for another word."""

NOISE_S: Final = 0.6
"""Of voice without words: coughs and breaths are shorter, attempts to speak are longer."""

DOUBTED_CONFIDENCE: Final = 0.35
"""Below this a short transcript is more often a cough put into letters than a word."""

DOUBTED_S: Final = 0.35
"""Of voice; a whole word said to be heard over someone else is hardly ever shorter."""

UNBELIEVED_CONFIDENCE: Final = 0.05
"""Below this not even the number of words is right."""

UNBELIEVED_S: Final = 1.1
"""Of voice; whoever goes on for longer wants to be understood."""

LISTENING_S: Final = 1.6
"""Of voice: "oh okay, all right" fits in; whoever goes on for longer wants to say something."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SOUNDS: Final = re.compile(r"a+h+|o+h+|o{2,}|e+h+|e+r+m*|u+h+|u+m+|h+m+|w+o+w+|hu+h+|phew|tsk")
"""Sounds that say "I am here" and answer nothing."""

ANSWERS: Final = _words(
    """
    yeah yep yup yes ya yah yea aye uhuh mhm mmhm mmhmm mm mmm mmmm mkay ok okay okey k right
    sure fine alright good great cool nice perfect exactly correct true indeed absolutely
    certainly definitely understood gotcha
    """
)
"""Listener's words that agree: nothing new over a statement, an answer over a question."""

PHRASES: Final = frozenset(
    tuple(phrase.split())
    for phrase in (
        "uh huh", "mm hm", "mm hmm", "mm mm", "m hm", "ah ha", "uh hu", "all right", "i see",
        "got it", "got you", "of course", "go on", "go ahead", "that is right", "that's right",
        "that's fine", "that is fine", "fair enough", "makes sense", "sounds good", "oh really",
    )
)  # fmt: skip
"""Listener's phrases that agree, as words."""

_LONGEST_PHRASE: Final = max(len(phrase) for phrase in PHRASES)
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


_HUMS: Final = re.compile(r"[aeu]?m{2,}[aehry]*")
"""What recognisers make of the first half of an "mm-hm", cut off in a vowel that was never said."""

_IN_HUMS: Final = re.compile(rf"{_HUMS.pattern}|h+m*")
"""And of its second half."""

_ASSENT: Final = _words("yes correct exactly certainly fine")
"""Agreement that a wish may begin with, "yes, please", or sounds like: "cancel" and "I" so far."""

_LIKELY_CONFIDENCE: Final = 0.1
"""Below this the beginning of a wish is taken for agreement twice as often."""


ATTENTION: Final = _words("wait stop hold hello no hey excuse sorry pardon what listen actually")
"""Words that want us to stop, however briefly they are said."""


def asks_for_attention(text: str) -> bool:
    """Whether a word of it wants us to stop."""
    return not ATTENTION.isdisjoint(_WORD.findall(text.lower()))


def is_backchannel(
    text: str, confidence: float, voiced_s: float, *, over_question: bool = False
) -> bool:
    """Whether to resume speaking after this; see the module's rules.

    Args:
        text: what was recognised; empty when no word was.
        confidence: the recogniser's, in [0, 1].
        voiced_s: how long the caller's voice was on, in seconds.
        over_question: what we were saying asks for a yes or a no.
    """
    words = _WORD.findall(text.lower().replace("’", "'"))
    if not words:
        return voiced_s < NOISE_S
    if _is_noise(text, confidence, voiced_s):
        return True
    return voiced_s <= LISTENING_S and _only_listening(words, over_question=over_question)


def heard_so_far(text: str, confidence: float) -> SoFar:
    """What a voice over a statement has said while it still goes on.

    Args:
        text: what was recognised of it so far; the last word may be half of one.
        confidence: the recogniser's, in [0, 1].
    """
    words = _WORD.findall(text.lower().replace("’", "'"))
    if any(map(_HUMS.fullmatch, words)) and all(map(_IN_HUMS.fullmatch, words)):
        return SoFar.LISTENING  # however unlike words: the recogniser never believes these
    if not words or confidence < _LIKELY_CONFIDENCE:
        return SoFar.UNSURE
    if _ASSENT.isdisjoint(words) and _only_listening(words, over_question=False):
        return SoFar.LISTENING
    return SoFar.WORDS if confidence >= CERTAIN_CONFIDENCE else SoFar.UNSURE


def _is_noise(text: str, confidence: float, voiced_s: float) -> bool:
    if confidence < DOUBTED_CONFIDENCE and voiced_s < DOUBTED_S:
        return True
    hardly_words = confidence < UNBELIEVED_CONFIDENCE and voiced_s < UNBELIEVED_S
    return hardly_words and not asks_for_attention(text)


def _only_listening(words: list[str], *, over_question: bool) -> bool:
    at = 0
    while at < len(words):
        taken = _agreement_at(words, at)
        if taken and over_question:
            return False
        if not taken and not SOUNDS.fullmatch(words[at]):
            return False
        at += taken or 1
    return True


def _agreement_at(words: list[str], at: int) -> int:
    """How many words from here make a phrase or word of agreement; 0 for none."""
    for length in range(_LONGEST_PHRASE, 1, -1):
        if tuple(words[at : at + length]) in PHRASES:
            return length
    return 1 if words[at] in ANSWERS else 0
