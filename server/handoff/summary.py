"""What a call was about, in up to three sentences.

The templated summary is made of the record and needs nothing. Others, as that of a language model,
are Summarisers too; whatever they say is held against the record, sentence by sentence.
"""

import logging
from collections.abc import Iterable
from typing import Final, Protocol

from server.handoff.context import ActionFact, HandOffContext, SlotFact
from server.handoff.fact_check import FactCheck

log = logging.getLogger(__name__)

MOST_SENTENCES: Final = 3
_MOST_QUOTED: Final = 120  # characters of a caller's last words
_STATUS: Final = {
    "succeeded": "Done",
    "refused": "Refused",
    "unavailable": "Not done, our system did not answer",
    "unknown": "Not settled",
    "running": "Not finished yet",
    "pending": "Waiting for approval",
}


class Summariser(Protocol):
    async def summarise(self, context: HandOffContext) -> tuple[str, ...]:
        """Up to three sentences that the record bears out; never raises for a model's fault."""
        ...


class TemplatedSummariser:
    """Needs no model and never waits."""

    async def summarise(self, context: HandOffContext) -> tuple[str, ...]:
        """See Summariser."""
        return templated(context)


def checked(sentences: Iterable[str], context: HandOffContext) -> tuple[str, ...]:
    """Those of the sentences that the record bears out, the first three."""
    check = FactCheck(context)
    kept: list[str] = []
    for sentence in sentences:
        if wrong := check.faults(sentence):
            log.info(
                "a sentence of a summary was left out",
                extra={"faults": len(wrong), "pii_sentence": sentence, "pii_faults": wrong},
            )
        else:
            kept.append(sentence)
    return tuple(kept[:MOST_SENTENCES])


def templated(context: HandOffContext) -> tuple[str, ...]:
    """The summary from the record alone: what they want, what is known, what was done."""
    return checked((_wish(context), _knowledge(context), _deeds(context)), context)


def _wish(context: HandOffContext) -> str:
    wish = f"wants to {context.task}" if context.task else "has not said what they need"
    why = context.reason_text.rstrip(".")
    mood = "" if context.sentiment == "calm" else f"; they seem {context.sentiment}"
    return f"The caller {wish}; {why[:1].lower()}{why[1:]}{mood}."


def _knowledge(context: HandOffContext) -> str:
    proof = f"Verified by {_listed(context.verified)}" if context.verified else "Not verified"
    known = "; ".join((proof, *map(_slot, context.slots)))
    return f"{known}." if context.slots else f"{proof}, and no details were given."


def _slot(slot: SlotFact) -> str:
    unsure = "" if slot.confirmed else " (not confirmed)"
    return f"{slot.name.replace('_', ' ')} {slot.value}{unsure}"


def _deeds(context: HandOffContext) -> str:
    if context.actions:
        return f"{'; '.join(map(_deed, context.actions))}."
    if context.said_last:
        return f'Nothing was done yet; the last words were "{_cut(context.said_last)}".'
    return "Nothing was done yet."


def _deed(action: ActionFact) -> str:
    return f"{_STATUS.get(action.status, action.status)}: {action.detail}"


def _cut(text: str) -> str:
    """The beginning, up to a whole word, without marks that would end the quotation."""
    plain = " ".join(text.replace('"', " ").split())
    if len(plain) <= _MOST_QUOTED:
        return plain
    return plain[:_MOST_QUOTED].rpartition(" ")[0] + " …"


def _listed(items: tuple[str, ...]) -> str:
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last
