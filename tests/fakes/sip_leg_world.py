"""SIP legs over real sockets on the loopback interface, with a caller of the test's own."""

import asyncio
import re
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import numpy as np

from telephony.rtp.packet import RtpPacket, serialise
from telephony.rtp.ports import PortRange
from telephony.sip.endpoint import SipEndpoint
from telephony.sip.incoming_call import IncomingCall
from telephony.sip_leg import MediaOptions, SipLeg
from voice.events import LegEnded, LegEvent
from voice.frames import Pcm

HOST = "127.0.0.1"
TONE: Pcm = (8000 * np.sin(np.arange(160) * 2 * np.pi / 20)).astype(np.int16)
TIMEOUT_S = 20.0


async def until(condition: Callable[[], object], *, timeout_s: float = 5) -> None:
    """Wait until something arrived; raises TimeoutError when it never does."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - a socket's progress raises no event
            await asyncio.sleep(0.001)


class Inbox(asyncio.DatagramProtocol):
    """A socket that keeps what it gets."""

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []

    async def open(self) -> "Inbox":
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(HOST, 0))
        self.port: int = self.transport.get_extra_info("sockname")[1]
        return self

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.datagrams.append(data)


class Caller:
    """A phone in its barest form: it sends requests and reads what comes back as text."""

    def __init__(self, sip: Inbox, rtp: Inbox, server: tuple[str, int]) -> None:
        self._sip, self.rtp, self._server = sip, rtp, server
        self._number, self._tag, self._branches = 0, "", 0
        self._sequence = 0

    @property
    def messages(self) -> list[str]:
        return [datagram.decode() for datagram in self._sip.datagrams]

    def got(self, start: str) -> str | None:
        """The first message that begins so."""
        return next((each for each in self.messages if each.startswith(start)), None)

    async def wait_for(self, start: str) -> str:
        await until(lambda: self.got(start))
        return self.got(start) or ""

    def sdp(self, direction: str = "sendrecv") -> str:
        return (
            f"v=0\r\no=- 1 {self._number} IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
            f"m=audio {self.rtp.port} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
            f"a={direction}\r\n"
        )

    def send(
        self, method: str, *, body: str = "", kind: str = "application/sdp", same: bool = False
    ) -> None:
        """Send a request; `same`: within the transaction of the last one, as ACK and CANCEL are."""
        if not same:
            self._number += 1
            self._branches += 1
        to_tag = f";tag={self._tag}" if self._tag else ""
        kind_field = f"Content-Type: {kind}\r\n" if body else ""
        message = (
            f"{method} sip:desk@{HOST} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {HOST}:{self._sip.port};branch=z9hG4bK{self._branches}\r\n"
            f"Max-Forwards: 70\r\n"
            f"From: <sip:alice@example.com>;tag=caller\r\nTo: <sip:desk@{HOST}>{to_tag}\r\n"
            f"Call-ID: call-1\r\nCSeq: {self._number} {method}\r\n"
            f"Contact: <sip:alice@{HOST}:{self._sip.port}>\r\n{kind_field}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        self._sip.transport.sendto(message.encode(), self._server)

    async def dial(self) -> None:
        self.send("INVITE", body=self.sdp())
        await asyncio.sleep(0)

    async def acknowledge(self) -> int:
        """Await 200, send ACK; returns the port the other side's media is at."""
        answer = await self.wait_for("SIP/2.0 200")
        self._tag = found(r"To:.*;tag=([^\s;]+)", answer)
        self._branches += 1
        self.send("ACK", same=True)
        return int(found(r"m=audio (\d+)", answer))

    async def reinvite(self, direction: str) -> None:
        self._sip.datagrams.clear()
        self.send("INVITE", body=self.sdp(direction))
        await self.wait_for("SIP/2.0 200")
        self._branches += 1
        self.send("ACK", same=True)

    def speak(self, port: int, payload: bytes, payload_type: int = 0, start: int = 0) -> None:
        packet = RtpPacket(
            payload_type=payload_type,
            sequence=self._sequence,
            timestamp=start or self._sequence * 160,
            ssrc=1,
            payload=payload,
        )
        self._sequence += 1
        self.rtp.transport.sendto(serialise(packet), (HOST, port))

    def confirm_bye(self) -> None:
        bye = self.got("BYE") or ""
        fields = [
            line for line in bye.split("\r\n") if re.match(r"(Via|From|To|Call-ID|CSeq):", line)
        ]
        answer = "\r\n".join(["SIP/2.0 200 OK", *fields, "Content-Length: 0", "", ""])
        self._sip.transport.sendto(answer.encode(), self._server)


def found(pattern: str, text: str) -> str:
    """What the pattern's first group matches in the text; it must match."""
    match = re.search(pattern, text)
    assert match is not None, text
    return match[1]


class World:
    """An endpoint of ours that makes legs, a caller of theirs, a clock only the test moves."""

    def __init__(self, ports: PortRange) -> None:
        self.now_s = 1000.0
        self.media = MediaOptions(ports=ports, bind_host=HOST, timeout_s=TIMEOUT_S)
        self.listen = True
        self.events: list[LegEvent] = []
        self.calls: list[IncomingCall] = []
        self.legs: list[SipLeg] = []

    async def open(self) -> "World":
        self.endpoint = await SipEndpoint.open(HOST, 0, on_call=self._on_call)
        sip, rtp = await Inbox().open(), await Inbox().open()
        self.caller = Caller(sip, rtp, self.endpoint.local_address)
        self._inboxes = [sip, rtp]
        return self

    def _on_call(self, call: IncomingCall) -> None:
        self.calls.append(call)
        leg = SipLeg(call, media=self.media, clock=lambda: self.now_s)
        if self.listen:
            leg.on_event = self.events.append
        self.legs.append(leg)

    @property
    def leg(self) -> SipLeg:
        return self.legs[0]

    async def offered(self) -> SipLeg:
        await self.caller.dial()
        await until(lambda: self.legs)
        return self.leg

    async def answered(self) -> int:
        """A call that is up; the port our media is at."""
        leg = await self.offered()
        answering = asyncio.create_task(leg.answer())
        port = await self.caller.acknowledge()
        await answering
        return port

    async def taken(self, port: int, payload: bytes, payload_type: int = 0, start: int = 0) -> Pcm:
        """Let a packet arrive; the frame heard then."""
        statistics = self.leg.statistics
        assert statistics is not None
        self.caller.speak(port, payload, payload_type, start)
        await until(lambda: self.leg.statistics != statistics)
        return self.leg.receive_frame()

    async def over(self) -> None:
        await until(lambda: any(isinstance(event, LegEnded) for event in self.events))

    async def close(self) -> None:
        if self.caller.got("BYE") is not None:
            self.caller.confirm_bye()
        await self.endpoint.close(timeout_s=0.05)
        for inbox in self._inboxes:
            inbox.transport.close()
        await asyncio.sleep(0.001)


@asynccontextmanager
async def opened() -> AsyncGenerator[World]:
    """A world for one test; no media port may still be taken when it closes."""
    made = await World(PortRange(32_000, 32_099)).open()
    yield made
    await made.close()
    assert made.media.ports.taken == 0


def press(key: int, *, end: bool = False) -> bytes:
    """The payload of a telephone event."""
    return struct.pack("!BBH", key, 0x8A if end else 10, 160)
