"""A write to the records as one line of JSON: what the spool holds and the writer executes; pure.

A line is `[query, parameter, …]`: the name of a query in sql/, and its parameters. Each query is
idempotent, so that a line may be executed again after a crash.
"""

import json
import math
import sys
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, TypeAlias, cast
from uuid import UUID

from server.records.calls import CallStart
from voice.events import TurnRecord

Row: TypeAlias = tuple[str, tuple[Any, ...]]
"""Query name and parameters, all of them JSON values."""

WRITES: Final = frozenset(
    {
        "call_started", "call_answered", "call_ended", "turn",
        "handoff_requested", "handoff_progressed", "handoff_ended", "presence_changed",
        "note_saved", "disposition_saved", "callback_promised", "callback_settled", "overheard",
        "interval_counted",
    }
)  # fmt: skip


def call_started(call: CallStart, instance: UUID, life: UUID) -> Row:
    return "call_started", (
        str(call.id),
        call.network_call_id,
        call.caller,
        call.callee,
        call.transport,
        call.started_at.isoformat(),
        str(instance),
        str(life),
    )


def call_answered(call_id: UUID, at: datetime) -> Row:
    return "call_answered", (str(call_id), at.isoformat())


def call_ended(
    call_id: UUID, at: datetime, reason: str, outcome: str | None, recording_path: str | None
) -> Row:
    return "call_ended", (str(call_id), at.isoformat(), reason, outcome, recording_path)


def turn(call_id: UUID, record: TurnRecord) -> Row:
    understanding = record.understanding
    return "turn", (
        str(call_id),
        record.index,
        record.started_at_s,
        record.caller_text,
        record.caller_kind,
        [asdict(hypothesis) for hypothesis in record.n_best],
        None
        if understanding is None
        else {
            "intent": understanding.intent,
            "score": understanding.score,
            "band": understanding.band,
            "slots": None if understanding.slots is None else dict(understanding.slots),
        },
        list(record.actions),
        record.said,
        record.heard,
        record.interrupted,
        asdict(record.times),
    )


def encode(row: Row) -> bytes:
    """The row as one line, with its line feed."""
    query, parameters = row
    return json.dumps([query, *(_storable(each) for each in parameters)]).encode() + b"\n"


def decode(line: bytes) -> Row:
    """
    Raises:
        ValueError: the line is damaged, or of another program.
    """
    value: Any = json.loads(line)
    if not isinstance(value, list) or not value or value[0] not in WRITES:
        raise ValueError("no row of the records")
    query, *parameters = cast(list[Any], value)
    return query, tuple(parameters)


def _storable(value: Any) -> Any:
    """A value as JSON and PostgreSQL both take it.

    A network may send a NUL or half of a surrogate pair, an engine a numpy number or no number.
    """
    if hasattr(value, "item"):
        value = value.item()
    match value:
        case str():
            return value.replace("\x00", "").encode("utf-8", "replace").decode()
        case float() if not math.isfinite(value):
            return 0.0 if math.isnan(value) else math.copysign(sys.float_info.max, value)
        case list() | tuple():
            return [_storable(each) for each in cast("list[Any] | tuple[Any, ...]", value)]
        case dict():
            items = cast(dict[str, Any], value).items()
            return {_storable(name): _storable(each) for name, each in items}
        case bool() | int() | float() | None:
            return value
        case _:
            return _storable(str(value))
