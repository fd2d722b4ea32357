"""SIP legs against a caller of the test's own, over real sockets on the loopback interface."""

from collections.abc import AsyncGenerator

import numpy as np
import pytest

from telephony.leg import Leg, LegGoneError
from telephony.rtp.packet import parse
from telephony.rtp.ports import PortRange
from tests.fakes.sip_leg_world import TONE, World, opened, press, until
from voice.codec import Codec, encode
from voice.events import LegEvent


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    async with opened() as made:
        yield made


async def test_a_leg_is_a_leg(world: World) -> None:
    leg: Leg = await world.offered()
    assert leg.info.call_id == "call-1"
    assert leg.info.caller == "sip:alice@example.com"
    assert leg.info.transport == "sip/udp"


async def test_an_answered_call_carries_audio_both_ways(world: World) -> None:
    port = await world.answered()
    heard = [await world.taken(port, encode(Codec.PCMU, TONE)) for _ in range(3)]
    assert np.abs(heard[-1]).max() > 7000
    world.leg.send_frame(TONE)
    await until(lambda: world.caller.rtp.datagrams)
    assert parse(world.caller.rtp.datagrams[0]).payload == encode(Codec.PCMU, TONE)


async def test_before_the_answer_and_after_the_end_there_is_silence(world: World) -> None:
    leg = await world.offered()
    leg.send_frame(TONE)
    assert not leg.receive_frame().any()
    await leg.reject(486)
    await world.over()
    leg.send_frame(TONE)
    assert not leg.receive_frame().any()
    assert world.caller.rtp.datagrams == []


async def test_a_refused_call_gets_its_status_and_takes_no_port(world: World) -> None:
    leg = await world.offered()
    await leg.reject(503, retry_after_s=7)
    refusal = await world.caller.wait_for("SIP/2.0 503")
    assert "Retry-After: 7" in refusal
    await world.over()
    assert leg.statistics is None


async def test_without_a_media_port_the_caller_is_told_to_try_again() -> None:
    ports = PortRange(32_200, 32_201)
    port, world = ports.take(), await World(ports).open()
    leg = await world.offered()
    with pytest.raises(LegGoneError, match="in use"):
        await leg.answer()
    assert "Retry-After" in await world.caller.wait_for("SIP/2.0 503")
    await world.over()
    ports.release(port)
    await world.close()


async def test_a_listener_that_fails_does_not_break_the_call(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    port = await world.answered()

    def fail(_event: LegEvent) -> None:
        raise RuntimeError("a defect in one call")

    world.leg.on_event = fail
    await world.taken(port, press(5), 101, 4000)
    assert "A leg's event was not handled" in caplog.text
    heard = [await world.taken(port, encode(Codec.PCMU, TONE)) for _ in range(3)]
    assert heard[-1].any()
