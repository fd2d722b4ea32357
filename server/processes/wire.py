"""A worker's way to the network: it reads what the parent passes on, and sends for itself."""

import asyncio
import logging
import socket
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from server.processes.frames import MAX_FRAME, Passed, pack, pack_reports, unpack
from server.processes.glance import call_id_prefix, glance
from server.processes.routing import REPORT_S

_AT_ONCE: Final = 32  # frames in one go, so that a flood does not hold up the media clock
_REMEMBERED: Final = 4_096  # Call-IDs that were taken: a repeated INVITE is not given back

log = logging.getLogger(__name__)


class PassedDatagrams(asyncio.DatagramTransport):
    """The transport of a SIP endpoint whose port belongs to the parent.

    Datagrams leave from the parent's own socket, so that every peer sees one address.

    Attributes:
        declines: asked for a first INVITE: should another worker have it?
        on_parent_gone: called once when nothing can come any more.
    """

    declines: Callable[[], bool]
    on_parent_gone: Callable[[], None]

    def __init__(
        self,
        parent: socket.socket,
        network: socket.socket,
        *,
        worker: int,
    ) -> None:
        """
        Args:
            parent: our end of the socket to it.
            network: the SIP socket, for sending.
            worker: our number.
        """
        super().__init__({"sockname": network.getsockname()})
        self._parent, self._network, self._worker = parent, network, worker
        self.declines = lambda: False
        self.on_parent_gone = lambda: None
        self._taken: OrderedDict[bytes, None] = OrderedDict()
        self._protocol: asyncio.DatagramProtocol | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def call_id_prefix(self) -> str:
        """See telephony/sip/wire.py."""
        return call_id_prefix(self._worker)

    def attach(self, protocol: asyncio.DatagramProtocol) -> None:
        """Give it what comes from now on."""
        self._protocol = protocol
        protocol.connection_made(self)
        self._loop.add_reader(self._parent, self._readable)

    async def keep_reporting(self, call_ids: Callable[[], Iterable[str]]) -> None:
        """Tell the parent which calls are ours, again and again, until cancelled."""
        while True:
            await asyncio.sleep(REPORT_S)
            self.report(call_ids())

    def report(self, call_ids: Iterable[str]) -> None:
        """Tell the parent that these calls are ours; a report that gets lost does not matter."""
        octets = (call_id.encode("utf-8", "surrogateescape") for call_id in call_ids)
        with suppress(OSError):
            for frame in pack_reports(octets):
                self._parent.send(frame)

    # --- asyncio.DatagramTransport --------------------------------------------------------------

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Send at once or never: SIP repeats what gets no answer (RFC 3261 §17)."""
        with suppress(OSError):
            self._network.sendto(data, addr)

    def is_closing(self) -> bool:
        return self._protocol is None

    def close(self) -> None:
        """Let go of the protocol; the sockets stay open for whoever has them."""
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            self._loop.remove_reader(self._parent)
            self._loop.call_soon(protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    # --- inside ---------------------------------------------------------------------------------

    def _readable(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                frame = self._parent.recv(MAX_FRAME)
            except BlockingIOError:
                return
            except OSError:
                frame = b""
            if not frame:
                self._loop.remove_reader(self._parent)
                log.error("the parent is gone")
                self.on_parent_gone()
                return
            passed = unpack(frame)
            if isinstance(passed, Passed):
                self._take(passed)

    def _take(self, passed: Passed) -> None:
        if passed.may_decline and self._gives_back(passed):
            return
        if self._protocol is not None:
            self._protocol.datagram_received(passed.data, passed.source)

    def _gives_back(self, passed: Passed) -> bool:
        seen = glance(passed.data)
        call_id = b"" if seen is None else seen.call_id
        if call_id in self._taken:
            return False
        if self.declines() and self._give_back(passed):
            return True
        self._taken[call_id] = None
        if len(self._taken) > _REMEMBERED:
            self._taken.popitem(last=False)
        return False

    def _give_back(self, passed: Passed) -> bool:
        try:
            self._parent.send(pack(passed.declined_by(self._worker)))
        except OSError:
            return False  # then we refuse it ourselves
        return True
