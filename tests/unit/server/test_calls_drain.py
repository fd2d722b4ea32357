"""Which calls are taken, and how those that are up end when the server is to stop."""

import asyncio
from pathlib import Path

import pytest

from server.admission import Limits
from server.handoff.in_hand import NobodyThere
from tests.fakes.calls_world import CallsWorld
from tests.fakes.incoming_leg import FakeIncomingLeg
from voice.events import LegEnded

FAREWELL = "we have to end this call"


@pytest.fixture
async def world(tmp_path: Path) -> CallsWorld:
    return CallsWorld(
        NobodyThere(), tmp_path, limits=Limits(calls=3, per_trunk=1), farewell=FAREWELL
    )


async def talking(world: CallsWorld) -> None:
    """One call that is up, past its greeting's first words."""
    world.calls.take(world.leg, trunk="192.0.2.1")
    await world.until(lambda: world.plane.calls == 1)
    await world.passes(0.5)


def refused(world: CallsWorld, cause: str) -> float:
    return world.metrics.calls_refused.labels(cause)._value.get()  # pyright: ignore


async def test_trunk_that_is_full_is_refused_with_its_cause_and_others_are_not(world: CallsWorld):
    await talking(world)
    assert world.calls.admit(caller="+1", trunk="192.0.2.1") == 1
    assert refused(world, "trunk_full") == 1
    assert world.calls.admit(caller="+1", trunk="192.0.2.2") is None
    await world.calls.close(timeout_s=1.0)
    assert world.calls.active == 0


async def test_draining_takes_no_call_and_waits_for_those_that_are_up(world: CallsWorld):
    await talking(world)
    draining = asyncio.ensure_future(world.calls.drain(finish_s=60.0))
    await world.passes(3.0)
    assert world.calls.draining
    assert world.calls.admit() == 1
    assert refused(world, "draining") == 1
    assert not draining.done()
    world.leg.on_event(LegEnded(reason="caller_hangup"))
    await world.until(draining.done)
    assert world.records.ended == ["caller_hangup"]


async def test_call_that_outlasts_the_drain_is_told_so_and_then_ended(world: CallsWorld):
    await talking(world)
    said = len(world.leg.sent)
    await world.during(world.calls.drain(finish_s=0.0))
    loud = [frame for frame in world.leg.sent[said:] if frame.any()]
    assert len(loud) >= len(FAREWELL.split()) * 0.2 / 0.02 - 1
    assert world.records.ended == ["server_shutdown"]
    assert world.leg.hung_up == ["server_shutdown"]


async def test_caller_who_goes_during_the_farewell_is_not_waited_for(world: CallsWorld):
    await talking(world)
    draining = asyncio.ensure_future(world.calls.drain(finish_s=0.0))
    await world.passes(0.4)
    world.leg.on_event(LegEnded(reason="caller_hangup"))
    await world.passes(0.1)
    assert draining.done()


async def test_voice_that_fails_keeps_nobody_from_stopping(world: CallsWorld):
    await talking(world)
    world.tts.fails = True
    await world.during(world.calls.drain(finish_s=0.0))
    assert world.leg.hung_up == ["server_shutdown"]


async def test_closing_ends_calls_without_a_word_even_while_draining(world: CallsWorld):
    await talking(world)
    draining = asyncio.ensure_future(world.calls.drain(finish_s=60.0))
    await world.passes(0.2)
    draining.cancel()
    sent = len(world.leg.sent)
    await world.calls.close(timeout_s=1.0)
    assert len(world.leg.sent) == sent
    assert set(world.leg.hung_up) == {"server_shutdown"}


async def test_whoever_probes_is_told_but_not_counted(world: CallsWorld):
    assert world.calls.busy(trunk="192.0.2.1") is None
    await talking(world)
    assert world.calls.busy(trunk="192.0.2.1") == 1
    assert refused(world, "trunk_full") == 0
    await world.calls.close(timeout_s=1.0)


async def test_drain_without_calls_is_over_at_once(world: CallsWorld):
    await world.calls.drain(finish_s=60.0)
    assert world.calls.admit() == 1


async def test_line_is_free_again_when_a_call_was_never_answered(world: CallsWorld):
    class GoneLeg(FakeIncomingLeg):
        async def answer(self) -> None:
            from telephony.leg import LegGoneError

            raise LegGoneError("cancelled")

    world.calls.take(GoneLeg(), trunk="192.0.2.1")
    await world.until(lambda: bool(world.records.ended))
    await world.passes(0.1)
    assert world.calls.admit(trunk="192.0.2.1") is None
    await world.calls.close(timeout_s=1.0)
