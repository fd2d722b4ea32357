"""The dialog's own vocabulary: what it is told, and what it asks for.

It mirrors voice/events.py name for name, because the dialog may not import its callers; the server
maps one to the other. Events are named in the past tense, effects in the imperative.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

# --- what the dialog is told ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """One reading of what was said; `log_prob` is the mean per token, natural log."""

    text: str
    log_prob: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStarted:
    """The call is up and nobody has spoken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerSaid:
    """The caller spoke: n-best, best first; empty when no words were recognised."""

    hypotheses: tuple[Hypothesis, ...] = ()
    confidence: float = 0.0  # of the recogniser in its best hypothesis, 0 to 1; 0: not stated


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerKeyed:
    """The caller keyed these DTMF digits: 0-9 * #."""

    digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerSilent:
    """Nothing was heard for the no-input time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptInterrupted:
    """The caller spoke over us; `heard` is the part of the prompt that had left."""

    heard: str


class ActionStatus(StrEnum):
    SUCCEEDED = "succeeded"  # done, exactly once
    REFUSED = "refused"  # the back end said no: nothing changed
    UNAVAILABLE = "unavailable"  # never reached the back end: nothing changed
    UNKNOWN = "unknown"  # sent, no answer: settled later by the reconciler


def _no_result() -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionEnded:
    """The action performed under `key` ended; `result` is what the back end answered."""

    name: str
    key: str
    status: ActionStatus
    result: Mapping[str, Any] = field(default_factory=_no_result)
    error: str | None = None  # for people: what went wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOffEnded:
    """The caller is back from being handed off: no person took them, or one gave them back.

    reason: why, `returned` when a colleague gave the call back, `nobody_signed_in`, `closed`, ….
    recovery: what the caller was promised or chose, `callback` or `voicemail`; None: nothing.
    step: where the colleague wants the flow to go on, one of its `returns`.
    """

    reason: str
    recovery: str | None = None
    step: str | None = None


Event: TypeAlias = (
    CallStarted
    | CallerSaid
    | CallerKeyed
    | CallerSilent
    | PromptInterrupted
    | ActionEnded
    | HandOffEnded
)


# --- what the dialog asks for ---------------------------------------------------------------------


class BargeIn(StrEnum):
    """What of the caller's interrupts what is being said."""

    ALL = "all"  # their voice and their keys
    SPEECH = "speech"  # their voice
    KEYS = "keys"  # their keys
    NONE = "none"  # nothing: it is said to its end


@dataclass(frozen=True, slots=True, kw_only=True)
class Speak:
    """Say `text`, as it stands, to the caller."""

    text: str
    barge_in: BargeIn = BargeIn.ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformAction:
    """A side effect, or a look-up, at a back end.

    `key` is the idempotency key, `call:turn:n`, unique for this effect for ever. The dialog waits
    for the ActionEnded that carries the same key.
    """

    name: str
    arguments: Mapping[str, Any]
    key: str
    fillers: tuple[str, ...] = ()  # said in turn while the action takes long


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCall:
    """Hang up once everything said before has been heard."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOff:
    """Give the caller to a person, once everything said before has been heard.

    The dialog waits for the HandOffEnded that may follow.
    """

    reason: str  # caller_asked, no_match, or a flow's own word
    skill: str | None = None  # what the person must be able to do
    task: str | None = None  # what the caller was at, in words
    target: str | None = None  # a certain person or address; None: whoever is free


Effect: TypeAlias = Speak | PerformAction | EndCall | HandOff


# --- what the dialog waits for, and how it understood ---------------------------------------------


class Expects(StrEnum):
    """What kind of answer the dialog waits for."""

    FREE = "free"  # an open question: anything
    YES_NO = "yes_no"  # a confirmation
    DIGITS = "digits"  # a number said digit by digit
    POSTCODE = "postcode"  # letters and digits
    ADDRESS = "address"  # a spoken address, with pauses for thought
    NOTHING = "nothing"  # an action or a person has the call, or it is ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the dialog waits for, so that the ears know when the caller is done."""

    kind: Expects = Expects.FREE
    min_length: int | None = None  # of digits or characters
    max_length: int | None = None
    patience_s: float | None = None  # quiet after half an answer; None: as is usual for the kind
    barge_in: BargeIn = BargeIn.ALL  # what interrupts the question


@dataclass(frozen=True, slots=True, kw_only=True)
class Understanding:
    """How the last caller event was understood, for the records."""

    intent: str | None = None
    score: float = 0.0
    band: str = ""  # accept, confirm, choose, no_match, mumble, slot, command
    slots: Mapping[str, str] | None = None
