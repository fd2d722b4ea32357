"""A media socket's arrivals, read when their call's turn comes and not when they come.

Frames are taken once per 20 ms, so to be woken by every packet would only cost: a hundred calls
would wake the process five thousand times a second. The kernel stamps what arrives; how late a
packet was is known to the microsecond however seldom the socket is read. Where there are no such
stamps (anywhere but on Linux), what is read counts as having just come.
"""

import contextlib
import socket
import sys
import time
from collections.abc import Callable
from typing import Final, TypeAlias

from telephony.rtp.datagrams import STAMP, Receiver, supports
from telephony.rtp.latch import Address

Datagram: TypeAlias = tuple[bytes, Address, float]
"""What came, from whom, and how many seconds ago."""

_SO_TIMESTAMPNS: Final = 35  # Linux, asm-generic/socket.h; Python does not name it
_ANCILLARY: Final = socket.CMSG_SPACE(STAMP.size) if hasattr(socket, "CMSG_SPACE") else 0
MOST_BYTES: Final = 2_048  # a packet of 20 ms has 172; what is longer is cut, and then malformed
MOST_AT_ONCE: Final = 64
"""Datagrams taken in one turn, more than a second of audio: a flood waits, and the kernel drops it,
while the other calls of the tick are served."""


class Inbox:
    """Reads a bound, non-blocking UDP socket.

    Args:
        bound: stays its owner's, who closes it.
        wall_s: the clock of the kernel's stamps.
    """

    def __init__(self, bound: socket.socket, *, wall_s: Callable[[], float] = time.time) -> None:
        self._socket, self._wall_s = bound, wall_s
        self.errors = 0
        """Times the network had something to say instead: a peer's host refused a packet."""
        self._descriptor = bound.fileno()  # to be used while it is open only
        self._receivable = supports(bound)
        self._ancillary = _ANCILLARY if sys.platform == "linux" and _stamp(bound) else 0

    def fileno(self) -> int:
        """The socket's file descriptor; -1 once it is closed."""
        return self._socket.fileno()

    def next(self, receiver: Receiver | None = None) -> Datagram | None:
        """The next datagram that came; None where there is none, or the network said something.

        Never blocks or raises.

        Args:
            receiver: reads for us where it can.
        """
        try:
            if receiver is not None and self._receivable:
                found = receiver.receive(self._descriptor)
                if found is None:
                    return None
                data, sender, stamp = found
                return data, sender, 0.0 if stamp is None else self._since_s(*stamp)
            data, ancillary, _, sender = self._socket.recvmsg(MOST_BYTES, self._ancillary)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            self.errors += self._socket.fileno() >= 0  # or it was closed meanwhile
            return None
        if len(sender) != 2:  # IPv6 tells more
            sender = sender[:2]
        return data, sender, self._age_s(ancillary[0][2]) if ancillary else 0.0

    def take(self) -> list[Datagram]:
        """All that has come since the last time, at most MOST_AT_ONCE; never blocks or raises."""
        found: list[Datagram] = []
        errors = self.errors
        while len(found) < MOST_AT_ONCE:
            datagram = self.next()
            if datagram is not None:
                found.append(datagram)
            elif self.errors == errors or self.errors % MOST_AT_ONCE == 0:
                break
            errors = self.errors
        return found

    def _age_s(self, stamp: bytes) -> float:
        if len(stamp) != STAMP.size:
            return 0.0
        return self._since_s(*STAMP.unpack(stamp))

    def _since_s(self, whole: int, nanoseconds: int) -> float:
        age_s = self._wall_s() - (whole + nanoseconds * 1e-9)
        # A wall clock that is set in between shows as one packet out of place, never as negative.
        return age_s if age_s > 0.0 else 0.0


def _stamp(sock: socket.socket) -> bool:
    """Have the kernel note when datagrams come; whether it does."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        return True
    return False
