"""Ways between a browser and us: STUN and TURN servers, and which addresses of ours are offered.

aioice offers every address of the machine but loopback. On a machine without a network that is
none, and a browser on that same machine could not call: then, and when it is configured, loopback
is offered too. aioice has no option for it, so its look-up of addresses is replaced, once, by one
that asks the peer being set up (a context variable) and else does what it did.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

import aioice.ice
from aiortc import RTCConfiguration, RTCIceServer

_LOOPBACK: Final = "127.0.0.1"

_chosen: ContextVar[tuple[str, ...] | None] = ContextVar("host_addresses", default=None)
_all_addresses = aioice.ice.get_host_addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class IceServers:
    """STUN or TURN servers that share credentials (W3C RTCIceServer).

    urls: stun:HOST:PORT, turn:HOST:PORT?transport=udp, turns:HOST:PORT?transport=tcp.
    """

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = field(default=None, repr=False)


def configuration(servers: Sequence[IceServers]) -> RTCConfiguration:
    """For a peer connection of ours; without servers none is asked, not even a public one."""
    return RTCConfiguration(
        iceServers=[
            RTCIceServer(
                urls=list(server.urls), username=server.username, credential=server.credential
            )
            for server in servers
        ]
    )


@contextmanager
def offering(host_addresses: tuple[str, ...] | None) -> Generator[None, None, None]:
    """Gather candidates meanwhile at these addresses of this machine; None: at all there are."""
    token = _chosen.set(host_addresses)
    try:
        yield
    finally:
        _chosen.reset(token)


def _host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    chosen = _chosen.get()
    if chosen is not None:
        return list(chosen)
    return _all_addresses(use_ipv4, use_ipv6) or [_LOOPBACK]


aioice.ice.get_host_addresses = _host_addresses
