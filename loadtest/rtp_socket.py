"""A UDP socket for RTP that is read when its call's turn comes, and knows when each packet came.

The kernel stamps what arrives, so jitter and lateness are those of the network and of the far end,
however seldom the socket is read. Where there are no such stamps, what is read has just come.
"""

import contextlib
import socket
import struct
import sys
import time
from collections.abc import Iterator
from typing import Final

_SO_TIMESTAMPNS: Final = 35  # linux asm-generic/socket.h; Python does not name it
_STAMP: Final = struct.Struct("@ll")  # struct timespec: CLOCK_REALTIME
_ANCILLARY: Final = socket.CMSG_SPACE(_STAMP.size)
_MAX_BYTES: Final = 2_048  # an RTP packet of 20 ms has 172
_MAX_AT_ONCE: Final = 500  # datagrams of 10 s: a flood must not hold up the other calls


class RtpSocket:
    """Bound and non-blocking.

    Args:
        host: the address to listen at.

    Raises:
        OSError: no socket can be had there.
    """

    def __init__(self, host: str) -> None:
        self._socket = _even_port_socket(host)
        self.port: int = self._socket.getsockname()[1]
        if sys.platform == "linux":
            _stamp(self._socket)

    def send(self, data: bytes, to: tuple[str, int]) -> bool:
        """Send a datagram; False when it could not leave."""
        try:
            self._socket.sendto(data, to)
        except OSError:
            return False  # full, unreachable or closed: to the listener it is a lost packet
        return True

    def receive(self) -> Iterator[tuple[bytes, float]]:
        """What has come since the last time, each with its age in seconds as it is read."""
        for _ in range(_MAX_AT_ONCE):
            try:
                data, ancillary, _, _ = self._socket.recvmsg(_MAX_BYTES, _ANCILLARY)
            except OSError:
                return  # nothing more, or closed
            yield data, _age_s(ancillary[0][2]) if ancillary else 0.0

    def close(self) -> None:
        """Idempotent."""
        self._socket.close()


def _stamp(sock: socket.socket) -> None:
    """Have the kernel note when datagrams come, if it can."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def _age_s(stamp: bytes) -> float:
    if len(stamp) != _STAMP.size:
        return 0.0
    whole, nanoseconds = _STAMP.unpack(stamp)
    # A wall clock that is set in between shows as one packet out of place, and never as negative.
    return max(0.0, time.time() - (whole + nanoseconds * 1e-9))


def _even_port_socket(host: str) -> socket.socket:
    """A UDP socket on an even port, as RFC 3550 §11 asks of RTP; any port after eight tries."""
    for attempt in range(8):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind((host, 0))
        if sock.getsockname()[1] % 2 == 0 or attempt == 7:
            return sock
        sock.close()
    raise AssertionError("unreachable")
