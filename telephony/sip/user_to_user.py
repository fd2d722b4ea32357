"""User-to-User: a few octets that travel with a call (RFC 7433).

What goes there is read by every proxy on the way and shown to whoever answers: an opaque id, never
anything about the caller.
"""

from dataclasses import dataclass
from typing import Final

from telephony.sip.errors import LocalProtocolError, MalformedValueError
from telephony.sip.grammar import is_token, parse_parameters, unquote

FIELD: Final = "User-to-User"
MAX_OCTETS: Final = 128  # what gateways to ISDN carry (RFC 7434 §3); some drop the call above it


@dataclass(frozen=True, slots=True, kw_only=True)
class UserToUser:
    """One field's content.

    Attributes:
        data: the octets.
        purpose, content: parameters of RFC 7433 §4.1, tokens; None when not given.
    """

    data: bytes
    purpose: str | None = None
    content: str | None = None

    def __str__(self) -> str:
        """The field's value, in hex, which all understand.

        Raises:
            LocalProtocolError: too many octets, or a parameter that is no token.
        """
        if len(self.data) > MAX_OCTETS:
            raise LocalProtocolError(f"User-to-User carries {MAX_OCTETS} octets at most")
        text = f"{self.data.hex()};encoding=hex"
        for name, value in (("purpose", self.purpose), ("content", self.content)):
            if value is not None:
                if not is_token(value):
                    raise LocalProtocolError(f"not a token: {value!r}")
                text += f";{name}={value}"
        return text


def parse_user_to_user(text: str) -> UserToUser:
    """Parse one value, in hex or as a quoted string or token.

    Raises:
        MalformedValueError: it is none, or an encoding other than hex.
    """
    text = text.strip()
    end = _quoted_end(text) if text.startswith('"') else text.find(";")
    value, rest = (text, "") if end < 0 else (text[:end], text[end:])
    parameters = parse_parameters(rest)
    encoding = parameters.get("encoding")
    if encoding is None or encoding.lower() != "hex":
        if encoding is not None:
            raise MalformedValueError(f"unknown encoding: {encoding[:20]!r}")
        data = unquote(value).encode("utf-8", "surrogateescape")
    else:
        data = _from_hex(unquote(value))
    return UserToUser(
        data=data, purpose=parameters.get("purpose"), content=parameters.get("content")
    )


def _quoted_end(text: str) -> int:
    position = 1
    while position < len(text) and text[position] != '"':
        position += 2 if text[position] == "\\" else 1
    if position >= len(text):
        raise MalformedValueError("unterminated User-to-User")
    return position + 1


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise MalformedValueError(f"not hex: {text[:20]!r}") from error
