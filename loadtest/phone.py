"""A phone for the command line: dial, say or play or key things in turn, keep what came back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from loadtest.report import MediaStats
from loadtest.speech import VoiceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    path: Path  # WAV, any rate, mono or stereo, 8/16/24/32-bit PCM


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    digits: str  # 0-9 * # A-D


Item: TypeAlias = Say | Play | Press


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    target: str  # sip:user@host[:port]
    items: tuple[Item, ...] = ()  # sent in this order, each after the prompt before it ended
    save: Path | None = None  # what came back, mono
    save_stereo: Path | None = None  # left we, right the far end
    voice: VoiceSettings = field(default_factory=lambda: VoiceSettings(name="en-gb"))
    caller: str = "phone"
    local_host: str | None = None
    hold_s: float = 0.0  # stay on the line this long after the last answer
    quiet_s: float = 0.7  # this much quiet ends a prompt
    answer_timeout_s: float = 10.0  # without a sound from the far end, go on to the next item
    ring_timeout_s: float = 32.0
    max_call_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSummary:
    setup_ms: float
    duration_s: float
    ended_by: str  # caller, frontdesk, network
    reason: str
    items_sent: int
    prompts_heard: int
    gaps_ms: tuple[float, ...]  # end of what we sent to the start of what came back
    media: MediaStats
    saved: tuple[Path, ...]


async def place_call(
    options: CallOptions, *, on_progress: Callable[[str], None] | None = None
) -> CallSummary:
    """Make one call and hang up after the last answer, or when the far end does.

    Args:
        options: whom to call and what to send.
        on_progress: gets a line for a person at each step.

    Raises:
        CallFailedError: unreachable, refused, bad URI; one line.
        AudioFileError: a WAV to play cannot be read, or the result cannot be saved.
        VoiceError: a text cannot be spoken.
    """
    raise NotImplementedError
