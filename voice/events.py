"""The vocabulary that crosses the ports of a call session.

Events are named in the past tense, effects in the imperative. Everything here is frozen; nothing
here imports the rest of frontdesk but voice/frames.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from voice.frames import Pcm


class SpeechError(Exception):
    """A speech engine failed on this input; the session asks the caller again."""


# --- what the leg reports -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPressed:
    """A DTMF key: one of 0-9 * # A-D."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LegEnded:
    """The far end is gone: `caller_hangup`, `media_timeout`, `network_error`, `server_hangup`."""

    reason: str


LegEvent: TypeAlias = KeyPressed | LegEnded


# --- speech -------------------------------------------------------------------------------------


class BargeIn(StrEnum):
    """What of the caller's interrupts what is being said."""

    ALL = "all"  # their voice and their keys
    SPEECH = "speech"  # their voice
    KEYS = "keys"  # their keys
    NONE = "none"  # nothing: it is said to its end

    @property
    def by_speech(self) -> bool:
        return self in (BargeIn.ALL, BargeIn.SPEECH)

    @property
    def by_keys(self) -> bool:
        return self in (BargeIn.ALL, BargeIn.KEYS)


class Expects(StrEnum):
    """What kind of answer the dialog waits for."""

    FREE = "free"  # an open question: anything
    YES_NO = "yes_no"  # a confirmation
    DIGITS = "digits"  # a number said digit by digit
    POSTCODE = "postcode"  # letters and digits
    ADDRESS = "address"  # a spoken address, with pauses for thought
    NOTHING = "nothing"  # the call is ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    kind: Expects = Expects.FREE
    min_length: int | None = None  # of digits or characters
    max_length: int | None = None
    patience_s: float | None = None  # quiet after half an answer; None: as is usual for the kind
    barge_in: BargeIn = BargeIn.ALL  # what interrupts the question


class Readiness(StrEnum):
    """Is what the caller said so far the whole answer?"""

    COMPLETE = "complete"  # nothing is missing
    OPEN = "open"  # it may be all, it may go on
    INCOMPLETE = "incomplete"  # something is missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    text: str
    log_prob: float  # mean per token, natural log


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcription:
    """n-best, best first; empty when nothing was said."""

    hypotheses: tuple[Hypothesis, ...] = ()
    no_speech_prob: float = 0.0
    confidence: float = 0.0
    cpu_s: float = 0.0

    @property
    def text(self) -> str:
        return self.hypotheses[0].text if self.hypotheses else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WordTiming:
    """A word of synthesised speech and where it lies in its chunk, in seconds."""

    word: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechChunk:
    pcm: Pcm
    words: tuple[WordTiming, ...]


# --- what the session tells the dialog ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStarted:
    """The call is up and nobody has spoken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerSaid:
    transcription: Transcription


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerKeyed:
    digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerSilent:
    """Nothing was heard for the no-input time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptInterrupted:
    """The caller spoke over us; `heard` is the part of the prompt that had left."""

    heard: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionEnded:
    outcome: "ActionOutcome"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOffEnded:
    """The caller is back from being handed off: no person took them, or one gave them back.

    reason: why, `returned` when a colleague gave the call back, `nobody_signed_in`, `closed`, ….
    recovery: what the caller was promised or chose, `callback` or `voicemail`; None: nothing.
    step: where the colleague wants the flow to go on.
    """

    reason: str
    recovery: str | None = None
    step: str | None = None


CallerEvent: TypeAlias = (
    CallStarted
    | CallerSaid
    | CallerKeyed
    | CallerSilent
    | PromptInterrupted
    | ActionEnded
    | HandOffEnded
)


# --- what the dialog asks for ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Speak:
    text: str
    barge_in: BargeIn = BargeIn.ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformAction:
    """A side effect, or a look-up, at a back end.

    `key` is the idempotency key, `call:turn:n`, unique for this effect for ever.
    """

    name: str
    arguments: Mapping[str, Any]
    key: str
    fillers: tuple[str, ...] = ()  # said in turn while the action takes long


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCall:
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOff:
    """Give the caller to a person, once everything said before has been heard."""

    reason: str  # caller_asked, no_match, or a flow's own word
    skill: str | None = None  # what the person must be able to do
    task: str | None = None  # what the caller was at, in words
    target: str | None = None  # a certain person or address; None: whoever is free


Effect: TypeAlias = Speak | PerformAction | EndCall | HandOff


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would come of an answer if it ended here."""

    readiness: Readiness
    effects: tuple[Effect, ...]


class ActionStatus(StrEnum):
    SUCCEEDED = "succeeded"  # done, exactly once
    REFUSED = "refused"  # the back end said no: nothing changed
    UNAVAILABLE = "unavailable"  # never reached the back end: nothing changed
    UNKNOWN = "unknown"  # sent, no answer: settled later by the reconciler


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionOutcome:
    name: str
    key: str
    status: ActionStatus
    result: Mapping[str, Any]
    error: str | None = None  # for people: what went wrong


# --- what the records get -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Understanding:
    intent: str | None = None
    score: float = 0.0
    band: str = ""  # accept, confirm, choose, no_match, mumble, slot, command
    slots: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTimes:
    """Where the time went from the caller's last sound to our first, in seconds, in order.

    Together they are the gap the caller heard, less what the networks beyond our sockets take.
    """

    network_s: float = 0.0  # in our jitter buffer; 0 where the leg does not know it
    detection_s: float = 0.0  # their last sound to the detector's "voice stopped"
    endpointing_s: float = 0.0  # quiet waited to be sure that they were done
    decode_s: float = 0.0  # recognition, as far as it was not done in the pause
    understanding_s: float = 0.0
    action_s: float = 0.0  # at the back end, before the first word of ours
    synthesis_s: float = 0.0
    playout_s: float = 0.0  # first audio there to first packet sent

    @property
    def gap_s(self) -> float:
        return sum(getattr(self, part) for part in self.__slots__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRecord:
    """One turn: what the caller did, how it was understood, what was said back."""

    index: int
    started_at_s: float  # seconds since the call was answered
    caller_text: str
    caller_kind: str  # speech, keys, silence, start, action, return
    n_best: tuple[Hypothesis, ...]
    understanding: Understanding | None
    actions: tuple[str, ...]  # "name: status"
    said: str  # what was to be said
    heard: str  # the part of it the caller heard
    interrupted: bool
    times: TurnTimes
