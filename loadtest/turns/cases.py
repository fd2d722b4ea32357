"""What a caller of the suite does: utterances, sounds over prompts, and the plan of a call.

A plan says what to answer to each prompt of the orders flow, what to put over its long prompts, in
which voice, surroundings and network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from loadtest.impair import Impairment
from loadtest.pcm import Pcm
from loadtest.speech import VoiceSettings
from loadtest.turns.prompts import Prompt
from loadtest.turns.sounds import pause, words


class Kind(StrEnum):
    """What is measured by something the caller does; the value is its label in the table."""

    REQUEST = "request"  # a whole sentence
    DIGITS = "digits at once"
    DIGIT_GROUPS = "digits in groups"  # a pause for thought between them
    LEAD_IN = "my order number is …"  # a pause before the digits
    ADDRESS = "address at once"
    ADDRESS_PAUSES = "address with pauses"
    YES_NO = "yes or no"
    KEYS = "keys"
    INTERRUPTION = "interruption"  # words over a prompt
    DOUBLE_TALK = "double talk"  # words over a prompt while its echo comes back
    BACKCHANNEL = "mm-hm, okay"
    NOISE = "cough, breath"
    BACKGROUND = "voice behind the caller"
    ECHO = "echo of the prompt"  # nobody speaks over it


class Condition(StrEnum):
    """The caller's surroundings and network."""

    CLEAN = "clean"
    NOISE_20 = "noise at 20 dB"
    NOISE_10 = "noise at 10 dB"
    ECHO = "echo at -12 dB"  # frontdesk's own voice comes back
    NETWORK = "loss and jitter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """Something a caller does in one go; `pieces` are words, seconds of pause, or sounds."""

    kind: Kind
    pieces: tuple[str | float | Pcm, ...] = ()
    keys: str = ""  # DTMF instead of sound

    @property
    def text(self) -> str:
        """The words."""
        return " ".join(piece for piece in self.pieces if isinstance(piece, str))

    def render(self, voice: VoiceSettings) -> Pcm:
        """The sound, beginning and ending with sound; empty for keys.

        Raises:
            VoiceError: `voice` is unknown or cannot say a piece.
        """
        return np.concatenate([np.zeros(0, np.int16), *(_sound(p, voice) for p in self.pieces)])


def _sound(piece: str | float | Pcm, voice: VoiceSettings) -> Pcm:
    if isinstance(piece, str):
        return words(piece, voice)
    if isinstance(piece, int | float):
        return pause(piece)
    return piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Something the caller does while a long prompt sounds."""

    utterance: Utterance
    after_s: float  # from the first sound of the prompt
    takes_turn: bool  # words that want an answer; else the prompt is to go on


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    snr_db: float | None = None  # of the noise around the caller; None: quiet
    echo_db: float | None = None  # of frontdesk's voice in what the caller sends; None: none
    echo_delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One call."""

    name: str
    condition: Condition
    voice: VoiceSettings
    answers: Mapping[Prompt, Sequence[Utterance]]  # in turn, then again from the first
    keys: Mapping[Prompt, str]  # pressed when the same question comes again and again
    overlaps: Sequence[Overlap] = ()
    surroundings: Surroundings = field(default_factory=Surroundings)
    network: Impairment | None = None
    seed: int
    rounds: int  # the caller hangs up when it was asked "anything else?" so often
