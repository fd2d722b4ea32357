"""An RTP session over real sockets on the loopback interface, and a bare peer to talk to it."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import numpy as np

from telephony.rtp.packet import RtpPacket, parse, serialise
from telephony.rtp.ports import PortRange
from telephony.rtp.session import RtpSession
from telephony.sip.media import Direction
from voice.codec import Codec
from voice.frames import Pcm

HOST, PCMU, PCMA, EVENTS = "127.0.0.1", 0, 8, 101
FIRST_PORT = 31_000

TONE: Pcm = (8000 * np.sin(np.arange(160) * 2 * np.pi / 20)).astype(np.int16)  # whole periods


class Peer(asyncio.DatagramProtocol):
    """The other end: a bare socket that sends what it is told and keeps what it gets."""

    def __init__(self) -> None:
        self.packets: list[RtpPacket] = []
        self.sequence, self.timestamp, self.ssrc = 65_530, 0xFFFFFF00, 77

    async def open(self) -> "Peer":
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(HOST, 0))
        self.port: int = self._transport.get_extra_info("sockname")[1]
        return self

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.packets.append(parse(data))

    def send_raw(self, datagram: bytes, port: int) -> None:
        self._transport.sendto(datagram, (HOST, port))

    def send(
        self,
        port: int,
        payload: bytes,
        *,
        payload_type: int = PCMU,
        timestamp: int | None = None,
    ) -> None:
        packet = RtpPacket(
            payload_type=payload_type,
            sequence=self.sequence % (1 << 16),
            timestamp=(self.timestamp if timestamp is None else timestamp) % (1 << 32),
            ssrc=self.ssrc,
            payload=payload,
        )
        self.send_raw(serialise(packet), port)
        self.sequence += 1
        self.timestamp += 160

    def close(self) -> None:
        self._transport.close()


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class World:
    """A session of ours, a peer of theirs, and a clock that only the test moves."""

    def __init__(self, session: RtpSession, peer: Peer, clock: Clock, ports: PortRange) -> None:
        self.session, self.peer, self.clock, self.ports = session, peer, clock, ports
        self.keys: list[str] = []
        session.on_key = self.keys.append
        self._strangers: list[Peer] = []

    def agree(
        self,
        *,
        direction: Direction = Direction.SENDRECV,
        codec: Codec = Codec.PCMU,
        host: str = HOST,
        port: int | None = None,
        events: int | None = EVENTS,
    ) -> None:
        self.session.connect(
            remote_host=host,
            remote_port=self.peer.port if port is None else port,
            payload_type=PCMU if codec is Codec.PCMU else PCMA,
            codec=codec,
            event_payload_type=events,
            direction=direction,
        )

    async def stranger(self) -> Peer:
        self._strangers.append(await Peer().open())
        return self._strangers[-1]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - a socket's progress raises no event
                await asyncio.sleep(0.001)

    async def deliver(self, sender: Peer, payload: bytes, **options: int) -> Pcm:
        """One packet to us, taken in, 20 ms later; and the frame then heard."""
        before = self.taken
        sender.send(self.session.local_port, payload, **options)
        await self.until(lambda: self.taken > before)
        frame = self.session.receive_frame()
        self.clock.now_s += 0.02
        return frame

    @property
    def last_heard_at_s(self) -> float | None:
        """When the peer was last heard, as far as anything has come until now."""
        _ = self.session.statistics  # looks at the socket
        return self.session.last_packet_at_s

    @property
    def taken(self) -> int:
        """Datagrams that came in, whatever became of them."""
        counts = self.session.statistics
        other = counts.malformed + counts.foreign + counts.unexpected + counts.rtcp
        return counts.inbound.received + other

    async def sent(self, count: int) -> list[RtpPacket]:
        """All packets the peer got, once there are `count`."""
        await self.until(lambda: len(self.peer.packets) >= count)
        return self.peer.packets

    def close(self) -> None:
        self.session.close()
        for peer in (self.peer, *self._strangers):
            peer.close()


@asynccontextmanager
async def opened(ports: PortRange | None = None) -> AsyncGenerator[World]:
    """A world for one test; no media port may still be taken when it closes."""
    ports, clock = ports or PortRange(FIRST_PORT, FIRST_PORT + 199), Clock()
    session = await RtpSession.open(HOST, ports, randomness=random.Random(7), clock=clock)
    world = World(session, await Peer().open(), clock, ports)
    try:
        yield world
    finally:
        world.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert ports.taken == 0
