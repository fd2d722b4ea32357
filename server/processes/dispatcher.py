"""The parent's side of the SIP port: every datagram goes to the worker that has its call."""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any, Final

from server.processes.frames import MAX_FRAME, Passed, Report, pack, unpack
from server.processes.glance import glance
from server.processes.routing import Router, Way
from server.processes.table import Count, LineTable

_AT_ONCE: Final = 64  # datagrams in one go; workers that answer get their turn
_LONGEST: Final = 65_535
_BUFFER: Final = 1 << 20  # octets on the way to a worker, as far as the system allows

log = logging.getLogger(__name__)


class Dispatcher:
    """Reads the SIP socket, and passes on. Made for one event loop."""

    def __init__(
        self,
        network: socket.socket,
        table: LineTable,
        *,
        desk: int | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """
        Args:
            network: the SIP socket, bound and non-blocking; it stays the caller's to close.
            table: says how many calls workers have, and takes our counts.
            desk: the worker that agents are on, if they are.
            clock: monotonic seconds; the event loop's when None.
        """
        self._loop = asyncio.get_running_loop()
        self._network, self._table = network, table
        self._clock = clock or self._loop.time
        self._router = Router(table.calls_of, desk=desk)
        self._workers: dict[int, socket.socket] = {}
        self._heard_s: dict[int, float] = {}

    def open(self) -> None:
        """Begin to pass on."""
        self._loop.add_reader(self._network, self._readable)

    def close(self) -> None:
        self._loop.remove_reader(self._network)
        for worker in list(self._workers):
            self.detach(worker)

    def attach(self, worker: int, channel: socket.socket) -> None:
        """This worker takes calls from now on; `channel` is ours until `detach`."""
        self._workers[worker] = channel
        self._heard_s[worker] = self._clock()
        self._router.came_up(worker)
        self._loop.add_reader(channel, self._heard, worker, channel)
        self._table.set(Count.UP, len(self._workers))

    def silent_s(self, worker: int) -> float:
        """For how long nothing was heard of it, who reports every few seconds; 0: not attached."""
        return self._clock() - self._heard_s[worker] if worker in self._workers else 0.0

    def detach(self, worker: int) -> None:
        """It is gone. Idempotent."""
        channel = self._workers.pop(worker, None)
        if channel is not None:
            self._loop.remove_reader(channel)
            channel.close()
            self._router.went_down(worker)
            self._table.set(Count.UP, len(self._workers))

    # --- from the network -----------------------------------------------------------------------

    def _readable(self) -> None:
        now_s = self._clock()
        for _ in range(_AT_ONCE):
            try:
                data, addr = self._network.recvfrom(_LONGEST)
            except OSError:  # nothing more, or an ICMP error of something that was sent
                break
            self._pass(data, addr, now_s)
        self._table.set(Count.REMEMBERED, len(self._router))

    def _pass(self, data: bytes, addr: tuple[Any, ...], now_s: float) -> None:
        seen = glance(data)
        if seen is None:
            self._table.count(Count.NO_SIP)
            return
        way = self._router.way(seen, now_s)
        if way is None:
            self._table.count(Count.NO_ROOM if not self._workers else Count.NO_SIP)
            return
        self._send(Passed(data, (addr[0], addr[1]), may_decline=way.may_decline), way)

    # --- from the workers -----------------------------------------------------------------------

    def _heard(self, worker: int, channel: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                frame = channel.recv(MAX_FRAME)
            except BlockingIOError:
                return
            except OSError:
                frame = b""
            if not frame:  # its end is noticed by whoever started it
                self.detach(worker)
                return
            self._heard_s[worker] = self._clock()
            self._take(worker, frame)

    def _take(self, worker: int, frame: bytes) -> None:
        now_s = self._clock()
        match unpack(frame):
            case Report(call_ids=call_ids):
                self._router.reported(worker, call_ids, now_s)
            case Passed() as passed:
                seen = glance(passed.data)
                way = seen and self._router.way_after(seen, passed.asked, now_s)
                if way is not None:
                    self._table.count(Count.ASKED_AGAIN)
                    asked = Passed(passed.data, passed.source, way.may_decline, passed.asked)
                    self._send(asked, way)

    def _send(self, passed: Passed, way: Way) -> None:
        try:
            self._workers[way.worker].send(pack(passed))
        except OSError:  # it does not keep up, or is about to be noticed to be gone
            self._table.count(Count.NO_ROOM)
        else:
            self._table.count(Count.PASSED)


def channel() -> tuple[socket.socket, socket.socket]:
    """A way between parent and worker, either end non-blocking.

    SOCK_SEQPACKET keeps messages apart as datagrams do, never loses one that was taken, is bounded
    by its buffers, and says when the other end is gone.
    """
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
    return ends
