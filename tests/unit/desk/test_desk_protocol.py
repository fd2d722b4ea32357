"""Messages of the pages: what is taken, and what is refused without repeating it."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.desk.board import ListenTo, parse_from_board
from server.desk.bounds import MAX_MESSAGE_CHARS, RateBound
from server.desk.errors import ProtocolError
from server.desk.masking import mask_caller
from server.desk.protocol import NOTE_CHARS, SetNote, TransferOn, parse_from_desk, type_of
from telephony.transfer_events import TransferMode

CALL = "00000000-0000-4000-8000-000000000001"


def test_each_message_is_known_by_its_type():
    message = parse_from_desk(f'{{"type": "transfer_on", "call_id": "{CALL}", "target": "kim"}}')
    assert message == TransferOn(
        type="transfer_on", call_id=UUID(CALL), target="kim", mode=TransferMode.WARM
    )
    assert isinstance(
        parse_from_board(f'{{"type": "listen", "call_id": "{CALL}", "mode": "coach"}}'), ListenTo
    )


@pytest.mark.parametrize(
    "message",
    [
        {"type": "self_destruct"},
        {"type": "hold"},
        {"type": "hold", "call_id": "seven"},
        {"type": "hold", "call_id": CALL, "more": 1},
        {"type": "keys", "call_id": CALL, "keys": "1; drop"},
        {"type": "keys", "call_id": CALL, "keys": "1" * 33},
        {"type": "conference", "call_id": CALL, "target": "a b"},
        {"type": "transfer_on", "call_id": CALL, "target": "kim", "mode": "by_pigeon"},
        {"type": "note", "call_id": CALL, "text": "x" * (NOTE_CHARS + 1)},
        {"type": "presence", "ready": False, "away_reason": "a\nb"},
        ["type"],
        7,
    ],
)
def test_what_is_not_in_the_protocol_is_refused(message: Any):
    with pytest.raises(ProtocolError):
        parse_from_desk(json.dumps(message))


def test_refusal_names_the_field_and_repeats_nothing_of_it():
    with pytest.raises(ProtocolError) as refused:
        parse_from_desk(json.dumps({"type": "keys", "call_id": CALL, "keys": "4111-secret"}))
    assert "keys" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_longest_note_fits_however_it_is_escaped():
    text = json.dumps({"type": "note", "call_id": CALL, "text": "é" * NOTE_CHARS})
    assert len(text) < MAX_MESSAGE_CHARS
    assert isinstance(parse_from_desk(text), SetNote)


def test_message_that_is_too_long_is_not_even_read():
    with pytest.raises(ProtocolError) as refused:
        parse_from_desk(" " * MAX_MESSAGE_CHARS + "{}")
    assert refused.value.code == "too_long"


@given(st.text(max_size=200))
def test_no_text_does_anything_but_parse_or_be_refused(text: str):
    type_of(text)
    with pytest.raises(ProtocolError):
        parse_from_desk(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [('{"type":"hold"}', "hold"), ("{}", None), ("[", None), ('{"type":1}', None)],
)
def test_type_of_a_broken_message_is_told_where_it_has_one(text: str, named: str | None):
    assert type_of(text) == named


# --- how much ---


def test_burst_is_served_and_a_flood_is_not():
    bound = RateBound(0.0)
    assert all(bound.admit(0.0) for _ in range(60))
    assert not bound.admit(0.0)
    assert bound.admit(0.06)
    assert not bound.broken


def test_who_floods_on_is_broken():
    bound = RateBound(0.0)
    for _ in range(60 + 201):
        bound.admit(0.0)
    assert bound.broken


# --- what a wall may show ---


@pytest.mark.parametrize(
    ("caller", "shown"),
    [
        ("sip:+491701234567@example.com;user=phone", "+491 ••• 567"),
        ("tel:+15550100", "+1 ••• 100"),
        ("sip:12345@pbx", "12 ••• 5"),
        ("sip:alice@example.com", "a•••"),
        ("sip:anonymous@anonymous.invalid", "withheld"),
        ("", "withheld"),
    ],
)
def test_callers_are_shown_without_their_middle(caller: str, shown: str):
    assert mask_caller(caller) == shown
