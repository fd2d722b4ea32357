"""How the caller seems to feel, from simple signs, each of which a person could point at."""

import re
from collections.abc import Sequence
from typing import Final

from voice.events import TurnRecord

CALM: Final = "calm"
IMPATIENT: Final = "impatient"
UPSET: Final = "upset"

# Weights: one strong sign alone makes a caller upset, one weak sign alone says nothing.
_ANGRY_WORDS: Final = 4.0
_ASKED_FOR_A_PERSON: Final = 1.0
_NOT_UNDERSTOOD: Final = 1.0
_SAID_TWICE: Final = 1.0
_SPOKE_OVER_US: Final = 0.5
_IMPATIENT_FROM: Final = 2.0
_UPSET_FROM: Final = 4.0

_ANGRY: Final = re.compile(
    r"\b(?:ridiculous|unacceptable|useless|terrible|horrible|awful|furious|angry|outrageous|"
    r"disgusting|scam|fed up|sick of|sick and tired|waste of (?:my )?time|stupid|idiots?|damn|"
    r"hell|complain|complaint|lawyer|sue|never again|worst)\b"
)
_WORD: Final = re.compile(r"[a-z0-9']+")


def sentiment_of(turns: Sequence[TurnRecord]) -> str:
    """`calm`, `impatient` or `upset`."""
    score = sum(_signs_in(turn) for turn in turns) + _SAID_TWICE * _repetitions(turns)
    if score >= _UPSET_FROM:
        return UPSET
    return IMPATIENT if score >= _IMPATIENT_FROM else CALM


def _signs_in(turn: TurnRecord) -> float:
    understood = turn.understanding
    score = _SPOKE_OVER_US if turn.interrupted else 0.0
    if turn.caller_kind == "speech" and _ANGRY.search(turn.caller_text.lower()):
        score += _ANGRY_WORDS
    if understood is not None and understood.band == "no_match":
        score += _NOT_UNDERSTOOD
    if understood is not None and (understood.intent, understood.band) == ("agent", "command"):
        score += _ASKED_FOR_A_PERSON
    return score


def _repetitions(turns: Sequence[TurnRecord]) -> int:
    """How often the caller said again what they had said, "yes" and "no" aside."""
    said = [
        " ".join(_WORD.findall(turn.caller_text.lower()))
        for turn in turns
        if turn.caller_kind == "speech"
    ]
    longer = [text for text in said if " " in text]
    return len(longer) - len(set(longer))
