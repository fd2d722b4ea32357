"""Is what the caller said so far the whole answer? The ears wait accordingly.

"Yes" is; four of eight digits are not; a street may be followed by a town. Judged from the step
that would be taken if nothing more came.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from dialog.engine import Step
from dialog.plan import Flow, Slot, SlotType
from dialog.state import State, Waiting
from dialog.understand import Band


class Readiness(StrEnum):
    COMPLETE = "complete"  # nothing is missing
    OPEN = "open"  # it may be all, it may go on
    INCOMPLETE = "incomplete"  # something is missing


_BEGINNING: Final = 2  # words: "my order" is a wish, and how a longer one begins


def readiness(flow: Flow, before: State, words: int, step: Step) -> Readiness:
    """How complete the answer of so many words is that leads from `before` by `step`."""
    understood = step.understanding
    if understood is None:
        return Readiness.INCOMPLETE
    match understood.band:
        case Band.ACCEPT:
            return Readiness.OPEN if words <= _BEGINNING else Readiness.COMPLETE
        case "command":
            return Readiness.COMPLETE
        case "slot":
            return _slot_readiness(flow, before, understood.slots or {})
        case Band.CONFIRM | Band.CHOOSE:
            return Readiness.OPEN
        case _:
            return Readiness.INCOMPLETE


def _slot_readiness(flow: Flow, before: State, slots: Mapping[str, str]) -> Readiness:
    if (answer := slots.get("answer")) is not None:
        # "No" is often the beginning of a correction.
        return Readiness.COMPLETE if answer == "yes" else Readiness.OPEN
    awaited = before.awaits if before.waiting in (Waiting.SLOT, Waiting.CONFIRM) else ""
    if awaited not in slots or awaited not in flow.slots:
        return Readiness.OPEN
    return _value_readiness(flow.slots[awaited], slots[awaited])


def _value_readiness(slot: Slot, value: str) -> Readiness:
    if slot.type is SlotType.MESSAGE:
        return Readiness.INCOMPLETE  # there is always more to say
    if slot.type is SlotType.ADDRESS:
        named_town = "," in value
        return Readiness.COMPLETE if named_town else Readiness.OPEN
    may_go_on = slot.max_length is not None and len(value) < slot.max_length
    return Readiness.OPEN if may_go_on else Readiness.COMPLETE
