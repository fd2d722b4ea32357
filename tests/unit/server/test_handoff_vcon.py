"""A call's vCon is one by the draft, and what is not one is refused with the place of the fault."""

import base64
import copy
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from server.handoff.context import Line
from server.handoff.vcon import (
    AgentPart,
    RecordedCall,
    RecordingReference,
    VconError,
    content_hash_of,
    validate,
    vcon_of,
)
from tests.fakes.handoff_contexts import CALL_ID, handoff_context

AT = datetime(2026, 8, 1, 9, 30, tzinfo=UTC)
CONTEXT = handoff_context()
RECORDING = RecordingReference(
    url="https://desk.example.com/recordings/1.wav", content_hash="sha512-abc_-9", duration_s=90.0
)
CALL = RecordedCall(
    call_id=CALL_ID,
    host="desk.example.com",
    caller="+15550100",
    callee="sip:desk@example.com",
    answered_at=AT,
    ended_at=AT + timedelta(seconds=90),
    lines=(*CONTEXT.lines, Line(who="agent", text="Hello, this is Kim.", at_s=60.0)),
    agents=(AgentPart(id="kim", name="Kim Lee", joined_at=AT + timedelta(seconds=55)),),
    contexts=(CONTEXT.as_json(),),
    summary=CONTEXT.summary,
    recording=RECORDING,
)
VCON = vcon_of(CALL, created_at=AT + timedelta(hours=1))


def test_parties_are_caller_frontdesk_and_agents() -> None:
    caller, frontdesk, agent = VCON["parties"]
    assert caller == {
        "tel": "+15550100", "type": "person", "validation": "order number and postcode",
    }  # fmt: skip
    assert (frontdesk["sip"], frontdesk["type"]) == ("sip:desk@example.com", "bot")
    assert (agent["name"], agent["uuid"]) == ("Kim Lee", "kim")


def test_recording_is_referred_to_by_channel_with_its_hash_and_who_came_and_went() -> None:
    recording, transfer = VCON["dialog"]
    assert recording["parties"] == [0, [1, 2]]
    assert recording["content_hash"] == "sha512-abc_-9"
    assert [(each["party"], each["event"]) for each in recording["party_history"]] == [
        (0, "join"), (1, "join"), (2, "join"), (2, "drop"), (0, "drop"),
    ]  # fmt: skip
    assert (transfer["type"], transfer["transferee"], transfer["transfer_target"]) == (
        "transfer", 0, 2,
    )  # fmt: skip


def test_summary_transcript_and_context_go_with_it() -> None:
    kinds = {each["type"]: each for each in VCON["analysis"]}
    assert kinds["summary"]["body"].startswith("The caller wants to change the address")
    assert kinds["transcript"]["body"][-1] == {
        "party": 2, "at_s": 60.0, "text": "Hello, this is Kim.",
    }  # fmt: skip
    assert kinds["transcript"]["body"][2]["heard"] == "What is"
    (attached,) = VCON["attachments"]
    assert attached["body"]["next_steps"] == list(CONTEXT.next_steps)


def test_call_that_was_not_recorded_is_text_by_those_who_said_it() -> None:
    dialog = vcon_of(replace(CALL, recording=None), created_at=AT)["dialog"]
    assert [each["parties"] for each in dialog[:-1]] == [1, 0, 1, 0, 0, 2]
    assert dialog[2]["body"] == "What is", "what was not heard was not said to anybody"
    assert dialog[1]["start"] == "2026-08-01T09:30:04.000+00:00"


def test_call_without_a_word_is_incomplete() -> None:
    silent = replace(CALL, recording=None, lines=(), agents=(), summary=())
    (dialog,) = vcon_of(silent, created_at=AT)["dialog"]
    assert (dialog["type"], dialog["disposition"]) == ("incomplete", "hung-up")


def test_call_without_hand_offs_is_a_vcon_too() -> None:
    plain = vcon_of(replace(CALL, contexts=(), agents=(), summary=()), created_at=AT)
    assert "subject" not in plain
    assert plain["parties"][0]["validation"] == "none"


@pytest.mark.parametrize("caller", ["", "sip:+15550100@example.com", "tel:+15550100", "anonymous"])
def test_any_caller_is_a_party(caller: str) -> None:
    party = vcon_of(replace(CALL, caller=caller), created_at=AT)["parties"][0]
    expected = {"": "name", "tel:+15550100": "tel"}.get(caller, "sip")
    assert expected in party


def test_same_call_has_the_same_id_of_version_8_and_another_call_another() -> None:
    again = vcon_of(replace(CALL, lines=()), created_at=AT)
    assert again["uuid"] == VCON["uuid"]
    assert VCON["uuid"][14] == "8"
    assert int(VCON["uuid"].replace("-", "")[:12], 16) == AT.timestamp() * 1000
    other = replace(CALL, call_id=CONTEXT.handoff_id)
    assert vcon_of(other, created_at=AT)["uuid"] != VCON["uuid"]


def test_content_hash_is_sha_512_in_base64url(tmp_path: Path) -> None:
    path = tmp_path / "1.wav"
    path.write_bytes(b"RIFF" * 500_000)
    digest = hashlib.sha512(b"RIFF" * 500_000).digest()
    expected = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert content_hash_of(path) == f"sha512-{expected}"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("uuid",), "one"),
        (("created_at",), "2026-08-01"),
        (("created_at",), None),
        (("dialog", 0, "type"), "monologue"),
        (("dialog", 0, "url"), "http://desk.example.com/1.wav"),
        (("dialog", 0, "content_hash"), None),
        (("dialog", 0, "content_hash"), "SHA-512 abc"),
        (("dialog", 0, "duration"), -1),
        (("dialog", 0, "body"), "both inline and elsewhere"),
        (("dialog", 0, "parties"), [0, 9]),
        (("dialog", 0, "transferee"), 0),
        (("dialog", 0, "party_history", 0, "event"), "sneeze"),
        (("dialog", 0, "party_history", 0, "event"), "keydown"),
        (("dialog", 1, "body"), "a transfer says nothing"),
        (("dialog", 1, "target_dialog"), 7),
        (("dialog", 1, "type"), "incomplete"),
        (("analysis", 0, "vendor"), None),
        (("analysis", 0, "encoding"), None),
        (("analysis", 0, "body"), {"not": "text"}),
        (("attachments", 0, "party"), None),
        (("attachments", 0, "dialog"), 5),
        (("parties", 0, "tel"), "call me"),
    ],
)
def test_what_is_no_vcon_is_refused_with_its_place(
    place: tuple[str | int, ...], value: Any
) -> None:
    document: Any = copy.deepcopy(VCON)
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    if value is None:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    with pytest.raises(VconError) as error:
        validate(document)
    assert str(error.value).startswith(("/".join(map(str, place[:2])), "the document", "uuid"))


def test_recording_that_is_not_on_https_makes_no_vcon() -> None:
    call = replace(CALL, recording=replace(RECORDING, url="file:///1.wav"))
    with pytest.raises(VconError, match="dialog/0"):
        vcon_of(call, created_at=AT)
