"""As much of a datagram as it takes to tell whose it is; pure, and cheap on purpose.

Whether the message is right is for the process that gets it to say. What is read here is what that
process would read: header fields end at the first empty line, so that a body cannot name a Call-ID.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

_HEAD_END: Final = b"\r\n\r\n"
_SPACE: Final = rb"(?:[ \t]|\r\n[ \t])*"  # a field may go on in the next line (RFC 3261 §7.3.1)
_MOST: Final = rb"{1,255}"  # octets of a Call-ID: real ones have a quarter of that
_CALL_ID: Final = re.compile(
    rb"\r\n(?:call-id|i)[ \t]*:" + _SPACE + rb"([^\s]" + _MOST + rb")", re.I
)
_REPLACES: Final = re.compile(rb"\r\nreplaces[ \t]*:" + _SPACE + rb"([^\s;]" + _MOST + rb")", re.I)
_SENDER: Final = re.compile(rb"\r\n(?:from|f)[ \t]*:[^\r\n]*?sips?:([^\s;>:]" + _MOST + rb")", re.I)
_OURS: Final = re.compile(rb"p([0-9]{1,2})-[0-9a-f]{8,}@")


class Kind(Enum):
    """What a message is for whoever passes it on."""

    INVITE = auto()  # opens a call, unless its Call-ID is known
    OPTIONS = auto()  # asks whether a call would be taken
    REGISTER = auto()  # says where an agent's phone is
    REQUEST = auto()  # any other request
    RESPONSE = auto()


@dataclass(frozen=True, slots=True)
class Glance:
    """
    Attributes:
        call_id: empty when there is none: such a request is refused by whoever gets it.
        replaces: the Call-ID of the call that an INVITE wants to take the place of (RFC 3891).
        sender: user and host of From, of an INVITE and a REGISTER: whose phone it comes from.
    """

    kind: Kind
    call_id: bytes
    replaces: bytes | None = None
    sender: bytes | None = None


_KINDS: Final = {b"INVITE": Kind.INVITE, b"OPTIONS": Kind.OPTIONS, b"REGISTER": Kind.REGISTER}
_BY_PHONES: Final = (Kind.INVITE, Kind.REGISTER)


def glance(data: bytes) -> Glance | None:
    """What a datagram is about; None: it is no SIP message, a keep-alive for instance."""
    data = data.lstrip(b"\r\n")  # §7.5
    line_end = data.find(b"\r\n")
    start = data[:line_end]
    is_response = start[:4].upper() == b"SIP/"
    if line_end < 0 or not (is_response or b" SIP/" in start.upper()):
        return None
    end = data.find(_HEAD_END)
    head = data if end < 0 else data[:end]
    found = _CALL_ID.search(head)
    call_id = b"" if found is None else found[1]
    if is_response:
        return Glance(Kind.RESPONSE, call_id)
    kind = _KINDS.get(start.partition(b" ")[0], Kind.REQUEST)
    replaces = _first(_REPLACES, head) if kind is Kind.INVITE else None
    sender = _first(_SENDER, head) if kind in _BY_PHONES else None
    return Glance(kind, call_id, replaces, sender)


def _first(field: re.Pattern[bytes], head: bytes) -> bytes | None:
    found = field.search(head)
    return None if found is None else found[1]


def call_id_prefix(worker: int) -> str:
    """With which the Call-IDs of a worker's own calls begin."""
    return f"p{worker}-"


def placed_by(call_id: bytes) -> int | None:
    """The worker whose own call has such a Call-ID; None: somebody else made it."""
    match = _OURS.match(call_id)
    return None if match is None else int(match[1])
