"""Rules of records on their way through the spool."""

import math
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.records import rows
from server.records.calls import CallStart
from voice.events import Hypothesis, TurnRecord, TurnTimes, Understanding

CALL = UUID(int=7)
AT = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)


def turn(**changes: Any) -> TurnRecord:
    fields: dict[str, Any] = {
        "index": 1,
        "started_at_s": 2.5,
        "caller_text": "yes",
        "caller_kind": "speech",
        "n_best": (Hypothesis(text="yes", log_prob=-0.1),),
        "understanding": Understanding(intent="yes", score=0.9, band="accept", slots={"a": "b"}),
        "actions": ("get_order: succeeded",),
        "said": "Good.",
        "heard": "Good.",
        "interrupted": False,
        "times": TurnTimes(endpointing_s=0.2, decode_s=0.1, playout_s=0.05),
    }
    return TurnRecord(**{**fields, **changes})


def test_a_call_comes_back_as_it_went() -> None:
    start = CallStart(
        id=CALL, network_call_id="x@y", caller="a", callee="b", transport="sip/udp", started_at=AT
    )
    row = rows.call_started(start, UUID(int=1), UUID(int=2))
    assert rows.decode(rows.encode(row)) == row


@given(text=st.text(), slots=st.none() | st.dictionaries(st.text(), st.text()))
def test_any_turn_is_one_line_of_utf8_without_nul(text: str, slots: dict[str, str] | None) -> None:
    record = turn(caller_text=text, understanding=Understanding(slots=slots))
    line = rows.encode(rows.turn(CALL, record))
    assert line.count(b"\n") == 1
    query, parameters = rows.decode(line)
    assert query == "turn"
    stored = parameters[3]
    assert "\x00" not in stored
    stored.encode()  # no lone surrogates


@pytest.mark.parametrize(
    ("value", "stored"),
    [(math.nan, 0.0), (-math.inf, -1.7976931348623157e308), (np.float32(0.5), 0.5)],
)
def test_numbers_of_engines_become_numbers_of_json(value: Any, stored: float) -> None:
    record = turn(times=TurnTimes(decode_s=value), n_best=(Hypothesis(text="a", log_prob=value),))
    _, parameters = rows.decode(rows.encode(rows.turn(CALL, record)))
    assert parameters[-1]["decode_s"] == stored
    assert parameters[5] == [{"text": "a", "log_prob": stored}]


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"{}\n", b"[]\n", b'["drop_tables"]\n', b'["turn", 1', b"\xff\n"]
)
def test_a_damaged_line_is_told_apart(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is of the JSON parser
        rows.decode(line)
