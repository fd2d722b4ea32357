"""RTP sessions over real sockets on the loopback interface."""

import random
from collections.abc import AsyncGenerator
from itertools import pairwise

import numpy as np
import pytest

from telephony.rtp import PortsExhaustedError
from telephony.rtp.ports import PortRange
from telephony.rtp.session import RtpSession
from tests.fakes.rtp_world import FIRST_PORT, HOST, PCMA, PCMU, TONE, World, opened
from voice.codec import Codec, decode, encode
from voice.frames import silence

NOISE = 13


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
