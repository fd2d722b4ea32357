"""A hand-off's context as the tests use it: an address change that was interrupted."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from server.handoff.context import ActionFact, HandOffContext, Line, SlotFact
from server.handoff.summary import templated

CALL_ID = UUID("00000000-0000-4000-8000-000000000001")
HANDOFF_ID = UUID("00000000-0000-4000-8000-0000000000ff")

_CONTEXT = HandOffContext(
    call_id=CALL_ID,
    handoff_id=HANDOFF_ID,
    caller="sip:+15550100@example.com",
    callee="sip:desk@example.com",
    started_at=datetime(2026, 8, 1, 9, 30, tzinfo=UTC),
    requested_at=datetime(2026, 8, 1, 9, 31, tzinfo=UTC),
    reason="caller_asked",
    reason_text="They asked for a person.",
    skill="orders",
    language="en",
    task="change the address on an order",
    verified=("order number and postcode",),
    slots=(
        SlotFact(name="order_number", value="4815", confidence=0.9, confirmed=True),
        SlotFact(name="postcode", value="90210", confidence=None, confirmed=True),
        SlotFact(
            name="address", value="42 Oak Street, Springfield", confidence=0.7, confirmed=False
        ),
    ),
    actions=(
        ActionFact(
            name="change_address",
            status="unknown",
            detail="change the address on order 4815 to 42 Oak Street, Springfield",
        ),
    ),
    sentiment="calm",
    lines=(
        Line(who="frontdesk", text="How can I help you?", at_s=0.2),
        Line(who="caller", text="change my address", at_s=4.0),
        Line(who="frontdesk", text="What is your order number?", at_s=5.0, heard="What is"),
        Line(who="caller", text="four eight one five", at_s=7.0),
        Line(who="caller", text="can I speak to a person", at_s=30.5),
    ),
    said_last="can I speak to a person",
    summary=(),
    next_steps=("Check whether this went through before doing it again.",),
)


def handoff_context(**changes: Any) -> HandOffContext:
    """The context with some fields changed, and its templated summary."""
    context = replace(_CONTEXT, **changes)
    return replace(context, summary=templated(context)) if "summary" not in changes else context
