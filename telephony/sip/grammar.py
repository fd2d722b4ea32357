"""The lexical pieces that header fields and URIs share (RFC 3261 §25.1).

Text here is a header field value without line ends: folded lines are already joined. White space
means SP and HTAB only; Python's idea of white space is wider and would accept what SIP does not.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from telephony.sip.errors import MalformedValueError

WHITE: Final = " \t"
TOKEN: Final = r"[A-Za-z0-9\-.!%*_+`'~]+"  # noqa: S105 - the grammar's token, no secret
QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
HOST: Final = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9_.\-]*[A-Za-z0-9_.])?)"

_TOKEN: Final = re.compile(TOKEN)
_PARAMETER: Final = re.compile(
    rf'[ \t]*;[ \t]*({TOKEN})(?:[ \t]*=[ \t]*({QUOTED}|[^ \t";,<>]+))?', re.DOTALL
)
_MAX_DIGITS: Final = 10  # a 32-bit number has no more; longer ones are never worth converting


@dataclass(frozen=True, slots=True)
class Parameters:
    """`;name=value` pairs in their order; names compare without case, values stay as written."""

    items: tuple[tuple[str, str | None], ...] = ()

    def get(self, name: str) -> str | None:
        """The value of the first parameter of that name; None when absent or without a value."""
        name = name.lower()
        return next((value for key, value in self.items if key.lower() == name), None)

    def __contains__(self, name: str) -> bool:
        name = name.lower()
        return any(key.lower() == name for key, _ in self.items)

    def replacing(self, name: str, value: str | None) -> "Parameters":
        """A copy with that parameter set, in its old place or at the end."""
        lowered = name.lower()
        if name not in self:
            return Parameters((*self.items, (name, value)))
        return Parameters(
            tuple((k, value if k.lower() == lowered else v) for k, v in self.items),
        )

    def __str__(self) -> str:
        return "".join(f";{k}" if v is None else f";{k}={v}" for k, v in self.items)


NO_PARAMETERS: Final = Parameters()


def parse_parameters(text: str) -> Parameters:
    """Parse `;name=value;flag`, with white space around every piece.

    Raises:
        MalformedValueError: anything else is in the text.
    """
    items: list[tuple[str, str | None]] = []
    position = 0
    while match := _PARAMETER.match(text, position):
        items.append((match[1], match[2]))
        position = match.end()
    if text[position:].strip(WHITE):
        raise MalformedValueError(f"malformed parameters: {text!r}")
    return Parameters(tuple(items))


def split_list(text: str) -> Iterator[str]:
    """Split a comma list, leaving commas inside quotes and angle brackets alone.

    Yields the elements without surrounding white space; empty ones too, for the caller to judge.
    """
    start = 0
    if "," not in text:
        yield text.strip(WHITE)
        return
    for position in separators(text, ","):
        yield text[start:position].strip(WHITE)
        start = position + 1
    yield text[start:].strip(WHITE)


def separators(text: str, separator: str) -> Iterator[int]:
    """Where `separator` stands outside quoted strings and angle brackets."""
    quoted = bracketed = escaped = False
    for position, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted:
            escaped = character == "\\"
            quoted = character != '"'
        elif character == '"':
            quoted = True
        elif character in "<>":
            bracketed = character == "<"
        elif character == separator and not bracketed:
            yield position


def is_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None


def unquote(text: str) -> str:
    """A quoted string's content; other text unchanged."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
    return text


def quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parse_number(text: str, *, maximum: int) -> int:
    """A decimal number, leading zeros allowed.

    Raises:
        MalformedValueError: not a plain decimal number, or above `maximum`.
    """
    if not (text.isascii() and text.isdigit()):
        raise MalformedValueError(f"not a number: {text[:40]!r}")
    digits = text.lstrip("0") or "0"
    if len(digits) > _MAX_DIGITS or int(digits) > maximum:
        raise MalformedValueError(f"number out of range: {text[:40]}")
    return int(digits)
