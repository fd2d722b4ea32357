"""What the records hold of a call is what its vCon tells."""

import wave
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from server.handoff.export import CallNotOverError, recorded_call, recording_at
from server.handoff.vcon import content_hash_of, vcon_of
from server.records.calls import CallDetail, CallRecord
from server.records.desk_facts import DeskDetail, HandOffRecord, OverheardLine
from tests.fakes.calls import AT, turn_record
from tests.fakes.handoff_contexts import CALL_ID, HANDOFF_ID, handoff_context

CONTEXT = handoff_context()
TAKEN = HandOffRecord(
    id=HANDOFF_ID,
    call_id=CALL_ID,
    requested_at=AT + timedelta(seconds=40),
    reason="caller_asked",
    skill="orders",
    context=CONTEXT.as_json(),
    agent="kim",
    rang_at=AT + timedelta(seconds=45),
    accepted_at=AT + timedelta(seconds=50),
    ended_at=AT + timedelta(seconds=80),
    outcome="agent_hangup",
    attempts=(),
)
MISSED = replace(TAKEN, requested_at=AT + timedelta(seconds=30), agent="lee", accepted_at=None)
FOUND = CallDetail(
    call=CallRecord(
        id=CALL_ID,
        network_call_id="abc@pbx",
        caller="sip:alice@example.com",
        callee="sip:desk@example.com",
        transport="sip/udp",
        started_at=AT,
        answered_at=AT,
        ended_at=AT + timedelta(seconds=90),
        end_reason="agent_hangup",
        outcome=None,
        recording_path=None,
    ),
    turns=(turn_record(0, text="change my address"),),
    actions=(),
)
DESK = DeskDetail(
    handoffs=(TAKEN, MISSED),
    notes=(),
    dispositions=(),
    overheard=(OverheardLine(at_s=55.0, who="agent", text="Hello, this is Kim."),),
)


def test_vcon_has_what_was_said_to_frontdesk_and_to_the_agent() -> None:
    call = recorded_call(FOUND, DESK, host="desk.example.com", names={"kim": "Kim Lee"})
    vcon = vcon_of(call, created_at=AT)
    assert [each["body"] for each in vcon["dialog"] if each["type"] == "text"] == [
        "change my address",
        "What is your",
        "Hello, this is Kim.",
    ]
    assert [each.get("name") for each in vcon["parties"][2:]] == ["Kim Lee"]
    assert vcon["analysis"][0]["body"] == " ".join(CONTEXT.summary)


async def test_recording_is_referred_to_with_its_length_and_hash(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(4 * 8_000 * 2))
    recording = await recording_at(path, "https://desk.example.com/1.wav")
    assert recording.duration_s == 2.0
    assert recording.content_hash == content_hash_of(path)
    call = recorded_call(FOUND, DESK, host="desk.example.com", names={}, recording=recording)
    assert vcon_of(call, created_at=AT)["dialog"][0]["type"] == "recording"
    assert call.agents[0].name == "kim"


@pytest.mark.parametrize("missing", ["answered_at", "ended_at"])
def test_call_that_is_not_over_is_no_vcon(missing: str) -> None:
    call = replace(FOUND.call, **{missing: None})
    with pytest.raises(CallNotOverError):
        recorded_call(replace(FOUND, call=call), DESK, host="desk.example.com", names={})
