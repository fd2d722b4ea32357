"""SIP messages on the wire, as far as a caller needs them (RFC 3261 §7).

Written apart from the server's parser on purpose: a mistake in one is not hidden by the other.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

_COMPACT: Final = {
    "v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact",
    "l": "content-length", "c": "content-type", "k": "supported",
}  # fmt: skip

_LISTS: Final = frozenset({"via", "route", "record-route", "contact"})

Headers: TypeAlias = tuple[tuple[str, str], ...]


class MalformedMessageError(ValueError):
    """Bytes that are not a SIP message we can act on; drop them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    headers: Headers
    body: bytes = b""

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order, comma lists taken apart; `name` in lower case."""
        values = [value for key, value in self.headers if key.lower() == name]
        if name not in _LISTS:
            return values
        return [part for value in values for part in _split_list(value)]

    def first(self, name: str) -> str:
        """The first value of a header, empty when there is none; `name` in lower case."""
        return next(iter(self.all(name)), "")

    @property
    def call_id(self) -> str:
        return self.first("call-id")

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method."""
        number, _, method = self.first("cseq").partition(" ")
        return int(number), method.strip().upper()

    @property
    def branch(self) -> str:
        """The branch of the topmost Via."""
        found = re.search(r";\s*branch\s*=\s*([^;,\s]+)", self.first("via"), re.IGNORECASE)
        return found[1] if found else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(_Message):
    method: str
    uri: str

    def to_bytes(self) -> bytes:
        return _to_bytes(f"{self.method} {self.uri} SIP/2.0", self.headers, self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(_Message):
    status: int
    reason: str

    def to_bytes(self) -> bytes:
        return _to_bytes(f"SIP/2.0 {self.status} {self.reason}", self.headers, self.body)

    @property
    def retry_after_s(self) -> int | None:
        """Retry-After without its comment and parameters; None when absent or unreadable."""
        found = re.match(r"\s*(\d{1,9})", self.first("retry-after"))
        return int(found[1]) if found else None


def _to_bytes(start: str, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    lines = [start, *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def _split_list(value: str) -> list[str]:
    """Split at commas outside quotes and angle brackets."""
    parts = re.findall(r'(?:[^,"<]|"(?:[^"\\]|\\.)*"|<[^>]*>)+', value)
    return [part.strip() for part in parts if part.strip()]


def parse(data: bytes) -> Request | Response:
    """Read one datagram.

    Raises:
        MalformedMessageError: not SIP, or without the headers every message has.
    """
    head, separator, rest = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not separator:
        raise MalformedMessageError("no end of headers")
    text = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8", "replace"))  # folded lines
    start, *lines = text.split("\r\n")
    headers = tuple(_header(line) for line in lines)
    message = _start_line(start, headers, rest)
    try:
        _ = message.cseq
        length = int(message.first("content-length") or len(rest))
    except ValueError as error:
        raise MalformedMessageError("CSeq or Content-Length is not a number") from error
    if not all(message.first(name) for name in ("via", "from", "to", "call-id")):
        raise MalformedMessageError("Via, From, To or Call-ID is missing")
    return _start_line(start, headers, rest[: max(length, 0)])


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise MalformedMessageError(f"not a header: {line[:40]!r}")
    name = name.strip()
    return _COMPACT.get(name.lower(), name), value.strip()


def _start_line(line: str, headers: Headers, body: bytes) -> Request | Response:
    if found := re.fullmatch(r"SIP/2\.0 ([1-6]\d\d)(?: (.*))?", line):
        return Response(
            status=int(found[1]), reason=(found[2] or "").strip(), headers=headers, body=body
        )
    if found := re.fullmatch(r"([A-Z]+) (\S+) SIP/2\.0", line):
        return Request(method=found[1], uri=found[2], headers=headers, body=body)
    raise MalformedMessageError(f"not a SIP start line: {line[:40]!r}")


def respond(
    request: Request,
    status: int,
    reason: str,
    *,
    to_tag: str,
    extra: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
) -> Response:
    """The response to a request, its Via, From, To, Call-ID and CSeq copied (RFC 3261 §8.2.6)."""
    to = request.first("to")
    if not re.search(r";\s*tag\s*=", to, re.IGNORECASE):
        to = f"{to};tag={to_tag}"
    copied = [("Via", via) for via in request.all("via")]
    copied += [("Record-Route", route) for route in request.all("record-route")]
    copied += [("From", request.first("from")), ("To", to)]
    copied += [("Call-ID", request.call_id), ("CSeq", request.first("cseq"))]
    return Response(status=status, reason=reason, headers=(*copied, *extra), body=body)
