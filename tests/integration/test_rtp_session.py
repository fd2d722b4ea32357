"""RTP sessions over real sockets on the loopback interface."""

import asyncio
import random
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import numpy as np
import pytest

from telephony.rtp import KeyNotSentError, PortsExhaustedError
from telephony.rtp.packet import RtpPacket, parse, serialise
from telephony.rtp.ports import PortRange
from telephony.rtp.session import RtpSession
from telephony.sip.media import Direction
from voice.codec import Codec, decode, encode
from voice.frames import Pcm, silence

HOST, PCMU, PCMA, EVENTS, NOISE = "127.0.0.1", 0, 8, 101, 13
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


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    async with opened() as made:
        made.agree()
        yield made


@pytest.mark.parametrize("codec", Codec)
async def test_audio_is_heard_as_it_was_sent(codec: Codec) -> None:
    async with opened() as world:
        world.agree(codec=codec)
        payload_type = PCMU if codec is Codec.PCMU else PCMA
        sent = encode(codec, TONE)
        heard = [await world.deliver(world.peer, sent, payload_type=payload_type) for _ in "12345"]
        assert np.array_equal(heard[-1], decode(codec, sent))


@pytest.mark.parametrize("codec", Codec)
async def test_audio_is_sent_in_packets_that_follow_each_other(codec: Codec) -> None:
    async with opened() as world:
        world.agree(codec=codec)
        for _ in range(5):
            world.session.send_frame(TONE)
        packets = await world.sent(5)
        assert [packet.payload for packet in packets] == [encode(codec, TONE)] * 5
        assert [packet.marker for packet in packets] == [True] + [False] * 4
        assert len({packet.ssrc for packet in packets}) == 1
        for before, after in pairwise(packets):
            assert (after.sequence - before.sequence) % (1 << 16) == 1
            assert (after.timestamp - before.timestamp) % (1 << 32) == 160


async def test_what_identifies_a_stream_comes_from_the_random_source(world: World) -> None:
    world.session.send_frame(TONE)
    chance = random.Random(7)
    [packet] = await world.sent(1)
    assert packet.ssrc == chance.getrandbits(32)
    assert packet.sequence == chance.getrandbits(16)
    assert packet.timestamp == chance.getrandbits(32)


async def test_a_line_without_packets_is_silent(world: World) -> None:
    assert np.array_equal(world.session.receive_frame(), silence())


async def test_a_lost_packet_is_concealed_and_counted(world: World) -> None:
    for _ in range(5):
        await world.deliver(world.peer, encode(Codec.PCMU, TONE))
    world.peer.sequence += 1
    world.peer.timestamp += 160
    concealed = world.session.receive_frame()
    assert np.abs(concealed).max() > 4000
    heard = await world.deliver(world.peer, encode(Codec.PCMU, TONE))
    assert np.abs(heard).max() > 4000
    assert world.session.statistics.inbound.lost == 1
    assert world.session.statistics.inbound.concealed == 1


async def test_before_an_agreement_nothing_is_sent_or_heard() -> None:
    async with opened() as world:
        world.session.send_frame(TONE)
        assert not (await world.deliver(world.peer, encode(Codec.PCMU, TONE))).any()
        assert world.session.statistics.unexpected == 1
        assert world.session.statistics.sent == 0


async def test_a_key_pressed_by_the_peer_is_reported_once(world: World) -> None:
    timestamp = world.peer.timestamp
    for duration, end in [(160, 0), (320, 0), (480, 0x80), (480, 0x80), (480, 0x80)]:
        await world.deliver(
            world.peer,
            struct.pack("!BBH", 5, end | 10, duration),
            payload_type=EVENTS,
            timestamp=timestamp,
        )
    assert world.keys == ["5"]
    assert world.session.statistics.inbound.lost == 0
    assert world.session.last_event_at_s == pytest.approx(world.clock.now_s - 0.02)


async def test_keys_are_sent_as_events_and_heard_by_a_session_like_ours(world: World) -> None:
    async with opened(PortRange(FIRST_PORT + 200, FIRST_PORT + 299)) as other:
        world.agree(port=other.session.local_port)
        other.agree(port=world.session.local_port)
        for key in "42#":
            world.session.send_key(key)
        for _ in range(40):
            world.session.send_frame(TONE)
        await other.until(lambda: other.taken == 40)
        assert other.keys == ["4", "2", "#"]


async def test_a_key_takes_the_place_of_audio_and_time_goes_on(world: World) -> None:
    world.session.send_frame(TONE)
    world.session.send_key("9")
    for _ in range(8):
        world.session.send_frame(TONE)
    packets = await world.sent(9)
    kinds = [packet.payload_type for packet in packets]
    assert kinds == [PCMU] + [EVENTS] * 7 + [PCMU]
    start = packets[0].timestamp
    offsets = [(packet.timestamp - start) % (1 << 32) for packet in packets]
    assert offsets == [0] + [160] * 7 + [8 * 160]
    assert [packet.marker for packet in packets] == [True, True] + [False] * 6 + [True]


async def test_keys_are_refused_when_the_peer_takes_none(world: World) -> None:
    world.agree(events=None)
    with pytest.raises(KeyNotSentError, match="no telephone events"):
        world.session.send_key("1")
    with pytest.raises(ValueError, match="is not one of"):
        world.session.send_key("x")


async def test_waiting_keys_are_bounded(world: World) -> None:
    with pytest.raises(KeyNotSentError, match="64 keys"):  # noqa: PT012
        for _ in range(65):
            world.session.send_key("1")


async def test_audio_goes_to_where_it_comes_from(world: World) -> None:
    """Behind NAT the address of the session description is not the caller's."""
    caller = await world.stranger()
    await world.deliver(caller, encode(Codec.PCMU, TONE))
    world.session.send_frame(TONE)
    await world.until(lambda: bool(caller.packets))
    assert world.peer.packets == []


async def test_a_third_party_can_neither_speak_nor_listen(world: World) -> None:
    thief = await world.stranger()
    for _ in range(3):
        await world.deliver(world.peer, encode(Codec.PCMU, silence()))
        heard = await world.deliver(thief, encode(Codec.PCMU, TONE))
        assert not heard.any()
    world.session.send_frame(TONE)
    await world.sent(1)
    assert thief.packets == []
    assert world.session.statistics.foreign == 3


async def test_only_agreed_payload_types_open_the_latch(world: World) -> None:
    stranger = await world.stranger()
    await world.deliver(stranger, encode(Codec.PCMA, TONE), payload_type=PCMA)
    await world.deliver(stranger, b"\x50", payload_type=NOISE)
    world.session.send_frame(TONE)
    await world.sent(1)
    assert stranger.packets == []
    assert world.session.last_packet_at_s is None


@pytest.mark.parametrize("host", ["0.0.0.0", "media.example.com"])
async def test_without_an_address_we_wait_until_the_peer_is_heard(host: str) -> None:
    async with opened() as world:
        world.agree(host=host)
        world.session.send_frame(TONE)
        assert world.session.statistics.sent == 0
        await world.deliver(world.peer, encode(Codec.PCMU, TONE))
        world.session.send_frame(TONE)
        await world.sent(1)


@pytest.mark.parametrize(
    ("direction", "sends", "receives"),
    [
        (Direction.SENDRECV, True, True),
        (Direction.SENDONLY, True, False),
        (Direction.RECVONLY, False, True),
        (Direction.INACTIVE, False, False),
    ],
)
async def test_hold_is_honoured(
    world: World, direction: Direction, sends: bool, receives: bool
) -> None:
    for _ in range(3):
        await world.deliver(world.peer, encode(Codec.PCMU, silence()))
    world.agree(direction=direction)
    before = world.session.statistics.sent
    heard = [await _one_round(world) for _ in range(5)]
    assert (world.session.statistics.sent > before) is sends
    assert any(frame.any() for frame in heard) is receives
    assert world.session.last_packet_at_s == pytest.approx(world.clock.now_s - 0.02)


async def _one_round(world: World) -> Pcm:
    world.session.send_frame(TONE)
    last = world.session.last_packet_at_s
    world.peer.send(world.session.local_port, encode(Codec.PCMU, TONE))
    await world.until(lambda: world.session.last_packet_at_s != last)
    frame = world.session.receive_frame()
    world.clock.now_s += 0.02
    return frame


async def test_what_was_buffered_before_a_hold_is_not_heard_after_it(world: World) -> None:
    for _ in range(3):
        world.peer.send(world.session.local_port, encode(Codec.PCMU, TONE))
    await world.until(lambda: world.taken == 3)
    world.agree(direction=Direction.INACTIVE)
    world.agree()
    assert not world.session.receive_frame().any()


async def test_speech_after_a_hold_is_marked(world: World) -> None:
    world.session.send_frame(TONE)
    world.agree(direction=Direction.INACTIVE)
    world.session.send_frame(TONE)
    world.agree()
    world.session.send_frame(TONE)
    packets = await world.sent(2)
    assert [packet.marker for packet in packets] == [True, True]
    assert (packets[1].timestamp - packets[0].timestamp) % (1 << 32) == 320


async def test_a_renegotiated_codec_is_spoken_and_understood(world: World) -> None:
    await world.deliver(world.peer, encode(Codec.PCMU, TONE))
    world.agree(codec=Codec.PCMA)
    sent = encode(Codec.PCMA, TONE)
    heard = [await world.deliver(world.peer, sent, payload_type=PCMA) for _ in "12345"]
    assert np.array_equal(heard[-1], decode(Codec.PCMA, sent))
    world.session.send_frame(TONE)
    assert (await world.sent(1))[-1].payload_type == PCMA


async def test_comfort_noise_and_rtcp_are_tolerated(world: World) -> None:
    await world.deliver(world.peer, encode(Codec.PCMU, TONE))
    await world.deliver(world.peer, b"\x50", payload_type=NOISE)
    at_s = world.clock.now_s
    world.peer.send_raw(bytes.fromhex("80c9 0001 0000004d"), world.session.local_port)
    await world.until(lambda: world.session.statistics.rtcp == 1)
    assert world.session.last_packet_at_s == at_s
    assert world.session.statistics.inbound.lost == 0


@pytest.mark.parametrize(
    "datagram", [b"\x80", b"\x00" * 20, b"\xbf" + b"\xff" * 30, b"INVITE sip:x SIP/2.0"]
)
async def test_garbage_is_counted_and_nothing_else(world: World, datagram: bytes) -> None:
    world.peer.send_raw(datagram, world.session.local_port)
    await world.until(lambda: world.taken == 1)
    assert world.session.statistics.malformed == 1
    heard = [await world.deliver(world.peer, encode(Codec.PCMU, TONE)) for _ in range(3)]
    assert heard[-1].any()


async def test_a_key_handler_that_fails_does_not_stop_the_audio(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_key: str) -> None:
        raise RuntimeError("a defect in one call")

    world.session.on_key = fail
    await world.deliver(world.peer, struct.pack("!BBH", 1, 10, 160), payload_type=EVENTS)
    assert "RTP packet not handled" in caplog.text
    heard = [await world.deliver(world.peer, encode(Codec.PCMU, TONE)) for _ in range(3)]
    assert heard[-1].any()


async def test_a_closed_session_is_silent_and_its_port_free(world: World) -> None:
    world.session.close()
    world.session.close()
    world.session.send_frame(TONE)
    assert not world.session.receive_frame().any()
    await world.until(lambda: world.ports.taken == 0)
    assert world.session.statistics.sent == 0


async def test_exhausted_ports_are_an_error_and_a_closed_session_ends_it() -> None:
    ports = PortRange(FIRST_PORT + 300, FIRST_PORT + 301)
    async with opened(ports) as world:
        with pytest.raises(PortsExhaustedError):
            await RtpSession.open(HOST, ports)
        world.session.close()
        await world.until(lambda: ports.taken == 0)
        (await RtpSession.open(HOST, ports)).close()
