"""Twilio's Media Streams dialect, without I/O: JSON text in, events out, and commands to JSON text.

A bidirectional stream (`<Connect><Stream>`) opens with `connected` and `start`; then come `media`
and `dtmf`, `mark` when a mark of ours has been played, and `stop` at the end. We send `media`,
`mark` and `clear`. Audio is µ-law, 8 kHz, mono, in base64, without a header, in pieces of any
length. https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from telephony.media_streams.errors import MalformedMessageError, UnsupportedFormatError

MAX_MESSAGE_CHARS: Final = 65_536
"""6 s of audio in base64: the longest piece worth taking; a `start` is far shorter."""

_KEYS: Final = frozenset("0123456789*#ABCD")
_MAX_TEXT: Final = 1_024  # of a name or value: Twilio's own limit is 500 for both together
_MAX_PARAMETERS: Final = 64
_MAX_NUMBER: Final = 15  # digits: more than a stream of a thousand years counts to
_FORMAT: Final = {"encoding": "audio/x-mulaw", "sampleRate": 8_000, "channels": 1}

_Object: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The first message: the WebSocket is up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What the stream is; the second message."""

    stream_sid: str
    call_sid: str | None = None
    account_sid: str | None = None
    parameters: Mapping[str, str]  # the TwiML's <Parameter>s


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaReceived:
    """A piece of the caller's audio."""

    payload: bytes  # µ-law
    chunk: int | None = None  # counts the pieces from 1; None: they come in order


@dataclass(frozen=True, slots=True, kw_only=True)
class DtmfReceived:
    key: str  # one of 0-9 * # A-D


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkReached:
    """Everything sent before our mark of this name has been played, or was cleared."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The call, or its stream, has ended."""


StreamEvent: TypeAlias = Connected | Started | MediaReceived | DtmfReceived | MarkReached | Stopped


# --- in -------------------------------------------------------------------------------------------


def parse(text: str | bytes) -> StreamEvent | None:
    """Read one message.

    Returns:
        the event; None for what this end has no use for: unknown events, and our own audio.

    Raises:
        MalformedMessageError: too long, no JSON object, or one that lacks what its event needs.
        UnsupportedFormatError: a `start` that announces other audio than µ-law, 8 kHz, mono.
    """
    if isinstance(text, bytes):
        raise MalformedMessageError("a binary message: the dialect is text")
    if len(text) > MAX_MESSAGE_CHARS:
        raise MalformedMessageError(f"{len(text)} characters: at most {MAX_MESSAGE_CHARS}")
    try:
        message: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedMessageError(f"no JSON: {type(error).__name__}") from error
    if not isinstance(message, dict):
        raise MalformedMessageError("JSON, but no object")
    return _event(cast("_Object", message))


def _event(message: _Object) -> StreamEvent | None:
    match _text(message, "event"):
        case "media":
            return _media(_part(message, "media"))
        case "dtmf":
            return _dtmf(_part(message, "dtmf"))
        case "mark":
            return MarkReached(name=_text(_part(message, "mark"), "name"))
        case "start":
            return _started(message)
        case "connected":
            return Connected()
        case "stop":
            return Stopped()
        case _:
            return None


def _media(media: _Object) -> MediaReceived | None:
    if media.get("track", "inbound") != "inbound":
        return None
    encoded = media.get("payload")
    if not isinstance(encoded, str):
        raise MalformedMessageError("media without a payload")
    try:
        payload = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise MalformedMessageError("a payload that is no base64") from error
    return MediaReceived(payload=payload, chunk=_number(media, "chunk"))


def _dtmf(dtmf: _Object) -> DtmfReceived:
    key = _text(dtmf, "digit").upper()
    if key not in _KEYS:
        raise MalformedMessageError("dtmf that is no key")
    return DtmfReceived(key=key)


def _started(message: _Object) -> Started:
    start = _part(message, "start")
    media_format = start.get("mediaFormat", _FORMAT)
    if media_format != _FORMAT:
        raise UnsupportedFormatError(f"not audio/x-mulaw, 8000, 1: {str(media_format)[:100]}")
    return Started(
        stream_sid=_text(start if "streamSid" in start else message, "streamSid"),
        call_sid=_text(start, "callSid") if "callSid" in start else None,
        account_sid=_text(start, "accountSid") if "accountSid" in start else None,
        parameters=_parameters(start),
    )


def _parameters(start: _Object) -> Mapping[str, str]:
    if "customParameters" not in start:
        return {}
    given = _part(start, "customParameters")
    if len(given) > _MAX_PARAMETERS or any(len(name) > _MAX_TEXT for name in given):
        raise MalformedMessageError("too many customParameters, or too long a name")
    return {name: _text(given, name) for name in given}


def _part(message: _Object, name: str) -> _Object:
    part = message.get(name)
    if not isinstance(part, dict):
        raise MalformedMessageError(f"{name[:30]} is no object")
    return cast("_Object", part)


def _text(message: _Object, name: str) -> str:
    text = message.get(name)
    if not isinstance(text, str) or len(text) > _MAX_TEXT:
        raise MalformedMessageError(f"{name[:30]} is no text of up to {_MAX_TEXT} characters")
    return text


def _number(message: _Object, name: str) -> int | None:
    """Twilio writes numbers as strings; other carriers that speak the dialect, as numbers."""
    number = message.get(name)
    if number is None:
        return None
    digits = str(number) if type(number) is int and 0 <= number < 10**_MAX_NUMBER else number
    if (
        isinstance(digits, str)
        and len(digits) <= _MAX_NUMBER
        and digits.isascii()
        and digits.isdigit()
    ):
        return int(digits)
    raise MalformedMessageError(f"{name} is no number")


# --- out ------------------------------------------------------------------------------------------


def serialise_media(stream_sid: str, payload: bytes) -> str:
    """Audio to play to the caller after what was sent before; µ-law, 8 kHz, 20 ms being 160."""
    media = {"payload": base64.b64encode(payload).decode("ascii")}
    return json.dumps({"event": "media", "streamSid": stream_sid, "media": media})


def serialise_mark(stream_sid: str, name: str) -> str:
    """Ask for a `mark` of this name when everything sent so far has been played."""
    return json.dumps({"event": "mark", "streamSid": stream_sid, "mark": {"name": name}})


def serialise_clear(stream_sid: str) -> str:
    """Have what was sent and not yet played thrown away."""
    return json.dumps({"event": "clear", "streamSid": stream_sid})
