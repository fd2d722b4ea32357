"""Keys of a caller on a SIP leg: by telephone event, by INFO, and by both at once."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from tests.fakes.sip_leg_world import World, opened, press, until
from voice.events import KeyPressed


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    async with opened() as made:
        yield made


async def test_keys_by_telephone_event_are_reported(world: World) -> None:
    port = await world.answered()
    await world.taken(port, press(5), 101, 4000)
    await world.taken(port, press(5, end=True), 101, 4000)
    assert world.events == [KeyPressed(key="5")]


async def info(world: World, key: str) -> None:
    replies = len(world.caller.messages)
    world.caller.send(
        "INFO", body=f"Signal={key}\r\nDuration=100\r\n", kind="application/dtmf-relay"
    )
    await until(lambda: len(world.caller.messages) > replies)
    await asyncio.sleep(0)


async def test_keys_by_info_are_reported(world: World) -> None:
    await world.answered()
    await info(world, "7")
    await info(world, "7")
    assert world.events == [KeyPressed(key="7")] * 2


async def test_a_key_sent_both_ways_is_one_key(world: World) -> None:
    port = await world.answered()
    await world.taken(port, press(5), 101, 4000)
    world.now_s += 0.09
    await info(world, "5")
    assert world.events == [KeyPressed(key="5")]
    world.now_s += 1.0
    await info(world, "6")
    world.now_s += 0.09
    await world.taken(port, press(6), 101, 16_000)
    assert world.events == [KeyPressed(key="5"), KeyPressed(key="6")]


async def test_an_info_when_a_long_key_is_let_go_is_the_same_key(world: World) -> None:
    port = await world.answered()
    await world.taken(port, press(5), 101, 4000)
    world.now_s += 0.6
    await world.taken(port, press(5, end=True), 101, 4000)
    world.now_s += 0.05
    await info(world, "5")
    assert world.events == [KeyPressed(key="5")]


async def test_the_same_key_later_or_another_key_at_once_counts(world: World) -> None:
    port = await world.answered()
    await world.taken(port, press(5), 101, 4000)
    await info(world, "6")
    world.now_s += 0.2
    await info(world, "5")
    assert world.events == [KeyPressed(key=key) for key in "565"]
