"""SIP URIs, and others as far as SIP has to carry them (RFC 3261 §19.1)."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from telephony.sip.errors import MalformedValueError
from telephony.sip.grammar import HOST, NO_PARAMETERS, Parameters, parse_number

MAX_PORT: Final = 65_535
SIP_PORT: Final = 5060  # when a URI or a Via names none

_ESCAPED: Final = "%[0-9A-Fa-f]{2}"
# "#" must be escaped in a user part; phones that dial feature codes do not, and it is no separator.
_USER: Final = re.compile(rf"(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/#]|{_ESCAPED})+")
_PASSWORD: Final = re.compile(rf"(?:[A-Za-z0-9\-_.!~*'()&=+$,]|{_ESCAPED})*")
_HOST_PORT: Final = re.compile(rf"({HOST})(?::([0-9]+))?")
_PARAM_TEXT: Final = rf"(?:[A-Za-z0-9\-_.!~*'()\[\]/:&+$]|{_ESCAPED})+"
_PARAM: Final = re.compile(rf"({_PARAM_TEXT})(?:=({_PARAM_TEXT}))?")
_HEADERS: Final = re.compile(rf"(?:[A-Za-z0-9\-_.!~*'()\[\]/?:+$=&]|{_ESCAPED})+")
_OTHER: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):([^ \t<>\"]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Uri:
    """A URI, parsed when it is sip or sips, opaque when it is anything else.

    Parts are kept escaped, as on the wire, so that writing gives back what was read.
    """

    scheme: str  # lower case
    user: str | None = None
    password: str | None = None
    host: str = ""  # IPv6 addresses in brackets
    port: int | None = None
    parameters: Parameters = NO_PARAMETERS
    headers: str = ""  # after the "?"
    opaque: str = ""  # all after the colon, of a scheme that is not sip or sips

    @property
    def is_sip(self) -> bool:
        return self.scheme in ("sip", "sips")

    @property
    def user_text(self) -> str:
        """The user part with its escapes resolved."""
        return unquote(self.user or "")

    @property
    def address(self) -> tuple[str, int]:
        """Host without brackets, and port or its default."""
        return self.host.strip("[]"), self.port or SIP_PORT

    @property
    def identity(self) -> str:
        """The URI of a person or line: without parameters, headers and password."""
        if not self.is_sip:
            return str(self)
        user = f"{self.user}@" if self.user is not None else ""
        return f"{self.scheme}:{user}{self.host}{_port_text(self.port)}"

    def __str__(self) -> str:
        if not self.is_sip:
            return f"{self.scheme}:{self.opaque}"
        user = "" if self.user is None else self.user
        if self.password is not None:
            user += f":{self.password}"
        at = "" if self.user is None else "@"
        headers = f"?{self.headers}" if self.headers else ""
        where = f"{self.host}{_port_text(self.port)}{self.parameters}"
        return f"{self.scheme}:{user}{at}{where}{headers}"


def bracketed(host: str) -> str:
    """A host as URIs and Via fields write it: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def parse_uri(text: str) -> Uri:
    """Parse one URI, without angle brackets or white space around it.

    Raises:
        MalformedValueError: it is no URI, or a sip URI that breaks its grammar.
    """
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if colon and scheme in ("sip", "sips"):
        return _parse_sip(scheme, rest, text)
    match = _OTHER.fullmatch(text)
    if match is None:
        raise MalformedValueError(f"malformed URI: {text!r}")
    return Uri(scheme=match[1].lower(), opaque=match[2])


def _parse_sip(scheme: str, rest: str, text: str) -> Uri:
    user: str | None = None
    password: str | None = None
    before, at, after = rest.partition("@")
    if at:
        user, password = _parse_user(before, text)
        rest = after
    rest, question, headers = rest.partition("?")
    where, *parameters = rest.split(";")
    match = _HOST_PORT.fullmatch(where)
    if match is None or (question and _HEADERS.fullmatch(headers) is None):
        raise MalformedValueError(f"malformed URI: {text!r}")
    return Uri(
        scheme=scheme,
        user=user,
        password=password,
        host=match[1],
        port=None if match[2] is None else parse_number(match[2], maximum=MAX_PORT),
        parameters=Parameters(tuple(_parse_parameter(part, text) for part in parameters)),
        headers=headers,
    )


def _parse_user(before: str, text: str) -> tuple[str, str | None]:
    user, colon, password = before.partition(":")
    if _USER.fullmatch(user) is None or _PASSWORD.fullmatch(password) is None:
        raise MalformedValueError(f"malformed user part: {text!r}")
    return user, password if colon else None


def _parse_parameter(part: str, text: str) -> tuple[str, str | None]:
    match = _PARAM.fullmatch(part)
    if match is None:
        raise MalformedValueError(f"malformed URI parameter: {text!r}")
    return match[1], match[2]


def _port_text(port: int | None) -> str:
    return "" if port is None else f":{port}"
