"""Proof that a request comes from the carrier: Twilio's X-Twilio-Signature.

It is the base64 of an HMAC-SHA1, keyed with the account's auth token, over the URL as the carrier
was given it and, for a POST, its form's names and values, sorted. The upgrade of a WebSocket is
signed like a request without a form. https://www.twilio.com/docs/usage/security
"""

import base64
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit, urlunsplit

HEADER: Final = "X-Twilio-Signature"
FORWARDING_HEADERS: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP")
"""A request that carries one of these came through a proxy."""

_DEFAULT_PORTS: Final = {"https": 443, "wss": 443, "http": 80, "ws": 80}

Form = Sequence[tuple[str, str]]


def sign(token: str, url: str, form: Form = ()) -> str:
    """The signature of one request."""
    signed = url + "".join(name + value for name, value in sorted(set(form)))
    # SHA-1 is Twilio's choice; as an HMAC it still stands.
    digest = hmac.new(token.encode(), signed.encode("utf-8", "surrogatepass"), "sha1").digest()
    return base64.b64encode(digest).decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a request comes from, as far as it can be told."""

    host: str  # the IP address of the peer of the connection
    proxied: bool  # it came through a proxy, so `host` is the proxy's
    signature: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierGate:
    """Who may bring calls. Without a token: only programs on this machine, never through a proxy.

    With one: whoever signs with it, wherever they are.
    """

    token: str | None = field(repr=False)

    def admits(self, origin: Origin, url: str, form: Form = ()) -> bool:
        """Whether the request for `url` is let in.

        Args:
            origin: of the request.
            url: as the carrier knows it, with any query.
            form: the fields of a POST, names and values.
        """
        if self.token is None:
            return _is_loopback(origin.host) and not origin.proxied
        given = (origin.signature or "").encode("utf-8", "surrogatepass")
        # All forms are compared, so that the time taken does not tell which one was near.
        matches = [
            hmac.compare_digest(sign(self.token, each, form).encode(), given)
            for each in _forms(url)
        ]
        return any(matches)


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _forms(url: str) -> Iterator[str]:
    """The URL as it stands, without its port, and with the scheme's own: Twilio signs any."""
    yield url
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    default = _DEFAULT_PORTS.get(parts.scheme)
    if parts.port is not None:
        yield urlunsplit(parts._replace(netloc=host))
    elif default is not None:
        yield urlunsplit(parts._replace(netloc=f"{host}:{default}"))
