"""Session descriptions as far as audio needs them (RFC 8866): the values and their text."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDescription:
    """A parsed session description."""
