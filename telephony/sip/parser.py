"""From octets to messages: strict, and never surprised (RFC 3261 §7, §18.3, §25).

What is wrong is refused, not guessed at: a guess that differs from the next element's is a security
hole. A request that is wrong but carries a Via and a CSeq raises AnswerableMessageError with all
that can be copied into the answer; everything else wrong raises UnanswerableMessageError.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from telephony.sip.errors import (
    AnswerableMessageError,
    MalformedValueError,
    UnanswerableMessageError,
)
from telephony.sip.grammar import TOKEN, WHITE, parse_number
from telephony.sip.headers import MAX_SEQUENCE, Headers, canonical_name
from telephony.sip.message import KNOWN_METHODS, AnyMessage, Message, Request, Response
from telephony.sip.uri import parse_uri

MAX_FIELDS: Final = 256  # header fields in one message; far more than any real one, cheap to refuse
HIGHEST_FORWARDS: Final = 255  # §20.22

_REQUEST_LINE: Final = re.compile(rf"({TOKEN}) ([^ \t]+) (SIP/[0-9]+\.[0-9]+)", re.IGNORECASE)
_STATUS_LINE: Final = re.compile(r"SIP/2\.0 ([1-6][0-9][0-9]) (.*)", re.IGNORECASE)
_ANY_REQUEST_LINE: Final = re.compile(r".* SIP/[0-9]+\.[0-9]+[ \t]*", re.IGNORECASE)
_FIELD: Final = re.compile(rf"({TOKEN})[ \t]*:(.*)", re.DOTALL)
_FOLD: Final = re.compile(r"\r\n[ \t]+")
_CONTENT_TYPE: Final = re.compile(rf"{TOKEN}[ \t]*/[ \t]*{TOKEN}[ \t]*(?:;.*)?", re.DOTALL)
_DATE: Final = re.compile(  # §20.17: GMT only
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} "
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4} "
    r"[0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
)

_ONCE: Final = (  # fields of which a message has at most one
    *("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Content-Type", "Date"),
    *("Content-Disposition", "Expires"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """The octets before the body, taken apart but not judged."""

    start: str
    fields: tuple[tuple[str, str], ...]
    flaw: str | None  # the first line that was no header field

    @property
    def method(self) -> str:
        return self.start.partition(" ")[0]

    @property
    def is_request(self) -> bool:
        return (
            _ANY_REQUEST_LINE.fullmatch(self.start) is not None and self.start[:4].upper() != "SIP/"
        )

    @property
    def is_answerable(self) -> bool:
        names = {name for name, value in self.fields if value}
        return self.is_request and self.method != "ACK" and {"Via", "CSeq"} <= names


def parse(data: bytes) -> AnyMessage:
    """Parse one datagram. Whatever follows the body that Content-Length announces is ignored.

    Raises:
        AnswerableMessageError: a request that is wrong, but whose sender can be told.
        UnanswerableMessageError: anything else that is wrong.
    """
    # §7.5: line ends before the start line are ignored.
    octets, end, rest = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    head = _take_apart(octets)
    try:
        return _judge(head, rest if end else None)
    except MalformedValueError as error:
        if head.is_answerable:
            raise AnswerableMessageError(
                str(error), fields=head.fields, status=error.status
            ) from error
        raise UnanswerableMessageError(str(error)) from error


def _judge(head: _Head, rest: bytes | None) -> AnyMessage:
    if head.flaw is not None:
        raise MalformedValueError(head.flaw)
    if rest is None:
        raise MalformedValueError("no empty line after the header fields")
    message = _start_line(head, Headers(f for f in head.fields if f[0] != "Content-Length"))
    _check_once(head.fields)
    message = _with_body(message, head.fields, rest)
    _check_values(message)
    return message


def _take_apart(octets: bytes) -> _Head:
    text = _FOLD.sub(" ", octets.decode("utf-8", "surrogateescape"))
    start, *lines = text.split("\r\n")
    fields: list[tuple[str, str]] = []
    flaw: str | None = None
    if "\r" in start or "\n" in start:
        flaw = "a bare line end in the start line"
    for line in lines[:MAX_FIELDS]:
        match = _FIELD.fullmatch(line)
        if match is None or "\r" in line or "\n" in line:
            flaw = flaw or f"not a header field: {line[:60]!r}"
        else:
            fields.append((canonical_name(match[1]), match[2].strip(WHITE)))
    if len(lines) > MAX_FIELDS:
        flaw = flaw or "too many header fields"
    return _Head(start=start, fields=tuple(fields), flaw=flaw)


def _start_line(head: _Head, headers: Headers) -> AnyMessage:
    if head.start[:4].upper() == "SIP/":
        match = _STATUS_LINE.fullmatch(head.start)
        if match is None:
            raise MalformedValueError(f"malformed status line: {head.start[:60]!r}")
        return Response(status=int(match[1]), reason=match[2], headers=headers)
    match = _REQUEST_LINE.fullmatch(head.start)
    if match is None:
        raise MalformedValueError(f"malformed request line: {head.start[:60]!r}")
    if match[3].upper() != "SIP/2.0":
        raise MalformedValueError(f"unknown version: {match[3]}", status=505)
    uri = parse_uri(match[2])
    if uri.is_sip and uri.headers:
        raise MalformedValueError("a Request-URI must not carry header fields")  # §19.1.1
    return Request(method=match[1], uri=uri, headers=headers)


def _check_once(fields: Sequence[tuple[str, str]]) -> None:
    names = [name for name, _ in fields]
    for name in _ONCE:
        if names.count(name) > 1:
            raise MalformedValueError(f"more than one {name}")


def _with_body(message: AnyMessage, fields: Iterable[tuple[str, str]], rest: bytes) -> AnyMessage:
    """Cut the body at Content-Length; without one it is all the rest of the datagram (§18.3)."""
    announced = next((value for name, value in fields if name == "Content-Length"), None)
    length = len(rest) if announced is None else parse_number(announced, maximum=MAX_SEQUENCE)
    if length > len(rest):
        raise MalformedValueError(f"{length} octets announced, {len(rest)} received")
    match message:
        case Request():
            return Request(
                method=message.method, uri=message.uri, headers=message.headers, body=rest[:length]
            )
        case Response():
            return Response(
                status=message.status,
                reason=message.reason,
                headers=message.headers,
                body=rest[:length],
            )


def _check_values(message: AnyMessage) -> None:
    """Read every field that has an accessor, once, so that no later reading can fail."""
    for check in _CHECKS:
        check(message)
    if isinstance(message, Request) and message.cseq.method != message.method:
        # An unknown method is the graver news: 501 tells the sender not to try again.
        status = 400 if message.method in KNOWN_METHODS else 501
        raise MalformedValueError("CSeq names another method", status=status)


def _check_call_id(message: Message) -> None:
    if any(character in message.call_id for character in WHITE):
        raise MalformedValueError("white space in Call-ID")


def _check_max_forwards(message: Message) -> None:
    value = message.headers.get("Max-Forwards")
    if value is not None:
        parse_number(value, maximum=HIGHEST_FORWARDS)


def _check_date(message: Message) -> None:
    value = message.headers.get("Date")
    if value is not None and _DATE.fullmatch(value) is None:
        raise MalformedValueError(f"malformed Date: {value[:60]!r}")


def _check_content_type(message: Message) -> None:
    value = message.headers.get("Content-Type")
    if value is not None and _CONTENT_TYPE.fullmatch(value) is None:
        raise MalformedValueError(f"malformed Content-Type: {value[:60]!r}")


_CHECKS: Final[tuple[Callable[[Message], object], ...]] = (
    lambda message: message.cseq,
    lambda message: message.vias,
    lambda message: message.from_,
    lambda message: message.to,
    _check_call_id,
    lambda message: message.contacts,
    lambda message: message.record_routes,
    lambda message: message.routes,
    _check_max_forwards,
    _check_date,
    _check_content_type,
)
