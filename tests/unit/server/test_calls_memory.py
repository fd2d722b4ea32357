"""What is left of calls when they are over."""

import gc
from collections import Counter
from pathlib import Path

from server.handoff.in_hand import NobodyThere
from tests.fakes.calls_world import CallsWorld
from tests.fakes.incoming_leg import FakeIncomingLeg
from voice.events import KeyPressed, LegEnded

_OURS = ("server.", "voice.", "dialog.", "telephony.", "models.", "actions.")


def held() -> Counter[str]:
    """How many there are of each class of ours."""
    gc.collect()
    names = Counter(f"{type(each).__module__}.{type(each).__name__}" for each in gc.get_objects())
    return Counter({name: n for name, n in names.items() if name.startswith(_OURS)})


async def calls(world: CallsWorld, number: int) -> None:
    """That many, one after the other, each with a key pressed in the greeting."""
    for _ in range(number):
        leg = FakeIncomingLeg()
        world.calls.take(leg, trunk="192.0.2.1")
        await world.until(lambda: world.plane.calls == 1)
        await world.passes(0.5)
        leg.on_event(KeyPressed(key="1"))
        await world.passes(1.0)
        leg.on_event(LegEnded(reason="caller_hangup"))
        await world.until(lambda: world.calls.active == 0)
    world.records.turns.clear()
    world.records.ended.clear()


async def test_many_calls_leave_no_more_than_one(tmp_path: Path):
    world = CallsWorld(NobodyThere(), tmp_path)
    await calls(world, 2)
    before = held()
    await calls(world, 20)
    assert {name: n for name, n in (held() - before).items() if n >= 5} == {}
    await world.calls.close(timeout_s=1.0)
