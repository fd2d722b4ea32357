"""How long sign-in rests after attempts in vain, for an account and for a network address; pure.

An attempt is counted before the password is looked at, so that a thousand at once are no better
than one after the other; a right password gives its own back. Attempts that come during a rest are
refused unseen and prolong nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

_FIRST_REST_S: Final = 1.0
_LONGEST_REST_S: Final = 900.0  # nobody is locked out for longer by somebody else's attempts
FORGOTTEN_AFTER_S: Final = 86_400.0  # a day without an attempt
_FREE_FOR_ACCOUNT: Final = 5  # people mistype
_FREE_FOR_ADDRESS: Final = 30  # a whole office behind one address does so too
_V6_SITE_BITS: Final = 64  # what one customer has: single addresses cost nothing there


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What attempts are counted for."""

    key: str
    free: int  # attempts before the first rest

    def rest_s(self, failures: int) -> float:
        """How long to rest after so many attempts in vain: doubling from a second."""
        beyond = failures - self.free
        if beyond < 0:
            return 0.0
        return min(_FIRST_REST_S * 2.0 ** min(beyond, 20), _LONGEST_REST_S)


def account(login: str) -> Subject:
    """`login` as compared; also of names that nobody has, or those could be told apart."""
    return Subject(key=_hashed("account", login), free=_FREE_FOR_ACCOUNT)


def address(text: str) -> Subject:
    """A network address, an IPv6 one by its site."""
    try:
        parsed = ip_address(text)
    except ValueError:
        return Subject(key=_hashed("address", text), free=_FREE_FOR_ADDRESS)
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return address(str(parsed.ipv4_mapped))
        text = str(ip_network((parsed, _V6_SITE_BITS), strict=False))
    return Subject(key=_hashed("address", text), free=_FREE_FOR_ADDRESS)


def subjects(login: str, from_address: str) -> Sequence[Subject]:
    """All that one attempt counts for, always in the same order: locks are taken in it."""
    return address(from_address), account(login)


def _hashed(kind: str, text: str) -> str:
    return sha256(f"{kind}:{text}".encode("utf-8", "replace")).hexdigest()
