"""SIP URIs as far as a caller over UDP needs them (RFC 3261 §19.1)."""

import re
from dataclasses import dataclass, field
from typing import Final

from loadtest.errors import BadTargetError

DEFAULT_PORT: Final = 5060

_URI: Final = re.compile(
    r"(?P<scheme>sips?):(?:(?P<user>[^@;?\s<>]+)@)?(?P<host>[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?"
    r"(?P<parameters>(?:;[^;?\s<>]+)*)(?:\?\S*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SipUri:
    text: str = field(compare=False)  # as written, for the request line
    user: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "SipUri":
        """Read `sip:user@host:port;parameters`.

        Raises:
            BadTargetError: not a SIP URI, or one that cannot be reached over UDP and IPv4.
        """
        found = _URI.fullmatch(text.strip())
        if found is None:
            raise BadTargetError(f"not a SIP address: {text!r}; write sip:user@host:port")
        if found["scheme"].lower() == "sips":
            raise BadTargetError(f"{text!r} asks for TLS; this phone only speaks UDP")
        transport = re.search(r";transport=([^;]+)", found["parameters"], re.IGNORECASE)
        if transport is not None and transport[1].lower() != "udp":
            raise BadTargetError(f"{text!r} asks for {transport[1]}; this phone only speaks UDP")
        port = int(found["port"] or DEFAULT_PORT)
        if not 0 < port < 65_536:
            raise BadTargetError(f"{text!r}: no such port: {port}")
        return cls(text=text.strip(), user=found["user"] or "", host=found["host"], port=port)


def uri_of(name_addr: str) -> str:
    """The URI inside a From, To, Contact or Route value, with or without angle brackets."""
    bracketed = re.search(r"<([^>]*)>", name_addr)
    return bracketed[1] if bracketed else name_addr.split(";")[0].strip()


def tag_of(name_addr: str) -> str:
    """The tag parameter of a From or To value; empty when there is none."""
    outside = re.sub(r'"(?:[^"\\]|\\.)*"|<[^>]*>', "", name_addr)
    found = re.search(r";\s*tag\s*=\s*([^;\s,]+)", outside, re.IGNORECASE)
    return found[1] if found else ""
