"""Full collections wait for the line to be free, and not for ever."""

import asyncio
import gc

from server.full_collections import FullCollections, full_collections_when_idle


def due_at(calls_up: dict[int, int], until_s: int) -> list[int]:
    """The seconds at which one is due, by how many calls are up from when on."""
    collections, up, found = FullCollections(0.0), 0, list[int]()
    for now_s in range(until_s):
        up = calls_up.get(now_s, up)
        if collections.due(up, float(now_s)):
            found.append(now_s)
    return found


def test_nothing_is_collected_where_nobody_called() -> None:
    assert due_at({}, 5_000) == []


def test_one_is_made_when_the_last_call_is_over() -> None:
    assert due_at({10: 2, 20: 1, 30: 0, 40: 1, 50: 0}, 100) == [30, 50]


def test_calls_that_do_not_stop_are_held_up_once_a_quarter_of_an_hour() -> None:
    assert due_at({10: 100}, 2_000) == [900, 1_800]


async def test_python_makes_none_by_itself_meanwhile() -> None:
    made: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start" and info["generation"] == 2:
            made.append(1)

    before = gc.get_threshold()
    gc.callbacks.append(note)
    try:
        async with full_collections_when_idle(lambda: 1):
            kept = [[[number]] for number in range(200_000)]
            await asyncio.sleep(0)
            assert not made
        assert len(kept) == 200_000
    finally:
        gc.callbacks.remove(note)
    assert gc.get_threshold() == before
