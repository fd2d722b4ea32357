"""Session descriptions as far as audio needs them (RFC 8866): the values and their text.

Lines that audio has no use for (titles, e-mail addresses, bandwidth, keys) are read past; writing
gives back everything that is kept. What to answer to an offer is decided in offer_answer.py.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from telephony.sip.errors import MalformedSdpError, MalformedValueError
from telephony.sip.grammar import parse_number
from telephony.sip.media import Direction
from telephony.sip.uri import MAX_PORT

__all__ = ["MediaDescription", "Origin", "RtpMap", "SessionDescription", "parse_sdp"]

MAX_MEDIA: Final = 16  # m-lines in one description; real ones have one to three
_MAX_PAYLOAD_TYPE: Final = 127
_MAX_RATE_HZ: Final = 1_000_000
_STATIC: Final = {  # RFC 3551 §6: the types that need no rtpmap
    0: ("PCMU", 8_000),
    3: ("GSM", 8_000),
    4: ("G723", 8_000),
    8: ("PCMA", 8_000),
    9: ("G722", 8_000),
    13: ("CN", 8_000),
    18: ("G729", 8_000),
}
_LINE: Final = re.compile(r"([a-z])=(.*)")
_HOST: Final = re.compile(r"[0-9A-Za-z.:\-_]+")
_MEDIA: Final = re.compile(r"([^ ]+) ([0-9]+)(?:/([0-9]+))? ([^ ]+)((?: [^ ]+)+)")
_RTPMAP: Final = re.compile(r"([0-9]+) +([^ /]+)/([0-9]+)(?:/([0-9]+))?")

Attribute = tuple[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The o= line: who made this session, and which edition of it this is."""

    session_id: str
    version: str  # a number too long for any machine is legal
    host: str
    username: str = "-"

    def __str__(self) -> str:
        return f"{self.username} {self.session_id} {self.version} {_connection(self.host)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RtpMap:
    """What a payload type stands for."""

    encoding: str  # as written; compares without case
    rate_hz: int
    channels: int = 1

    def is_named(self, encoding: str, rate_hz: int) -> bool:
        same = self.encoding.lower() == encoding.lower()
        return same and self.rate_hz == rate_hz and self.channels == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaDescription:
    """One m= line and what belongs to it."""

    kind: str  # "audio", "video", …
    port: int  # 0: refused or switched off
    protocol: str  # "RTP/AVP"
    formats: tuple[str, ...]  # payload types, best first
    connection: str | None = None  # the host of its own c= line
    attributes: tuple[Attribute, ...] = ()
    port_count: int | None = None

    def get(self, attribute: str) -> str | None:
        """The value of the first such attribute; None when absent or without a value."""
        return next((value for name, value in self.attributes if name == attribute), None)

    def payload_types(self) -> tuple[int, ...]:
        """The formats that are payload types, best first."""
        return tuple(
            int(text)
            for text in self.formats
            if text.isascii()
            and text.isdigit()
            and len(text) <= 3
            and int(text) <= _MAX_PAYLOAD_TYPE
        )

    def rtp_map(self, payload_type: int) -> RtpMap | None:
        """What the payload type stands for, by its rtpmap or by RFC 3551."""
        for name, value in self.attributes:
            match = _RTPMAP.fullmatch(value) if name == "rtpmap" and value else None
            if match is not None and match[1].lstrip("0") == str(payload_type).lstrip("0"):
                return _rtp_map(match)
        if payload_type not in _STATIC:
            return None
        encoding, rate_hz = _STATIC[payload_type]
        return RtpMap(encoding=encoding, rate_hz=rate_hz)

    def __str__(self) -> str:
        port = str(self.port) if self.port_count is None else f"{self.port}/{self.port_count}"
        lines = [f"m={self.kind} {port} {self.protocol} {' '.join(self.formats)}"]
        if self.connection is not None:
            lines.append(f"c={_connection(self.connection)}")
        return "\r\n".join([*lines, *_attribute_lines(self.attributes)])


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDescription:
    """A whole description, offer or answer."""

    origin: Origin
    name: str = "-"
    connection: str | None = None  # the host of the session's c= line
    times: tuple[str, ...] = ("0 0",)
    attributes: tuple[Attribute, ...] = ()
    media: tuple[MediaDescription, ...] = ()

    def host_of(self, media: MediaDescription) -> str | None:
        """Where that stream is received: its own c= line, or the session's."""
        return media.connection if media.connection is not None else self.connection

    def direction_of(self, media: MediaDescription) -> Direction:
        """Who sends, as the describing side sees it (RFC 8866 §6.7): media, session, default."""
        for name, value in (*media.attributes, *self.attributes):
            if value is None and name in Direction.__members__.values():
                return Direction(name)
        return Direction.SENDRECV

    def __str__(self) -> str:
        """The text, with a line end after its last line."""
        lines = ["v=0", f"o={self.origin}", f"s={self.name}"]
        if self.connection is not None:
            lines.append(f"c={_connection(self.connection)}")
        lines += [f"t={time}" for time in self.times]
        lines += _attribute_lines(self.attributes)
        lines += [str(media) for media in self.media]
        return "\r\n".join(lines) + "\r\n"

    def __bytes__(self) -> bytes:
        return str(self).encode("utf-8", "surrogateescape")


def parse_sdp(body: bytes) -> SessionDescription:
    """Parse a description. Lines may end in CRLF, CR or LF.

    Raises:
        MalformedSdpError: a line is none, a needed one is missing, or a stream has no address.
    """
    try:
        description = _parse(body.decode("utf-8", "surrogateescape"))
    except MalformedValueError as error:
        raise MalformedSdpError(str(error)) from error
    for media in description.media:
        if media.port and description.host_of(media) is None:
            raise MalformedSdpError(f"no c= line for {media.kind}")
    return description


def _parse(text: str) -> SessionDescription:
    session, *media = _sections(list(_lines(text)))
    if not session or session[0] != ("v", "0"):
        raise MalformedSdpError("it does not begin with v=0")
    if len(media) > MAX_MEDIA:
        raise MalformedSdpError("too many m= lines")
    origin = _first(session, "o")
    if origin is None:
        raise MalformedSdpError("no o= line")
    return SessionDescription(
        origin=_parse_origin(origin),
        name=_first(session, "s") or "-",
        connection=_parse_connection(_first(session, "c")),
        times=tuple(value for letter, value in session if letter == "t"),
        attributes=_attributes(session),
        media=tuple(_parse_media(section) for section in media),
    )


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in re.split(r"\r\n|\n|\r", text):
        if not line:
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise MalformedSdpError(f"not a line of a description: {line[:60]!r}")
        yield match[1], match[2]


def _sections(lines: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """The session's lines, then those of each m= line."""
    sections: list[list[tuple[str, str]]] = [[]]
    for letter, value in lines:
        if letter == "m":
            sections.append([])
        sections[-1].append((letter, value))
    return sections


def _first(section: list[tuple[str, str]], letter: str) -> str | None:
    return next((value for key, value in section if key == letter), None)


def _attributes(section: list[tuple[str, str]]) -> tuple[Attribute, ...]:
    pairs = (value.partition(":") for letter, value in section if letter == "a")
    return tuple((name, value if colon else None) for name, colon, value in pairs)


def _parse_origin(text: str) -> Origin:
    parts = text.split(" ")
    if len(parts) != 6 or not all(parts):
        raise MalformedSdpError(f"malformed o= line: {text[:60]!r}")
    return Origin(username=parts[0], session_id=parts[1], version=parts[2], host=parts[5])


def _parse_connection(text: str | None) -> str | None:
    if text is None:
        return None
    parts = text.split(" ")
    if len(parts) != 3 or parts[0] != "IN" or parts[1] not in ("IP4", "IP6"):
        raise MalformedSdpError(f"malformed c= line: {text[:60]!r}")
    host = parts[2].partition("/")[0]  # a multicast address names its reach after a slash
    if _HOST.fullmatch(host) is None:
        raise MalformedSdpError(f"malformed c= line: {text[:60]!r}")
    return host


def _parse_media(section: list[tuple[str, str]]) -> MediaDescription:
    match = _MEDIA.fullmatch(section[0][1].rstrip(" "))
    if match is None:
        raise MalformedSdpError(f"malformed m= line: {section[0][1][:60]!r}")
    return MediaDescription(
        kind=match[1],
        port=parse_number(match[2], maximum=MAX_PORT),
        port_count=None if match[3] is None else parse_number(match[3], maximum=MAX_PORT),
        protocol=match[4],
        formats=tuple(match[5].split()),
        connection=_parse_connection(_first(section, "c")),
        attributes=_attributes(section),
    )


def _rtp_map(match: re.Match[str]) -> RtpMap:
    try:
        return RtpMap(
            encoding=match[2],
            rate_hz=parse_number(match[3], maximum=_MAX_RATE_HZ),
            channels=1 if match[4] is None else parse_number(match[4], maximum=255),
        )
    except MalformedValueError as error:
        raise MalformedSdpError(str(error)) from error


def _attribute_lines(attributes: tuple[Attribute, ...]) -> list[str]:
    return [f"a={name}" if value is None else f"a={name}:{value}" for name, value in attributes]


def _connection(host: str) -> str:
    return f"IN IP{6 if ':' in host else 4} {host}"
