"""The instructions that a flow's tasks are compiled to.

A task is a flat tuple of these; a position in it is an integer, so that a call's place in its task
is plain data. Blocks (then, else, on …) are laid out in line, with jumps around them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from dialog.conditions import Condition
from dialog.events import ActionStatus, BargeIn, HandOffEnded
from dialog.texts import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Have a slot filled; goes on at once when it is."""

    slot: str
    barge_in: BargeIn | None = None  # of the question here, and of asking it again


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm:
    """Have the caller say yes to a slot's value; no asks again, a correction replaces it."""

    slot: str
    say: Text
    ask_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Perform:
    """Run an action; its result is bound to `save`, and its status chooses the way on."""

    action: str
    arguments: Mapping[str, Any]
    save: str | None
    fillers: tuple[str, ...]  # said in turn while it takes long
    on: Mapping[ActionStatus, int]


class WayBack(StrEnum):
    """How a caller who was handed off comes back."""

    NOBODY = "nobody"  # no person took them
    CALLBACK = "callback"  # they chose, or were promised, to be called back
    VOICEMAIL = "voicemail"  # they chose to leave a message
    RETURNED = "returned"  # a person gave them back, at no step that the flow names


def way_back_of(event: HandOffEnded) -> WayBack:
    """How this caller comes back; where a flow names the step, that goes before it."""
    if event.recovery in (WayBack.CALLBACK, WayBack.VOICEMAIL):
        return WayBack(event.recovery)
    given_back = event.step is not None or event.reason == WayBack.RETURNED
    return WayBack.RETURNED if given_back else WayBack.NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOff:
    """Give the caller to a person; how they come back chooses the way on."""

    reason: Any
    skill: str | None
    target: str | None
    on: Mapping[WayBack, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Go on when the condition holds, else jump."""

    when: Condition
    otherwise: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Jump:
    to: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Ask yes or no: yes goes on, no jumps."""

    text: Text
    no: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Assign:
    """Set facts; a value $name is the value of that name."""

    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    slots: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The slot's value was wrong: take what else was heard, else ask again, as often as allowed.

    `say` is said before asking, not before trying what else was heard. Goes on when the attempts
    are used up.
    """

    slot: str
    say: Text | None
    attempts: int
    ask_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Run another task, then go on."""

    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Leave everything under way for another task."""

    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """End this task; its caller goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """End this task and all that called it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Say goodbye and end the call."""

    reason: str


Instruction: TypeAlias = (
    Ask
    | Confirm
    | Perform
    | HandOff
    | Branch
    | Jump
    | Say
    | Question
    | Assign
    | Forget
    | Retry
    | Call
    | Start
    | Return
    | Done
    | End
)
