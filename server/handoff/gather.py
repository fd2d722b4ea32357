"""The context of a hand-off, gathered from the call: everything an agent is shown at once.

The summary in it is the templated one, which takes no time; server/handoff/summary.py has others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

from dialog.standing import Standing
from server.handoff.context import HandOffContext, SlotFact
from server.handoff.deeds import facts_of
from server.handoff.in_hand import CallInHand
from server.handoff.next_steps import next_steps
from server.handoff.sentiment import sentiment_of
from server.handoff.story import CallStory
from server.handoff.summary import templated
from voice.events import HandOff

_REASONS: Final[Mapping[str, str]] = {
    "caller_asked": "They asked for a person.",
    "no_match": "We could not understand them.",
    "no_input": "They did not answer.",
    "not_understood": "We could not understand them.",
    "action_failed": "Something they wanted could not be done.",
    "caller_not_verified": "They could not show who they are.",
    "order_not_found": "Their order could not be found.",
    "approval_needed": "What they want has to be approved.",
    "step_done": "What you gave the call back for is through.",
}


def gather(
    call: CallInHand,
    handoff: HandOff,
    *,
    handoff_id: UUID | None = None,
    requested_at: datetime | None = None,
) -> HandOffContext:
    """Everything known of a call at this moment.

    Args:
        handoff_id: the opaque id by which others know this hand-off; a new one by default.
        requested_at: with a time zone; now by default.
    """
    standing = call.standing()
    actions = tuple(facts_of(call.story.deeds, standing.says))
    facts = HandOffContext(
        call_id=call.call_id,
        handoff_id=handoff_id or uuid4(),
        caller=call.info.caller,
        callee=call.info.callee,
        started_at=call.started_at,
        requested_at=requested_at or datetime.now(UTC),
        reason=handoff.reason,
        reason_text=_REASONS.get(handoff.reason) or _as_text(handoff.reason),
        skill=handoff.skill,
        language=standing.language,
        task=handoff.task or standing.task,
        verified=standing.verified,
        slots=tuple(_slots(call.story, standing)),
        actions=actions,
        sentiment=sentiment_of(call.story.turns),
        lines=call.story.lines,
        said_last=call.story.said_last,
        summary=(),
        next_steps=next_steps(standing, actions),
    )
    return replace(facts, summary=templated(facts))


def _as_text(reason: str) -> str:
    """A flow's own word for a reason, as a sentence."""
    words = reason.replace("_", " ").strip()
    return f"{words[:1].upper()}{words[1:]}." if words else "No reason was given."


def _slots(story: CallStory, standing: Standing) -> Iterator[SlotFact]:
    confidence = story.heard_values
    for slot in standing.slots:
        yield SlotFact(
            name=slot.name,
            value=slot.value,
            confidence=confidence.get(slot.name),
            confirmed=slot.known_right,
        )
