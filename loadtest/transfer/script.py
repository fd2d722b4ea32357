"""What a scripted agent does with one caller, step by step; data only."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Do nothing for a while, as people do who read."""

    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PickUp:
    """Answer without taking the caller yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """Take the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    """Turn the caller away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignore:
    """Let it ring until it rings no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Converse:
    """Hear the caller, and stay with them so long; who is never heard is an AgentError."""

    for_s: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Put the caller on hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Take them back from hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveBack:
    """Give the caller back to frontdesk, at a step of its flow."""

    step: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOn:
    """Give the caller to somebody else: an agent's id, an address."""

    target: str
    mode: str = "warm"


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp:
    """End the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseAudio:
    """The audio ends, the page stays: the browser lost its microphone or its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseDesk:
    """Close the browser, page and audio together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vanish:
    """Cut the cable: page and audio fall silent without a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """Open the desk again and reconnect the audio, as after a reload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UntilOver:
    """Stay until the call has left the desk."""

    timeout_s: float = 30.0


Step: TypeAlias = (
    Wait
    | PickUp
    | Accept
    | Decline
    | Ignore
    | Converse
    | Hold
    | Resume
    | GiveBack
    | TransferOn
    | HangUp
    | LoseAudio
    | CloseDesk
    | Vanish
    | Return
    | UntilOver
)

Script: TypeAlias = tuple[Step, ...]

TAKES: Script = (Accept(), Converse(), HangUp(), UntilOver())
"""The agent everybody hopes for."""
