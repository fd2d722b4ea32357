"""What a browser and its leg say to each other over data channels: JSON objects, one each message.

    channel   direction    message
    keys      to us        {"type": "key", "key": "5"}          a DTMF key
    keys      to us        {"type": "hang_up"}                  the person hung up
    keys      to browser   {"type": "ended"}                    we hung up
    captions  to browser   {"who": "caller", "text": "...", "final": true}

Both channels are ordered, reliable, and opened by the browser. Messages of other types are passed
over, so that either side may learn new ones first.
"""

import json
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

KEYS_CHANNEL: Final = "keys"
CAPTIONS_CHANNEL: Final = "captions"

_KEYS: Final = frozenset("0123456789*#ABCD")
_MAX_CHARS: Final = 1024  # a key needs 26


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySent:
    """One of 0-9 * # A-D."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HungUp:
    """The person ended the call."""


BrowserMessage: TypeAlias = KeySent | HungUp

ENDED: Final = json.dumps({"type": "ended"})


def parse(message: str | bytes) -> BrowserMessage | None:
    """What the browser said; None when it is nothing we know, whatever it is."""
    if len(message) > _MAX_CHARS:
        return None
    try:
        content: object = json.loads(message)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    return _read(cast("dict[str, Any]", content))


def _read(content: dict[str, Any]) -> BrowserMessage | None:
    match content.get("type"):
        case "key":
            key = content.get("key")
            return KeySent(key=key) if isinstance(key, str) and key in _KEYS else None
        case "hang_up":
            return HungUp()
        case _:
            return None


def caption(who: str, text: str, *, final: bool) -> str:
    """A line of the conversation; `who` is caller, frontdesk or agent."""
    return json.dumps({"who": who, "text": text, "final": final})
