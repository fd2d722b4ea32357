"""An action that needs a person's word runs once they have given it, and never before."""

import asyncio
from uuid import UUID, uuid4

import pytest

from server.approvals import Approvals, Gate, NothingToDecideError
from tests.fakes.voice import FakeActions
from voice.events import ActionOutcome, ActionStatus, PerformAction

CALL = UUID(int=1)
CHANGE = PerformAction(name="change_address", arguments={"order_number": "4815"}, key="c:1:0")
LOOK_UP = PerformAction(name="get_order", arguments={}, key="c:2:0")


async def settles() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


class World:
    """One call whose changes of address need a word."""

    def __init__(self, *, wait_s: float = 5.0) -> None:
        self.now_s = 100.0
        self.approvals = Approvals(["change_address"], wait_s=wait_s, clock=lambda: self.now_s)
        self.changes: list[UUID] = []
        self.approvals.on_change = self.changes.append
        self.actions = FakeActions()
        self.gate: Gate = self.approvals.gate(CALL, self.actions, lambda action: "move order 4815")
        self.settled: list[ActionOutcome] = []
        self.gate.on_settled = lambda action, outcome: self.settled.append(outcome)

    async def asked(self) -> asyncio.Task[ActionOutcome]:
        """The dialog performs it; the word is asked for."""
        performing = asyncio.ensure_future(self.gate.perform(CHANGE))
        await settles()
        return performing

    def decides(self, *, approved: bool) -> None:
        [pending] = self.approvals.of(CALL)
        self.approvals.decide(CALL, pending.id, approved=approved)


async def test_action_that_needs_no_word_runs_at_once():
    world = World()
    assert (await world.gate.perform(LOOK_UP)).status is ActionStatus.SUCCEEDED
    assert world.changes == []


async def test_approved_action_runs_under_its_own_key():
    world = World()
    performing = await world.asked()
    assert world.actions.performed == []
    [pending] = world.approvals.pending()
    assert (pending.detail, pending.since_s, pending.call_id) == ("move order 4815", 100.0, CALL)
    world.decides(approved=True)
    outcome = await performing
    assert (outcome.status, outcome.key) == (ActionStatus.SUCCEEDED, CHANGE.key)
    assert world.actions.performed == [CHANGE]
    assert world.approvals.pending() == ()
    assert world.changes == [CALL, CALL]


async def test_refused_action_never_runs():
    world = World()
    performing = await world.asked()
    world.decides(approved=False)
    outcome = await performing
    assert (outcome.status, outcome.result["code"]) == (ActionStatus.REFUSED, "not_approved")
    assert world.actions.performed == []


async def test_second_word_finds_nothing_to_decide():
    world = World()
    performing = await world.asked()
    [pending] = world.approvals.pending()
    with pytest.raises(NothingToDecideError):
        world.approvals.decide(uuid4(), pending.id, approved=True)  # of another call
    world.decides(approved=False)
    with pytest.raises(NothingToDecideError):
        world.approvals.decide(CALL, pending.id, approved=True)
    await performing
    assert world.actions.performed == []


async def test_caller_does_not_wait_for_ever_and_the_action_still_waits():
    world = World(wait_s=0.01)
    outcome = await (await world.asked())
    assert (outcome.status, outcome.result["code"]) == (ActionStatus.REFUSED, "awaits_approval")
    assert len(world.approvals.of(CALL)) == 1
    world.decides(approved=True)
    await settles()
    assert world.actions.performed == [CHANGE]
    assert world.settled[0].status is ActionStatus.SUCCEEDED


@pytest.mark.parametrize("wait_s", [0.01, 5.0])
async def test_nothing_of_a_call_that_is_over_runs(wait_s: float):
    world = World(wait_s=wait_s)
    performing = await world.asked()
    if wait_s < 1:
        await performing
    world.approvals.over(CALL)
    world.approvals.over(CALL)
    assert (await performing).status is ActionStatus.REFUSED
    assert world.approvals.pending() == ()
    assert world.actions.performed == []
