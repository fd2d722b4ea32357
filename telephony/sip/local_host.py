"""Which of our addresses a peer reaches."""

import socket
from typing import Final

_WILDCARDS: Final = ("0.0.0.0", "::")  # noqa: S104 - looked for, not bound


def local_host_towards(peer_host: str, bound_host: str) -> str:
    """The address that packets to a peer leave from.

    Args:
        bound_host: of the socket; the routing table is asked only where it is bound to all.
    """
    if bound_host not in _WILDCARDS:
        return bound_host
    family = socket.AF_INET6 if ":" in peer_host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((peer_host, 9))  # sends nothing: it only asks the routing table
        except OSError:
            return bound_host
        return probe.getsockname()[0]
