"""Header fields: the ordered list of them, and the values that have a structure of their own."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from telephony.sip.errors import LocalProtocolError, MalformedValueError
from telephony.sip.grammar import (
    HOST,
    NO_PARAMETERS,
    QUOTED,
    TOKEN,
    WHITE,
    Parameters,
    is_token,
    parse_number,
    parse_parameters,
    quote,
    split_list,
    unquote,
)
from telephony.sip.uri import MAX_PORT, SIP_PORT, Uri, bracketed, parse_uri

MAGIC_COOKIE: Final = "z9hG4bK"  # a branch made by RFC 3261's rules begins with it (§8.1.1.7)
MAX_SEQUENCE: Final = 2**31 - 1  # §8.1.1.5

_COMPACT: Final = {  # RFC 3261 §7.3.3 and the registry's later additions
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
}
_CANONICAL: Final = {
    name.lower(): name
    for name in (
        *_COMPACT.values(),
        *("Accept", "Accept-Encoding", "Accept-Language", "Allow", "Authorization", "CSeq"),
        *("Content-Disposition", "Content-Language", "Date", "Expires", "Max-Forwards"),
        *("Proxy-Authorization", "Proxy-Require", "Reason", "Record-Route", "Replaces", "Require"),
        *("Retry-After", "Route", "Server", "Timestamp", "Unsupported", "User-Agent"),
        *("User-to-User", "WWW-Authenticate", "Warning"),
    )
}

_CSEQ: Final = re.compile(rf"([0-9]+)[ \t]+({TOKEN})")
_VIA: Final = re.compile(
    rf"SIP[ \t]*/[ \t]*2\.0[ \t]*/[ \t]*({TOKEN})[ \t]+({HOST})(?:[ \t]*:[ \t]*([0-9]+))?",
    re.IGNORECASE,
)
# Unquoted names are tokens; letters beyond ASCII are let through, as phones send them so.
_NAME_ADDR: Final = re.compile(
    rf"({QUOTED}[ \t]*|(?:[A-Za-z0-9\-.!%*_+`'~ \t]|[^\x00-\x7f])*)<([^<>]*)>", re.DOTALL
)


@lru_cache(maxsize=512)  # asked some two hundred times per call, for the same few names
def canonical_name(name: str) -> str:
    """The usual spelling of a header field name; unknown names stay as they are."""
    lowered = name.lower()
    return _COMPACT.get(lowered) or _CANONICAL.get(lowered, name)


class Headers:
    """Header fields in their order: immutable; names compare without case and in any form.

    Values are unfolded text; octets that are no UTF-8 are kept as surrogate escapes.

    Raises:
        LocalProtocolError: a name is no token, or a value has a line end in it.
    """

    __slots__ = ("_fields", "_index")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = tuple((canonical_name(name), value.strip(WHITE)) for name, value in fields)
        self._index: dict[str, list[str]] = {}
        for name, value in self._fields:
            if not is_token(name) or "\r" in value or "\n" in value:
                raise LocalProtocolError(f"not a header field: {name!r}: {value!r}")
            self._index.setdefault(name.lower(), []).append(value)

    def get(self, name: str) -> str | None:
        """The raw value of the first field of that name."""
        values = self._index.get(canonical_name(name).lower())
        return values[0] if values else None

    def get_all(self, name: str) -> tuple[str, ...]:
        """The raw values of all fields of that name, in order."""
        return tuple(self._index.get(canonical_name(name).lower(), ()))

    def get_list(self, name: str) -> tuple[str, ...]:
        """The elements of all fields of that name taken as one comma list, empty ones dropped."""
        return tuple(
            element for value in self.get_all(name) for element in split_list(value) if element
        )

    def __contains__(self, name: str) -> bool:
        return canonical_name(name).lower() in self._index

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(self._fields)

    def __repr__(self) -> str:
        return f"Headers({list(self._fields)!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class NameAddress:
    """`"Display name" <uri>;parameters`: From, To, Contact, Route, Record-Route, Refer-To."""

    uri: Uri
    display_name: str = ""  # without quotes
    parameters: Parameters = NO_PARAMETERS

    @property
    def tag(self) -> str | None:
        return self.parameters.get("tag")

    def __str__(self) -> str:
        name = f"{quote(self.display_name)} " if self.display_name else ""
        return f"{name}<{self.uri}>{self.parameters}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Via:
    """One hop of the way a request came, and its response goes back (RFC 3261 §20.42)."""

    transport: str  # upper case
    host: str
    port: int | None = None
    parameters: Parameters = NO_PARAMETERS

    @property
    def branch(self) -> str | None:
        return self.parameters.get("branch")

    @property
    def sent_by(self) -> tuple[str, int]:
        return self.host.lower(), self.port or SIP_PORT

    def arrived_from(self, host: str, port: int) -> "Via":
        """This Via with the source the request really had (RFC 3261 §18.2.1, RFC 3581 §4).

        `received` is set whenever `rport` was asked for, or the source is not the sent-by host.
        """
        parameters = self.parameters
        if "rport" in parameters:
            parameters = parameters.replacing("rport", str(port))
        if "rport" in parameters or self.host != bracketed(host):
            parameters = parameters.replacing("received", host)
        return Via(transport=self.transport, host=self.host, port=self.port, parameters=parameters)

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/2.0/{self.transport} {self.host}{port}{self.parameters}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CSeq:
    """The place of a request in its dialog."""

    number: int
    method: str

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


def parse_name_address(text: str) -> NameAddress:
    """Parse a name-addr, or an addr-spec with header parameters.

    Without angle brackets everything after the first semicolon belongs to the header field, and
    the URI may hold neither comma nor question mark (§20.10).

    Raises:
        MalformedValueError: it is neither.
    """
    match = _NAME_ADDR.match(text)
    if match is not None:
        return NameAddress(
            display_name=unquote(match[1].strip(WHITE)),
            uri=parse_uri(match[2]),
            parameters=parse_parameters(text[match.end() :]),
        )
    uri, semicolon, parameters = text.partition(";")
    if any(character in uri for character in ',?<>"'):
        raise MalformedValueError(f"malformed address: {text!r}")
    return NameAddress(
        uri=parse_uri(uri.strip(WHITE)), parameters=parse_parameters(semicolon + parameters)
    )


def parse_via(text: str) -> Via:
    """Parse one element of a Via field.

    Raises:
        MalformedValueError: it is none, or the protocol is not SIP/2.0.
    """
    match = _VIA.match(text)
    if match is None:
        raise MalformedValueError(f"malformed Via: {text!r}")
    via = Via(
        transport=match[1].upper(),
        host=match[2],
        port=None if match[3] is None else parse_number(match[3], maximum=MAX_PORT),
        parameters=parse_parameters(text[match.end() :]),
    )
    if via.branch == MAGIC_COOKIE:
        raise MalformedValueError("a branch that is only the magic cookie")
    return via


def parse_cseq(text: str) -> CSeq:
    """Parse a CSeq field.

    Raises:
        MalformedValueError: it is none, or the number is 2**31 or more.
    """
    match = _CSEQ.fullmatch(text)
    if match is None:
        raise MalformedValueError(f"malformed CSeq: {text[:60]!r}")
    return CSeq(number=parse_number(match[1], maximum=MAX_SEQUENCE), method=match[2])
