"""Everything a call's dialog knows between two events, as plain frozen data.

The snapshot goes through JSON and back without loss at every step: that is how a call survives the
process that answered it. Nothing here behaves; dialog/engine.py does.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, cast


class StateError(Exception):
    """A snapshot cannot be used: not ours, damaged, or of another version of the flow."""


class Waiting(StrEnum):
    """What the dialog waits for."""

    START = "start"  # the call itself
    OPEN = "open"  # an open question: how can I help, anything else
    SLOT = "slot"  # the value of a slot
    CONFIRM = "confirm"  # yes, no or a correction of a slot's value
    QUESTION = "question"  # yes or no to a question of the flow
    INTENT = "intent"  # yes or no to "do you want to …?"
    CHOICE = "choice"  # the first or the second
    RESUME = "resume"  # yes or no to going on with what was left
    ACTION = "action"  # a back end
    HAND_OFF = "hand_off"  # a person, who has the call
    ENDED = "ended"  # nothing any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A task under way and its next instruction."""

    task: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """What the caller wanted before a digression, to be offered again."""

    intent: str
    frames: tuple[Frame, ...]


def _nothing() -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A snapshot. Mappings hold JSON values and are never changed in place."""

    call_id: str
    flow: str  # name and version the positions belong to
    turn: int = 0  # events received
    waiting: Waiting = Waiting.START
    awaits: str = ""  # the slot, or the idempotency key, that is waited for
    intent: str | None = None  # what is being done
    frames: tuple[Frame, ...] = ()  # innermost last
    parked: tuple[Parked, ...] = ()  # latest last
    options: tuple[str, ...] = ()  # intents proposed to the caller
    utterance: str = ""  # the words they were found in, whose slots are filled after a yes
    pending: str | None = None  # a command given while an action ran
    slots: Mapping[str, str] = field(default_factory=_nothing)
    others: Mapping[str, tuple[str, ...]] = field(default_factory=_nothing)  # also heard, of a slot
    rejected: Mapping[str, tuple[str, ...]] = field(default_factory=_nothing)
    confirmed: tuple[str, ...] = ()  # slots to whose value the caller said yes
    facts: Mapping[str, Any] = field(default_factory=_nothing)
    attempts: Mapping[str, int] = field(default_factory=_nothing)  # of each retry, for the call
    refusals: Mapping[str, int] = field(default_factory=_nothing)  # of a slot at its confirmation
    no_input: int = 0  # in a row, in this state
    no_match: int = 0  # in a row, in this state
    mumble: int = 0  # in a row, in this state: speech in which no word was recognised
    given_up: int = 0  # times a person was called in because nothing was understood
    question: str = ""  # the question that is open
    said: str = ""  # all that was last said, for "say that again"
    unheard: str = ""  # what a yes would confirm without having been heard

    def to_json(self) -> str:
        """The snapshot as one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "State":
        """Read what `to_json` wrote.

        Raises:
            StateError: the text is not a snapshot.
        """
        try:
            raw = json.loads(text)
            return cls(**_typed(raw))
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"not a dialog snapshot: {error}") from error


def _typed(raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise TypeError("a snapshot is a JSON object")
    values = cast(dict[str, Any], raw)
    known = {each.name for each in fields(State)}
    if unknown := values.keys() - known:
        raise KeyError(f"unknown fields {sorted(unknown)}")
    if missing := known - values.keys():
        raise KeyError(f"missing fields {sorted(missing)}")
    return values | {
        "waiting": Waiting(values["waiting"]),
        "frames": _frames(values["frames"]),
        "parked": tuple(
            Parked(intent=each["intent"], frames=_frames(each["frames"]))
            for each in values["parked"]
        ),
        "options": tuple(values["options"]),
        "confirmed": tuple(values["confirmed"]),
        "others": _tuples(values["others"]),
        "rejected": _tuples(values["rejected"]),
    }


def _tuples(raw: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(each) for name, each in raw.items()}


def _frames(raw: list[dict[str, Any]]) -> tuple[Frame, ...]:
    return tuple(Frame(**each) for each in raw)
