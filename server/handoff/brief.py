"""The brief that an agent hears before they take a caller, on a phone without a desk."""

import re
from typing import Final

from dialog.names import spell
from server.handoff.context import HandOffContext, SlotFact

ACCEPT: Final = "Press 1 to take the call."
_MOST_SLOTS: Final = 2  # of what the caller gave: nobody remembers a third number
_NUMBER: Final = re.compile(r"\d{3,}")  # a house number of two digits is said as a number


def brief_of(context: HandOffContext) -> str:
    """Two short sentences and how to take the call, with digits to be spoken one by one."""
    wish = f"A caller wants to {context.task}" if context.task else "A caller"
    why = context.reason_text.rstrip(".")
    reason = f"; {why[:1].lower()}{why[1:]}" if context.task else f": {why[:1].lower()}{why[1:]}"
    sentences = (f"{wish}{reason}.", _known(context), ACCEPT)
    return " ".join(_spelt(each) if each is not ACCEPT else each for each in sentences if each)


def _known(context: HandOffContext) -> str:
    proof = "They are verified" if context.verified else "They are not verified"
    known = [_slot(each) for each in context.slots[:_MOST_SLOTS]]
    return f"{', '.join((proof, *known))}."


def _slot(slot: SlotFact) -> str:
    unsure = "" if slot.confirmed else ", not confirmed"
    return f"{slot.name.replace('_', ' ')} {slot.value}{unsure}"


def _spelt(text: str) -> str:
    return _NUMBER.sub(lambda found: spell(found.group()), text)
