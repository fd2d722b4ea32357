"""Telephone events of an RTP session over real sockets: heard, sent, and in audio's place."""

import struct
from collections.abc import AsyncGenerator

import pytest

from telephony.rtp import KeyNotSentError
from telephony.rtp.ports import PortRange
from tests.fakes.rtp_world import EVENTS, FIRST_PORT, PCMU, TONE, World, opened
from voice.codec import Codec, encode


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    async with opened() as made:
        made.agree()
        yield made


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
