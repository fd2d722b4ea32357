"""The pool of local UDP ports that media may use: what a firewall has been told to let through.

RTP takes even ports, the odd one above each is kept free for RTCP (RFC 3550 §11). A port given back
goes to the end of the line, so that the last packets of an ended call do not reach the next one.
"""

import contextlib
import errno
import ipaddress
import socket
from collections import deque
from typing import Final

from telephony.rtp import PortsExhaustedError

DEFAULT_FIRST: Final = 20_000
DEFAULT_LAST: Final = 29_999

_EXPEDITED: Final = 0xB8  # DSCP EF, RFC 3246: what routers keep a queue for voice for


class PortRange:
    """The even ports from `first` to `last`, each lent to one session at a time."""

    def __init__(self, first: int = DEFAULT_FIRST, last: int = DEFAULT_LAST) -> None:
        """
        Raises:
            ValueError: the range is not within 1024-65535 or holds no even port and its odd one.
        """
        if not 1024 <= first <= last <= 65_535:
            raise ValueError(f"media ports {first}-{last} do not lie within 1024-65535")
        self.first, self.last = first, last
        self._free = deque(range(first + first % 2, last, 2))
        self._taken: set[int] = set()
        if not self._free:
            raise ValueError(f"media ports {first}-{last} hold no even port with its odd neighbour")

    @property
    def free(self) -> int:
        """How many more sessions the range has room for."""
        return len(self._free)

    @property
    def taken(self) -> int:
        return len(self._taken)

    def take(self) -> int:
        """The free port that was used longest ago; give it back with `release`.

        Raises:
            PortsExhaustedError: all are in use.
        """
        if not self._free:
            raise PortsExhaustedError(
                f"all {len(self._taken)} media ports of {self.first}-{self.last} are in use"
            )
        port = self._free.popleft()
        self._taken.add(port)
        return port

    def release(self, port: int) -> None:
        """Give a port back; giving it back twice is harmless."""
        if port in self._taken:
            self._taken.remove(port)
            self._free.append(port)

    def bind(self, host: str) -> socket.socket:
        """A UDP socket, non-blocking, bound at the IP address `host` to the next free port.

        Ports that other processes hold are passed over. Whoever closes it releases its port.

        Raises:
            PortsExhaustedError: all are in use.
            OSError: the address is not ours to bind.
            ValueError: `host` is no IP address.
        """
        held_by_others: list[int] = []
        try:
            while True:
                port = self.take()
                try:
                    return _udp_socket(host, port)
                except (OSError, ValueError) as error:
                    held_by_others.append(port)
                    if not isinstance(error, OSError) or error.errno != errno.EADDRINUSE:
                        raise
        finally:
            for port in held_by_others:
                self.release(port)


def _udp_socket(host: str, port: int) -> socket.socket:
    is_ipv6 = ipaddress.ip_address(host).version == 6
    udp = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        udp.setblocking(False)
        with contextlib.suppress(OSError):  # a wish: some containers forbid it
            if is_ipv6:
                udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _EXPEDITED)
            else:
                udp.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _EXPEDITED)
        udp.bind((host, port))
    except BaseException:
        udp.close()
        raise
    return udp
