"""Datagrams sent and received without letting go of the interpreter's lock.

`socket` lets go of the lock around every call, since a call may block. Ours never block and take
microseconds, but whichever thread gets the lock meanwhile keeps it for half a millisecond, and the
tick of a hundred calls offered it two hundred times: with a thread at work it lasted 30 ms, and 20
of them were spent waiting. So these calls are made through ctypes, which can keep the lock.

Linux and IPv4 only; where either is not, `socket` does it.
"""

import ctypes
import errno
import os
import socket
import struct
import sys
from typing import Final

_NOTHING: Final = (errno.EAGAIN, errno.EINTR)  # came, or it can be asked again
_NOW: Final = 0x40  # MSG_DONTWAIT, Linux
_IPV4: Final = struct.Struct("=H")  # struct sockaddr_in: the family, as the machine writes it …
_IPV4_SIZE: Final = 16  # … port and address, as networks do, and padding
STAMP: Final = struct.Struct("@ll")  # struct timespec of CLOCK_REALTIME
_STAMP_AT: Final = struct.calcsize("@Nii")  # behind a struct cmsghdr
_CONTROL_SIZE: Final = 64  # room for a stamp and something more
_MOST_SENDERS: Final = 4_096  # whose addresses are kept as text


class _Buffer(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint),
        ("buffers", ctypes.c_void_p),
        ("buffer_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


def _libc() -> ctypes.PyDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.PyDLL(None, use_errno=True)
    libc.sendto.argtypes = (
        *(ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int),
        *(ctypes.c_char_p, ctypes.c_uint),
    )
    libc.recvmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
    libc.recvmsg.restype = ctypes.c_ssize_t
    libc.sendto.restype = ctypes.c_ssize_t
    return libc


_LIBC: Final = _libc()


RECEIVES: Final = _LIBC is not None
"""Whether there can be a Receiver."""


def supports(sock: socket.socket) -> bool:
    """Whether this socket can be served here."""
    return _LIBC is not None and sock.family == socket.AF_INET


class Sender:
    """Sends from one non-blocking socket.

    Args:
        bound: stays its owner's; send only while it is open.
    """

    def __init__(self, bound: socket.socket) -> None:
        self._socket, self._descriptor = bound, bound.fileno()
        self._supported = supports(bound)
        self._reached: tuple[str, int] | None = None  # where the latest packet went …
        self._raw: bytes | None = None  # … as the kernel takes it; None: that is left to `socket`

    def send(self, packet: bytes, destination: tuple[str, int]) -> bool:
        """Send a datagram to an IP address and port; False when the network did not take it."""
        if destination is not self._reached:
            self._reached = destination
            self._raw = _raw_address(*destination) if self._supported else None
        if self._raw is None or _LIBC is None:
            return self._send_by_socket(packet, destination)
        sent = _LIBC.sendto(self._descriptor, packet, len(packet), _NOW, self._raw, _IPV4_SIZE)
        return sent >= 0

    def _send_by_socket(self, packet: bytes, destination: tuple[str, int]) -> bool:
        try:
            self._socket.sendto(packet, destination)
        except OSError:
            return False
        return True


def _raw_address(host: str, port: int) -> bytes | None:
    """A struct sockaddr_in; None: the address is not of IPv4."""
    try:
        octets = socket.inet_aton(host)
    except OSError:
        return None
    return (_IPV4.pack(socket.AF_INET) + port.to_bytes(2, "big") + octets).ljust(_IPV4_SIZE, b"\0")


class Receiver:
    """Reads IPv4 sockets into memory of its own; for one thread.

    Args:
        most_bytes: of a datagram; what is longer is cut.
    """

    def __init__(self, most_bytes: int) -> None:
        self._data = ctypes.create_string_buffer(most_bytes)
        assert _LIBC is not None, "see `RECEIVES`"
        self._recvmsg = _LIBC.recvmsg
        self._name = ctypes.create_string_buffer(_IPV4_SIZE)
        self._control = ctypes.create_string_buffer(_CONTROL_SIZE)
        self._buffer = _Buffer(ctypes.addressof(self._data), most_bytes)
        self._message = _Message(
            name=ctypes.addressof(self._name),
            buffers=ctypes.addressof(self._buffer),
            buffer_count=1,
            control=ctypes.addressof(self._control),
        )
        self._at = ctypes.addressof(self._message)
        self._octets = memoryview(self._data).cast("B")
        self._from = memoryview(self._name).cast("B")
        self._stamp = memoryview(self._control).cast("B")
        self._senders: dict[bytes, tuple[str, int]] = {}

    def receive(
        self, descriptor: int
    ) -> tuple[bytes, tuple[str, int], tuple[int, int] | None] | None:
        """The next datagram of an open socket, its sender, and the kernel's stamp, if it gave one.

        The stamp is of CLOCK_REALTIME, in seconds and nanoseconds, where SO_TIMESTAMPNS is set.
        None: there is none.

        Raises:
            OSError: the network had something to say instead.
        """
        message = self._message
        message.name_size, message.control_size = _IPV4_SIZE, _CONTROL_SIZE
        size = self._recvmsg(descriptor, self._at, _NOW)
        if size < 0:
            error = ctypes.get_errno()
            if error in _NOTHING:
                return None
            raise OSError(error, os.strerror(error))
        stamp: tuple[int, int] | None = None
        if message.control_size >= _STAMP_AT + STAMP.size:
            stamp = STAMP.unpack_from(self._stamp, _STAMP_AT)
        return bytes(self._octets[:size]), self._sender(bytes(self._from[2:8])), stamp

    def _sender(self, raw: bytes) -> tuple[str, int]:
        known = self._senders.get(raw)
        if known is None:
            if len(self._senders) >= _MOST_SENDERS:
                self._senders.clear()
            known = socket.inet_ntoa(raw[2:]), int.from_bytes(raw[:2], "big")
            self._senders[raw] = known
        return known
