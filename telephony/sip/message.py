"""SIP messages: immutable values with typed accessors, and their octets (RFC 3261 §7).

`parser.parse` makes them from octets and has then checked every field that has an accessor here,
so reading one from a parsed message does not fail. Content-Length is not among the header fields:
it is the length of the body, read by the parser and written by `serialise`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, TypeAlias, TypeVar

from telephony.sip.errors import MalformedValueError
from telephony.sip.grammar import WHITE
from telephony.sip.headers import (
    CSeq,
    Headers,
    NameAddress,
    Via,
    parse_cseq,
    parse_name_address,
    parse_via,
)
from telephony.sip.uri import Uri

__all__ = ["KNOWN_METHODS", "Headers", "Message", "Request", "Response", "respond", "serialise"]

KNOWN_METHODS: Final = frozenset(
    {
        *("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER"),  # RFC 3261
        *("INFO", "PRACK", "SUBSCRIBE", "NOTIFY", "UPDATE", "MESSAGE", "REFER", "PUBLISH"),
    }
)

MAX_FORWARDS: Final = "70"  # of requests of our own (RFC 3261 §8.1.1.6)

REASONS: Final = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
}

_Self = TypeVar("_Self", bound="Message")


# No slots here: cached_property keeps what it parsed in the instance's dictionary.
@dataclass(frozen=True, kw_only=True)
class Message:
    """What requests and responses have in common.

    Accessors raise MalformedValueError when the field is missing or breaks its grammar.
    """

    headers: Headers
    body: bytes = b""

    @cached_property
    def vias(self) -> tuple[Via, ...]:
        """The way the request came, latest hop first; never empty."""
        vias = tuple(parse_via(text) for text in self._elements("Via"))
        if not vias:
            raise MalformedValueError("no Via")
        return vias

    @property
    def via(self) -> Via:
        return self.vias[0]

    @cached_property
    def from_(self) -> NameAddress:
        return parse_name_address(self._required("From"))

    @cached_property
    def to(self) -> NameAddress:
        return parse_name_address(self._required("To"))

    @property
    def from_tag(self) -> str:
        """The caller's tag; RFC 2543 clients may send none, which counts as empty (§12.1.1)."""
        return self.from_.tag or ""

    @property
    def to_tag(self) -> str | None:
        return self.to.tag

    @property
    def call_id(self) -> str:
        return self._required("Call-ID")

    @cached_property
    def cseq(self) -> CSeq:
        return parse_cseq(self._required("CSeq"))

    @cached_property
    def contacts(self) -> tuple[NameAddress, ...]:
        """The Contact addresses; none for the wildcard of a REGISTER."""
        elements = [text for text in self._elements("Contact") if text != "*"]
        return tuple(parse_name_address(text) for text in elements)

    @cached_property
    def record_routes(self) -> tuple[NameAddress, ...]:
        return tuple(parse_name_address(text) for text in self._elements("Record-Route"))

    @cached_property
    def routes(self) -> tuple[NameAddress, ...]:
        return tuple(parse_name_address(text) for text in self._elements("Route"))

    @property
    def content_type(self) -> str | None:
        """`type/subtype` in lower case, without parameters."""
        value = self.headers.get("Content-Type")
        return None if value is None else value.partition(";")[0].strip(WHITE).lower()

    def with_headers(self: _Self, fields: Iterable[tuple[str, str]]) -> _Self:
        """A copy with these fields in place of all the old ones."""
        return replace(self, headers=Headers(fields))

    def _required(self, name: str) -> str:
        value = self.headers.get(name)
        if not value:
            raise MalformedValueError(f"no {name}")
        return value

    def _elements(self, name: str) -> tuple[str, ...]:
        return self.headers.get_list(name)


@dataclass(frozen=True, kw_only=True)
class Request(Message):
    method: str
    uri: Uri

    def with_source(self, host: str, port: int) -> "Request":
        """A copy whose top Via records where the request really came from."""
        top, *others = self.vias
        vias = (top.arrived_from(host, port), *others)
        rest = [(name, value) for name, value in self.headers if name != "Via"]
        return replace(self, headers=Headers([*(("Via", str(via)) for via in vias), *rest]))


@dataclass(frozen=True, kw_only=True)
class Response(Message):
    status: int
    reason: str

    @property
    def is_final(self) -> bool:
        return self.status >= 200


AnyMessage: TypeAlias = Request | Response


def respond(
    request: Request,
    status: int,
    *,
    to_tag: str | None = None,
    fields: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Response:
    """The response to a request, with what must be copied copied (§8.2.6).

    Args:
        to_tag: ours; put into To unless the request has one there or the status is 100.
        fields: more header fields.
    """
    to = request.headers.get("To") or ""
    if to_tag is not None and request.to_tag is None and status != 100:
        to = f"{to};tag={to_tag}"
    copied = [("Via", value) for value in request.headers.get_all("Via")]
    copied += [("From", request.headers.get("From") or ""), ("To", to)]
    copied += [("Call-ID", request.call_id), ("CSeq", str(request.cseq))]
    if status == 100 and (timestamp := request.headers.get("Timestamp")) is not None:
        copied.append(("Timestamp", timestamp))
    return Response(
        status=status,
        reason=REASONS.get(status, "Unknown"),
        headers=Headers([*copied, *fields]),
        body=body,
    )


def serialise(message: AnyMessage) -> bytes:
    """The octets of a message, Content-Length last among its fields."""
    match message:
        case Request():
            start = f"{message.method} {message.uri} SIP/2.0"
        case Response():
            start = f"SIP/2.0 {message.status:03d} {message.reason}"
    lines = [start, *(f"{name}: {value}" for name, value in message.headers)]
    lines.append(f"Content-Length: {len(message.body)}\r\n\r\n")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + message.body
