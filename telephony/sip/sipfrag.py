"""The bodies of NOTIFYs that say what became of a REFER (RFC 3420, RFC 3515 §2.4.5)."""

import re
from typing import Final

from telephony.sip.message import REASONS

SIPFRAG_TYPE: Final = "message/sipfrag"
_STATUS_LINE: Final = re.compile(rb"[\r\n]*SIP/2\.0[ \t]+([1-6][0-9][0-9])\b", re.IGNORECASE)


def make_sipfrag(status: int) -> bytes:
    """A fragment that holds a status line."""
    return f"SIP/2.0 {status} {REASONS.get(status, 'Unknown')}\r\n".encode()


def read_sipfrag(body: bytes) -> int | None:
    """The status in a fragment; None when it does not begin with one."""
    match = _STATUS_LINE.match(body)
    return None if match is None else int(match[1])
