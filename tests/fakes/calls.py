"""Calls and turns to write into the records."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from server.records.calls import CallStart
from voice.events import Hypothesis, TurnRecord, TurnTimes, Understanding

AT = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)


def call_start(call_id: UUID | None = None, *, at: datetime = AT) -> CallStart:
    return CallStart(
        id=call_id or uuid4(),
        network_call_id="abc@pbx",
        caller="sip:alice@example.com",
        callee="sip:desk@example.com",
        transport="sip/udp",
        started_at=at,
    )


def turn_record(
    index: int, *, text: str = "change my address", started_at_s: float = 1.5
) -> TurnRecord:
    return TurnRecord(
        index=index,
        started_at_s=started_at_s,
        caller_text=text,
        caller_kind="speech",
        n_best=(Hypothesis(text=text, log_prob=-0.2), Hypothesis(text="x", log_prob=-2.0)),
        understanding=Understanding(intent="change_address", score=0.9, band="accept", slots={}),
        actions=("get_order: succeeded",),
        said="What is your order number?",
        heard="What is your",
        interrupted=True,
        times=TurnTimes(endpointing_s=0.25, decode_s=0.02, playout_s=0.01),
    )
