"""One SIP port for several endpoints: a parent's dispatcher and its workers, on real sockets.

All of them are on the test's own event loop; what tells them apart is that each has only its end of
the way to the parent.
"""

import asyncio
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from server.processes.dispatcher import Dispatcher, channel
from server.processes.table import Count, LineTable
from server.processes.wire import PassedDatagrams
from telephony.sip.endpoint import SipEndpoint
from telephony.sip.incoming_call import IncomingCall
from telephony.sip.outputs import Address
from tests.fakes.sip_leg_world import HOST, Inbox, until

MEDIA_PORT = 40_000  # named in descriptions; nobody sends anything there


class WorkerForTests:
    """An endpoint that answers whatever comes, on the parent's port.

    Attributes:
        closed: it refuses everything, and would rather have another worker asked.
    """

    def __init__(self, number: int, network: socket.socket) -> None:
        self.number = number
        self.calls: list[IncomingCall] = []
        self.ended: list[str] = []
        self.closed = False
        self.parents_end, ours = channel()
        self.wire = PassedDatagrams(ours, network.dup(), worker=number)
        self.wire.declines = lambda: self.closed
        self._answering: set[asyncio.Task[object]] = set()

    async def open(self) -> "WorkerForTests":
        self.endpoint = await SipEndpoint.open(
            HOST,
            0,
            on_call=self._on_call,
            allow_call=lambda caller, source: 7 if self.closed else None,
            busy=lambda source: 7 if self.closed else None,
            wire=self.wire,
        )
        return self

    @property
    def call_ids(self) -> list[str]:
        return [call.call_id for call in self.calls]

    def _on_call(self, call: IncomingCall) -> None:
        self.calls.append(call)
        call.on_ended = self.ended.append
        call.on_replaced = self._on_call
        answering = asyncio.create_task(call.answer(HOST, MEDIA_PORT))
        self._answering.add(answering)
        answering.add_done_callback(lambda task: task.cancelled() or task.exception())


class House:
    """The parent, its workers, and a table of how many calls each has."""

    def __init__(self, workers: int) -> None:
        self.network = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.network.setblocking(False)
        self.network.bind((HOST, 0))
        self.table = LineTable.create(workers=workers, lines=100)
        self.dispatcher = Dispatcher(self.network, self.table)
        self.workers: list[WorkerForTests] = []

    @property
    def address(self) -> Address:
        return HOST, self.network.getsockname()[1]

    def counted(self, what: Count) -> int:
        return self.table.counted(what)

    async def hire(self, number: int) -> None:
        worker = await WorkerForTests(number, self.network).open()
        self.workers.append(worker)
        self.dispatcher.attach(number, worker.parents_end)


class RawCaller:
    """Requests as text, each from whichever of its sockets the test says."""

    def __init__(self, sockets: list[Inbox], server: Address) -> None:
        self.sockets, self._server = sockets, server
        self._tags: dict[str, str] = {}
        self._branches = 0

    def send(
        self, method: str, call_id: str, *, number: int = 1, at: int = 0, extra: str = ""
    ) -> None:
        """Send a request of this call; in its dialog, once a tag is known.

        Args:
            at: which socket.
            extra: a header field line.
        """
        self._branches += 1
        tag = f";tag={self._tags[call_id]}" if call_id in self._tags else ""
        port = self.sockets[at].port
        body = ""
        if method == "INVITE":
            body = (
                f"v=0\r\no=- 1 {number} IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
                "m=audio 41000 RTP/AVP 0\r\n"
            )
            extra = f"{extra}Contact: <sip:a@{HOST}:{port}>\r\nContent-Type: application/sdp\r\n"
        message = (
            f"{method} sip:desk@{HOST} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {HOST}:{port};branch=z9hG4bK{self._branches}\r\n"
            "Max-Forwards: 70\r\n"
            f"From: <sip:a@example.com>;tag=caller\r\nTo: <sip:desk@{HOST}>{tag}\r\n"
            f"Call-ID: {call_id}\r\nCSeq: {number} {method}\r\n{extra}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        self.sockets[at].transport.sendto(message.encode(), self._server)

    async def answer(self, call_id: str, method: str = "INVITE", *, at: int = 0) -> str:
        """The final response to it that arrives at this socket."""
        await until(lambda: self._final(call_id, method, at))
        return self._final(call_id, method, at) or ""

    async def call(self, call_id: str, *, extra: str = "") -> str:
        """Dial and acknowledge; the response."""
        self.send("INVITE", call_id, extra=extra)
        response = await self.answer(call_id)
        if response.startswith("SIP/2.0 200"):
            tag = re.search(r"\r\nTo:.*;tag=([^\s;]+)", response)
            assert tag is not None
            self._tags[call_id] = tag[1]
            self.send("ACK", call_id)
        return response

    def tag_of(self, call_id: str) -> str:
        """What the other side is called in a call that is up."""
        return self._tags[call_id]

    def _final(self, call_id: str, method: str, at: int) -> str | None:
        for datagram in self.sockets[at].datagrams:
            text = datagram.decode()
            if (
                re.match(r"SIP/2\.0 [2-6]", text)
                and f"\r\nCall-ID: {call_id}\r\n" in text
                and re.search(rf"\r\nCSeq: \d+ {method}\r\n", text)
            ):
                return text
        return None


@asynccontextmanager
async def house(workers: int) -> AsyncGenerator[tuple[House, RawCaller]]:
    """A parent with so many workers, and a caller with three sockets."""
    made = House(workers)
    sockets = [await Inbox().open() for _ in range(3)]
    for number in range(workers):
        await made.hire(number)
    made.dispatcher.open()
    try:
        yield made, RawCaller(sockets, made.address)
    finally:
        for worker in made.workers:
            await worker.endpoint.close(timeout_s=0.02)
        made.dispatcher.close()
        for each in sockets:
            each.transport.close()
        made.network.close()
        made.table.close()
