"""The states of the floor, and its timers; the machine is in voice/turn.py."""

from dataclasses import dataclass
from enum import StrEnum


class Floor(StrEnum):
    """The states, in the words of voice/turn.py."""

    OPEN = "open"
    HEARING = "hearing"
    PAUSED = "paused"
    KEYING = "keying"
    THINKING = "thinking"
    TALKING = "talking"
    OVERLAP = "overlap"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTiming:
    """The timers of one call, in seconds."""

    barge_in_after_s: float = 0.0  # of voice over ours before we pause; going on again costs little
    overhear_after_s: float = 0.10  # of it before it is looked at: 0.2 s have been said by then
    overhear_every_s: float = 0.06
    overhear_until_s: float = 0.6  # unless we bear with it: listeners are known by then
    min_speech_s: float = 0.10  # of voice in an utterance; less is a click, not a word
    no_input_s: float = 7.0  # of quiet before the caller is asked again
    max_turn_s: float = 28.0  # one utterance; the recogniser takes 30 s
    inter_digit_s: float = 2.5  # between keys, ITU-T E.161 practice is 2-4 s


class IllegalTurnEventError(Exception):
    """We misused the machine: this event cannot happen in this state. Nothing has changed."""
