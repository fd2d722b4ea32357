"""A call as a vCon: the IETF's JSON container for conversations (draft-ietf-vcon-vcon-core-04).

Parties are the caller, frontdesk and the agents; dialog is the recording, by reference, or what was
said, line by line, when nothing was recorded; the summary and the transcript are analysis; what the
agents were shown is attached.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from jsonschema import Draft202012Validator

from server.handoff.context import Line

_SYNTAX: Final = "0.4.0"
_VENDOR: Final = "frontdesk"
_CALLER: Final = 0  # in parties
_FRONTDESK: Final = 1
_FIRST_AGENT: Final = 2
_RANDOM_B_BITS: Final = 62  # of a UUID of version 7 or 8 (RFC 9562 §5.7)
_BLOCK: Final = 1 << 20


class VconError(ValueError):
    """A document is not a vCon; the message says where, and what is wrong there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPart:
    """An agent's part of a call, in order of joining."""

    id: str  # the same in all calls
    name: str
    joined_at: datetime
    left_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingReference:
    """A stereo recording, caller left and everyone else right, that can be fetched over HTTPS."""

    url: str
    content_hash: str  # see `content_hash_of`
    duration_s: float
    mediatype: str = "audio/x-wav"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    """What a vCon is made of.

    host: the fully qualified name under which this frontdesk is known.
    lines: everything said, from the first word on, the agents' included.
    contexts: of each hand-off of the call, in order, as HandOffContext.as_json() gives them.
    summary: of the whole call, up to three sentences.
    """

    call_id: UUID
    host: str
    caller: str
    callee: str
    answered_at: datetime
    ended_at: datetime
    lines: tuple[Line, ...] = ()
    agents: tuple[AgentPart, ...] = ()
    contexts: tuple[Mapping[str, Any], ...] = ()
    summary: tuple[str, ...] = ()
    recording: RecordingReference | None = None


def vcon_of(call: RecordedCall, *, created_at: datetime) -> dict[str, Any]:
    """The call as the unsigned form of a vCon, JSON-ready; the same call has always the same id.

    Raises:
        VconError: what the call holds makes no valid vCon, as a recording that is not on HTTPS.
    """
    dialog = [*_dialog(call)]
    document = {
        "vcon": _SYNTAX,
        "uuid": str(_uuid_of(call)),
        "created_at": _date(created_at),
        "subject": next((each["task"] for each in call.contexts if each["task"]), None),
        "parties": [*_parties(call)],
        "dialog": [*dialog, *_transfers(call)],
        "analysis": [*_analysis(call, len(dialog))],
        "attachments": [_attachment(each) for each in call.contexts],
    }
    found = {key: value for key, value in document.items() if value is not None}
    validate(found)
    return found


def validate(document: Mapping[str, Any]) -> None:
    """Hold a document against the schema.

    Raises:
        VconError: it is no vCon in its unsigned form; the first fault is named with its place.
    """
    faults = sorted(_validator().iter_errors(document), key=lambda fault: list(fault.path))
    if faults:
        place = "/".join(map(str, faults[0].absolute_path)) or "the document"
        raise VconError(f"{place}: {faults[0].message}")
    _check_indices(document)


def content_hash_of(path: Path) -> str:
    """The ContentHash of a file: "sha512-" and its digest in base64url. Reads the whole file.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha512()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return f"sha512-{_base64url(digest.digest())}"


# --- parties --------------------------------------------------------------------------------------


def _parties(call: RecordedCall) -> Iterator[dict[str, Any]]:
    proofs = [proof for context in call.contexts for proof in context["verified"]]
    yield _address(call.caller) | {
        "type": "person",
        "validation": ", ".join(dict.fromkeys(proofs)) or "none",
    }
    yield _address(call.callee) | {"type": "bot", "name": "frontdesk"}
    for agent in call.agents:
        yield {"type": "person", "name": agent.name, "uuid": agent.id, "validation": "sign-in"}


def _address(uri: str) -> dict[str, str]:
    """A number is a tel, with a plus sign or not; anything else is a sip address."""
    number = uri.removeprefix("tel:")
    if number and all(each in "+0123456789*#()., -" for each in number):
        return {"tel": number}
    return {"sip": uri} if uri else {"name": "anonymous"}


# --- dialog ---------------------------------------------------------------------------------------


def _dialog(call: RecordedCall) -> Iterator[dict[str, Any]]:
    if call.recording is not None:
        yield _recording(call, call.recording)
    elif call.lines:
        yield from (_text(call, line) for line in call.lines)
    else:
        start = _date(call.answered_at)
        yield {"type": "incomplete", "start": start, "disposition": "hung-up", "parties": [0, 1]}


def _recording(call: RecordedCall, recording: RecordingReference) -> dict[str, Any]:
    others = [_FRONTDESK, *range(_FIRST_AGENT, _FIRST_AGENT + len(call.agents))]
    return {
        "type": "recording",
        "start": _date(call.answered_at),
        "duration": round(recording.duration_s, 3),
        "parties": [_CALLER, others],
        "mediatype": recording.mediatype,
        "url": recording.url,
        "content_hash": recording.content_hash,
        "party_history": [*_history(call)],
    }


def _history(call: RecordedCall) -> Iterator[dict[str, Any]]:
    events = [(call.answered_at, _CALLER, "join"), (call.answered_at, _FRONTDESK, "join")]
    for party, agent in enumerate(call.agents, start=_FIRST_AGENT):
        events.append((agent.joined_at, party, "join"))
        events.append((agent.left_at or call.ended_at, party, "drop"))
    events.append((call.ended_at, _CALLER, "drop"))
    for at, party, event in sorted(events, key=lambda each: each[0]):
        yield {"party": party, "time": _date(at), "event": event}


def _text(call: RecordedCall, line: Line) -> dict[str, Any]:
    return {
        "type": "text",
        "start": _date(call.answered_at + timedelta(seconds=line.at_s)),
        "parties": _party_of(call, line),
        "mediatype": "text/plain",
        "body": line.text if line.heard is None else line.heard,
        "encoding": "none",
    }


def _party_of(call: RecordedCall, line: Line) -> int:
    if line.who in ("caller", "frontdesk"):
        return _CALLER if line.who == "caller" else _FRONTDESK
    at = call.answered_at + timedelta(seconds=line.at_s)
    there = [
        party
        for party, agent in enumerate(call.agents, start=_FIRST_AGENT)
        if agent.joined_at <= at
    ]
    return there[-1] if there else _FRONTDESK


def _transfers(call: RecordedCall) -> Iterator[dict[str, Any]]:
    """Each agent got the call from frontdesk; one recording holds the call before and after."""
    for party, agent in enumerate(call.agents, start=_FIRST_AGENT):
        yield {
            "type": "transfer",
            "start": _date(agent.joined_at),
            "transferee": _CALLER,
            "transferor": _FRONTDESK,
            "transfer_target": party,
            "original": 0,
            "target_dialog": 0,
        }


# --- analysis and attachments ---------------------------------------------------------------------


def _analysis(call: RecordedCall, dialogs: int) -> Iterator[dict[str, Any]]:
    about = {"dialog": [*range(dialogs)], "vendor": _VENDOR, "product": "frontdesk"}
    if call.summary:
        yield about | {
            "type": "summary",
            "mediatype": "text/plain",
            "body": " ".join(call.summary),
            "encoding": "none",
        }
    if call.lines:
        yield about | {
            "type": "transcript",
            "schema": "frontdesk-lines-1",
            "mediatype": "application/json",
            "body": [_transcript_line(call, line) for line in call.lines],
            "encoding": "json",
        }
    if call.contexts:
        yield about | {
            "type": "sentiment",
            "mediatype": "text/plain",
            "body": call.contexts[-1]["sentiment"],
            "encoding": "none",
        }


def _transcript_line(call: RecordedCall, line: Line) -> dict[str, Any]:
    told = {"party": _party_of(call, line), "at_s": round(line.at_s, 2), "text": line.text}
    return told if line.heard is None else told | {"heard": line.heard}


def _attachment(context: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "purpose": "hand-off context",
        "start": context["requested_at"],
        "party": _FRONTDESK,
        "dialog": 0,
        "mediatype": "application/json",
        "body": json.loads(json.dumps(context)),  # tuples become the lists JSON knows
        "encoding": "json",
    }


# --- forms ----------------------------------------------------------------------------------------


def _uuid_of(call: RecordedCall) -> UUID:
    """Version 8 as the draft wants it: the time, then who made it, as in version 7 (RFC 9562).

    What is random there comes from the call's id, so that a call exported twice is one vCon.
    """
    milliseconds = int(call.answered_at.timestamp() * 1000) & ((1 << 48) - 1)
    rand_a = int.from_bytes(hashlib.sha256(call.call_id.bytes).digest()[:2]) >> 4
    host = int.from_bytes(hashlib.sha1(call.host.encode(), usedforsecurity=False).digest()[:8])
    rand_b = host >> (64 - _RANDOM_B_BITS)
    return UUID(int=milliseconds << 80 | 0x8 << 76 | rand_a << 64 | 0b10 << 62 | rand_b)


def _date(at: datetime) -> str:
    """RFC 3339, which wants a time zone."""
    return at.isoformat(timespec="milliseconds")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@cache
def _validator() -> Draft202012Validator:
    schema = json.loads((files("server.handoff") / "vcon_schema.json").read_text("utf-8"))
    return Draft202012Validator(schema)


def _check_indices(document: Mapping[str, Any]) -> None:
    """No index points beyond the parties or the dialog, which a schema cannot say."""
    parties, dialogs = (len(document.get(key, ())) for key in ("parties", "dialog"))
    by_party = ("party", "parties", "originator", "transferee", "transferor", "transfer_target")
    by_dialog = ("dialog", "original", "consultation", "target_dialog", "recordings")
    for section in ("dialog", "analysis", "attachments"):
        for at, each in enumerate(document.get(section, ())):
            indices = [(key, parties) for key in by_party] + [(key, dialogs) for key in by_dialog]
            for key, count in indices:
                if any(index >= count for index in _flat(each.get(key))):
                    raise VconError(f"{section}/{at}/{key}: there are only {count}")


def _flat(value: Any) -> Sequence[int]:
    if isinstance(value, int):
        return (value,)
    if isinstance(value, list):
        return [index for each in value for index in _flat(each)]  # type: ignore[reportUnknownVariableType]
    return ()
