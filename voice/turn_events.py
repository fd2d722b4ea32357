"""What the floor of a call is told, and what it commands; the machine is in voice/turn.py."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

# --- events --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceStarted:
    """The detector hears speech."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceStopped:
    """The detector hears no more speech."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePassed:
    """A tick; fires whatever timer is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyArrived:
    complete: bool  # the number has its full length, or # was pressed


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyReady:
    """The dialog answered one caller turn and the first audio is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingToSay:
    """The dialog has no answer to one caller turn: it was noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyEnded:
    """The last sample of what was being said has left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """Either side is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverheardJudged:
    """What the caller said so far over us, or since they stopped us, are words to us, or nothing.

    "mm-hm", a cough and a door are nothing: whoever was interrupted by them goes on.
    """

    words: bool


class SoFar(StrEnum):
    """What a voice over us has said while it still goes on."""

    LISTENING = "listening"  # a listener's words, "mm-hm" or "okay", and nothing else
    WORDS = "words"  # others, for certain
    UNSURE = "unsure"  # nothing that can be told yet


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardSoFar:
    """A voice over us that still goes on was looked at."""

    said: SoFar


TurnEvent: TypeAlias = (
    VoiceStarted
    | VoiceStopped
    | TimePassed
    | KeyArrived
    | ReplyReady
    | NothingToSay
    | ReplyEnded
    | OverheardJudged
    | HeardSoFar
    | CallEnded
)

# --- commands ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginUtterance:
    """Collect the caller's audio from a little before now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anticipate:
    """The caller paused: prepare the answer to what was said so far, and say nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhear:
    """The caller's voice over us goes on: find out what it has said so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconsider:
    """The caller speaks on: what was prepared is void."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndUtterance:
    """The utterance is complete: transcribe it; `endpointing_s` is how long we waited for it."""

    endpointing_s: float
    voiced_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscardUtterance:
    """What was collected is no speech."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndKeys:
    """The keyed number is complete: give it to the dialog."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartReply:
    """Play the reply that is ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopReply:
    """Give up the reply, silent by now or not, and note what was heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuckReply:
    """Lower our voice: somebody may be interrupting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseReply:
    """Fall silent now, but keep the rest: it may have been no interruption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeReply:
    """Go on speaking from the word we were interrupted at."""

    softly: bool = False  # in the lowered voice: whoever listens aloud has not finished


@dataclass(frozen=True, slots=True, kw_only=True)
class DropReply:
    """The reply that was ready is outdated and must not be spoken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSilence:
    """The caller said nothing for the no-input time."""


UtteranceCommand: TypeAlias = (
    BeginUtterance | Anticipate | Overhear | Reconsider | EndUtterance | DiscardUtterance
)
ReplyCommand: TypeAlias = StartReply | DuckReply | PauseReply | ResumeReply | StopReply | DropReply
TurnCommand: TypeAlias = UtteranceCommand | ReplyCommand | EndKeys | ReportSilence
