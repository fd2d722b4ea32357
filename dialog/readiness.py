"""Is what the caller said so far the whole answer? The ears wait accordingly.

"Yes" is; four of eight digits are not, nor is a street without its town, nor anything that ends in
"and". Judged from the step that would be taken if nothing more came.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from dialog.engine import Step
from dialog.entities.address import Extent, extent_of
from dialog.plan import Flow, SlotType
from dialog.state import State, Waiting
from dialog.understand import Band


class Readiness(StrEnum):
    COMPLETE = "complete"  # nothing is missing
    OPEN = "open"  # it may be all, it may go on
    INCOMPLETE = "incomplete"  # something is missing


_BEGINNING: Final = 2  # words: "my order" is a wish, and how a longer one begins
_GOING_ON: Final = frozenset(
    {"and", "or", "but", "because", "then", "so", "the", "my", "is", "are", "of", "with", "from"}
    | {"um", "uh", "er", "erm", "hm", "hmm", "like"}
)
"""Last words after which more comes; none that sounds like a digit or a letter being spelt."""


def readiness(flow: Flow, before: State, said: str, step: Step) -> Readiness:
    """How complete the answer `said` is, which leads from `before` by `step`."""
    words = said.split()
    if words and words[-1] in _GOING_ON:
        return Readiness.INCOMPLETE
    understood = step.understanding
    if understood is None:
        return Readiness.INCOMPLETE
    match understood.band:
        case Band.ACCEPT:
            return Readiness.OPEN if len(words) <= _BEGINNING else Readiness.COMPLETE
        case "command":
            return Readiness.COMPLETE
        case "slot":
            return _slot_readiness(flow, before, said, understood.slots or {})
        case Band.CONFIRM | Band.CHOOSE:
            return Readiness.OPEN
        case _:
            return Readiness.INCOMPLETE


def _slot_readiness(flow: Flow, before: State, said: str, slots: Mapping[str, str]) -> Readiness:
    if (answer := slots.get("answer")) is not None:
        # "No" is often the beginning of a correction.
        return Readiness.COMPLETE if answer == "yes" else Readiness.OPEN
    awaited = before.awaits if before.waiting in (Waiting.SLOT, Waiting.CONFIRM) else ""
    if awaited not in slots or awaited not in flow.slots:
        return Readiness.OPEN
    slot = flow.slots[awaited]
    match slot.type:
        case SlotType.MESSAGE:
            return Readiness.INCOMPLETE  # there is always more to say
        case SlotType.ADDRESS:
            return _address_readiness(said, corrects=before.waiting is Waiting.CONFIRM)
        case _:
            may_go_on = slot.max_length is not None and len(slots[awaited]) < slot.max_length
            return Readiness.OPEN if may_go_on else Readiness.COMPLETE


def _address_readiness(said: str, *, corrects: bool) -> Readiness:
    """By the words that were most likely said: other hypotheses complete what was only begun."""
    match extent_of(said):
        case Extent.TOWN:
            return Readiness.COMPLETE
        case Extent.WORDS:
            return Readiness.OPEN
        case Extent.NUMBER if corrects:
            return Readiness.OPEN  # "no, forty four": the rest is known
        case _:
            return Readiness.INCOMPLETE
