"""How SIP legs end: hung up by either side, cancelled, or lost in the middle of the answer."""

import asyncio
import contextlib
import gc
import weakref
from collections.abc import AsyncGenerator

import pytest

from telephony.leg import LegGoneError
from telephony.sip.media import Direction, MediaAgreement
from tests.fakes.sip_leg_world import HOST, World, opened, until
from voice.events import LegEnded, LegEvent

AGREEMENT = MediaAgreement(
    remote_host=HOST,
    remote_port=9,
    payload_type=0,
    codec="PCMU",
    event_payload_type=101,
    direction=Direction.SENDRECV,
    ptime_ms=20,
)


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    async with opened() as made:
        yield made


async def test_a_caller_who_hangs_up_ends_the_leg(world: World) -> None:
    await world.answered()
    world.caller.send("BYE")
    await world.over()
    assert world.events == [LegEnded(reason="caller_hangup")]
    await world.leg.hang_up("done")
    assert len(world.events) == 1


async def test_a_leg_that_ended_is_free_as_soon_as_nobody_has_it(world: World) -> None:
    port = await world.answered()
    await world.taken(port, bytes(160))
    left = weakref.ref(world.leg)
    world.caller.send("BYE")
    await world.over()
    world.calls.clear()
    gc.disable()
    try:
        world.legs.clear()
        await asyncio.sleep(0)
        assert left() is None
    finally:
        gc.enable()


async def test_a_caller_who_cancels_ends_the_leg_and_the_answer(world: World) -> None:
    leg = await world.offered()
    world.caller.send("CANCEL", same=True)
    await world.over()
    assert world.events == [LegEnded(reason="caller_hangup")]
    with pytest.raises(LegGoneError):
        await leg.answer()


async def test_a_caller_who_hangs_up_while_we_answer_ends_the_answer(world: World) -> None:
    leg = await world.offered()
    answering = asyncio.create_task(leg.answer())
    await world.caller.wait_for("SIP/2.0 200")
    assert world.media.ports.taken == 1
    hanging_up = asyncio.create_task(leg.hang_up("done"))
    with pytest.raises(LegGoneError):
        await answering
    await world.caller.acknowledge()
    await world.caller.wait_for("BYE")
    world.caller.confirm_bye()
    await hanging_up
    assert world.events == [LegEnded(reason="server_hangup")]


async def test_a_caller_who_hangs_up_right_after_the_answer_ends_the_leg(world: World) -> None:
    leg = await world.offered()
    answering = asyncio.create_task(leg.answer())
    await world.caller.acknowledge()
    world.caller.send("BYE")
    with contextlib.suppress(LegGoneError):  # which of the two is seen first is the loop's choice
        await answering
    await world.over()
    await until(lambda: world.media.ports.taken == 0)
    assert world.events == [LegEnded(reason="caller_hangup")]


async def test_an_end_seen_before_the_answer_resumes_ends_the_answer(world: World) -> None:
    leg = await world.offered()
    answering = asyncio.create_task(leg.answer())
    await world.caller.wait_for("SIP/2.0 200")
    world.calls[0].note_established(AGREEMENT)
    world.calls[0].note_ended("caller_hangup")
    with pytest.raises(LegGoneError):
        await answering
    await world.over()
    await until(lambda: world.media.ports.taken == 0)
    assert world.events == [LegEnded(reason="caller_hangup")]
    await world.caller.acknowledge()


async def test_a_cancelled_answer_gives_its_port_back(world: World) -> None:
    leg = await world.offered()
    answering = asyncio.create_task(leg.answer())
    await world.caller.wait_for("SIP/2.0 200")
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    await until(lambda: world.media.ports.taken == 0)
    await world.caller.acknowledge()


async def test_our_hanging_up_sends_bye_and_is_reported_once(world: World) -> None:
    await world.answered()
    hanging_up = asyncio.create_task(world.leg.hang_up("done"))
    await world.over()
    await world.caller.wait_for("BYE")
    assert world.media.ports.taken == 0
    world.caller.confirm_bye()
    await hanging_up
    await world.leg.hang_up("done")
    assert world.events == [LegEnded(reason="server_hangup")]
    assert world.leg.statistics is not None


async def test_an_end_before_anyone_listens_is_reported_when_someone_does(world: World) -> None:
    world.listen = False
    leg = await world.offered()
    heard: list[LegEvent] = []
    world.caller.send("CANCEL", same=True)
    await world.caller.wait_for("SIP/2.0 487")
    await asyncio.sleep(0.01)
    leg.on_event = heard.append
    leg.receive_frame()
    leg.receive_frame()
    await until(lambda: heard)
    assert heard == [LegEnded(reason="caller_hangup")]
