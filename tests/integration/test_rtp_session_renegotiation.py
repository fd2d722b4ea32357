"""RTP sessions over real sockets when the agreement changes: hold, and another codec."""

from collections.abc import AsyncGenerator

import numpy as np
import pytest

from telephony.sip.media import Direction
from tests.fakes.rtp_world import PCMA, TONE, World, opened
from voice.codec import Codec, decode, encode
from voice.frames import Pcm, silence


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    async with opened() as made:
        made.agree()
        yield made


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
    last = world.last_heard_at_s
    world.peer.send(world.session.local_port, encode(Codec.PCMU, TONE))
    await world.until(lambda: world.last_heard_at_s != last)
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
