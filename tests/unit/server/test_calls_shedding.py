"""What callers hear of a machine that is full."""

from pathlib import Path

from server.handoff.in_hand import NobodyThere
from tests.fakes.calls_world import CallsWorld


async def test_prompts_are_short_while_there_is_no_time_for_long_ones(tmp_path: Path):
    greetings: list[str] = []
    for terse in (False, True):
        world = CallsWorld(NobodyThere(), tmp_path, terse=terse)
        world.calls.take(world.leg)
        await world.until(lambda world=world: world.plane.calls == 1)
        await world.passes(0.5)
        await world.calls.close(timeout_s=1.0)
        greetings.append(world.said)
    long, short = greetings
    assert long.startswith("Welcome to Oakline")
    assert short.startswith("Welcome to Oakline")
    assert len(short) < len(long)
