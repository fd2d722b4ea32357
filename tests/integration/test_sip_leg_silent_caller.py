"""SIP legs whose caller sends no media: hung up on after a while, unless on hold."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from tests.fakes.sip_leg_world import TIMEOUT_S, TONE, World, opened, until
from voice.codec import Codec, encode
from voice.events import LegEnded


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    async with opened() as made:
        yield made


async def test_a_caller_without_media_is_hung_up_on(world: World) -> None:
    port = await world.answered()
    world.now_s += TIMEOUT_S - 1
    await world.taken(port, encode(Codec.PCMU, TONE))
    world.now_s += TIMEOUT_S - 0.1
    world.leg.receive_frame()
    await asyncio.sleep(0.01)
    assert world.events == []
    world.now_s += 0.2
    world.leg.receive_frame()
    assert world.events == []  # never from within receive_frame
    await world.over()
    assert world.events == [LegEnded(reason="media_timeout")]
    await world.caller.wait_for("BYE")
    assert world.media.ports.taken == 0


async def test_a_caller_who_never_sent_anything_is_hung_up_on(world: World) -> None:
    await world.answered()
    world.now_s += TIMEOUT_S
    world.leg.receive_frame()
    await world.over()
    assert world.events == [LegEnded(reason="media_timeout")]


@pytest.mark.parametrize("direction", ["sendonly", "inactive"])
async def test_a_caller_who_put_us_on_hold_may_be_silent(world: World, direction: str) -> None:
    await world.answered()
    await world.caller.reinvite(direction)
    await until(lambda: world.leg.on_hold)
    world.now_s += 10 * TIMEOUT_S
    world.leg.receive_frame()
    world.leg.send_frame(TONE)
    await asyncio.sleep(0.01)
    assert world.events == []
    assert world.caller.rtp.datagrams == []


async def test_after_a_hold_the_time_without_media_counts_anew(world: World) -> None:
    await world.answered()
    await world.caller.reinvite("sendonly")
    await until(lambda: world.leg.on_hold)
    world.now_s += 10 * TIMEOUT_S
    await world.caller.reinvite("sendrecv")
    await until(lambda: not world.leg.on_hold)
    world.leg.receive_frame()
    await asyncio.sleep(0.01)
    assert world.events == []
    world.leg.send_frame(TONE)
    await until(lambda: world.caller.rtp.datagrams)
    world.now_s += TIMEOUT_S
    world.leg.receive_frame()
    await world.over()
