"""What a simulated call tells its watcher while it runs, and the report at its end.

Positions are seconds on the caller's own clock since the call was answered. Gaps come from the
recorded audio of both directions, never from what either program believes it did.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

from loadtest.quality import Quality


class Outcome(StrEnum):
    COMPLETED = "completed"  # the scenario's goal was reached and the call ended in order
    FAILED = "failed"  # the caller gave up, or the goal was not reached by the end
    HUNG_UP_ON = "hung_up_on"  # the frontdesk ended the call before the goal was reached
    TIMED_OUT = "timed_out"  # the scenario's overall time ran out
    NO_MEDIA = "no_media"  # answered, and then not one audio packet
    REFUSED = "refused"  # a final SIP error
    UNREACHABLE = "unreachable"  # no SIP answer at all, or one that cannot be used


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered:
    setup_ms: float  # INVITE sent to 200 OK received
    remote_media: str  # host:port
    codec: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardPrompt:
    """The frontdesk spoke, and fell quiet; `matched` is empty when no phrase was recognised."""

    at_s: float  # where the prompt began
    duration_s: float
    matched: tuple[str, ...]
    score: float  # of the weakest matched phrase, 0..1; of the best miss when none matched
    gap_ms: float | None  # silence of the caller before it; None after none or a noise


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerSaid:
    """The caller began to speak (`text`), or to send `keys`."""

    at_s: float
    text: str
    keys: str = ""
    interrupting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    at_s: float
    by: str  # caller, frontdesk, network
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One prompt and what the caller did about it."""

    heard: tuple[str, ...]
    score: float
    prompt_start_s: float
    prompt_end_s: float
    gap_ms: float | None  # the caller's silence before this prompt, from the audio of both sides
    said: str  # text, keys in brackets, or empty
    said_start_s: float | None
    said_end_s: float | None
    silenced_ms: float | None  # when the caller interrupted: onset of their speech to our silence


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaStats:
    packets_sent: int
    packets_received: int
    packets_lost: int  # never arrived, by sequence number
    packets_late: int  # arrived after the time they should have been played
    clock_late_p99_ms: float  # lateness of the caller's own 20 ms clock
    clock_late_max_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReport:
    scenario: str
    target: str
    outcome: Outcome
    goal_reached: bool
    detail: str  # one line for a person: why the outcome is what it is
    setup_ms: float | None
    greeting_ms: float | None  # answered to the first sound of the frontdesk
    duration_s: float
    turns: tuple[Turn, ...]
    gaps_ms: tuple[float, ...]  # all measured gaps, in order
    cut_offs: int  # times the frontdesk began to speak while the caller was speaking
    media: MediaStats | None
    cpu_s: float  # of the whole process while the call was up
    recording: Path | None
    ended_by: str = ""  # caller, frontdesk, network
    gap_ends_s: tuple[float, ...] = ()  # when each of the gaps ended
    wrong_record: bool = False  # the frontdesk said it did something else than it was asked to
    asked_twice: int = 0  # questions that the caller had answered already
    contained: bool = False  # the goal was reached without a person
    quality: Quality | None = None  # of the audio that came back


CallEvent: TypeAlias = CallAnswered | HeardPrompt | CallerSaid | CallEnded
EventSink: TypeAlias = Callable[[CallEvent], None]

EVENT_NAMES: dict[type[Any], str] = {
    CallAnswered: "call_answered",
    HeardPrompt: "heard_prompt",
    CallerSaid: "caller_said",
    CallEnded: "call_ended",
    CallReport: "report",
}


def to_json_line(event: CallEvent | CallReport) -> str:
    """`event` as one JSON object on one line, its kind under "event", without a line end."""
    return json.dumps({"event": EVENT_NAMES[type(event)], **_plain(asdict(event))})


def _plain(value: Any) -> Any:
    """Round floats to a tenth of a millisecond and turn paths into strings."""
    match value:
        case float():
            return round(value, 4)
        case Path():
            return str(value)
        case dict():
            return {key: _plain(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
        case list() | tuple():
            return [_plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value
