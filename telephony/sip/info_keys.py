"""Keys that come by INFO instead of RFC 4733: the two body types that phones and PBXs send."""

import re
from typing import Final

RELAY_TYPE: Final = "application/dtmf-relay"  # "Signal=5\r\nDuration=160"
PLAIN_TYPE: Final = "application/dtmf"  # "5"
KEY_TYPES: Final = (RELAY_TYPE, PLAIN_TYPE)

_SIGNAL: Final = re.compile(r"(?:^|[\r\n])[ \t]*signal[ \t]*=[ \t]*([^ \t\r\n;]+)", re.IGNORECASE)
_KEYS: Final = "0123456789*#ABCD"
_EVENTS: Final = {str(number): key for number, key in enumerate(_KEYS)}  # RFC 4733 §3.2


def read_key(body: bytes) -> str | None:
    """The key in a body of either type: one of 0-9 * # A-D; None when there is no such key.

    Both types are written either way in the wild, and keys beyond 9 also as event numbers.
    """
    text = body.decode("ascii", "replace").strip().upper()
    match = _SIGNAL.search(text)
    signal = match[1] if match is not None else text
    if len(signal) == 1:
        return signal if signal in _KEYS else None
    return _EVENTS.get(signal)
