"""What has to be approved is held against the flow before the first call."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from server.approval_policy import approvals_of
from server.config import load_config
from server.errors import StartError
from server.flows import find_flow
from tests.fakes.voice import FakeActions
from voice.events import PerformAction

CALL, FLOW = UUID(int=1), find_flow("orders")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"approval": {"actions": ["change_adress"]}}, "never performs; it performs change_addr"),
        (
            {"approval": {"actions": ["change_address"]}, "handoff": {"enabled": False}},
            "handoff",
        ),
    ],
)
def test_policy_that_could_guard_nothing_is_refused_at_start(
    settings: dict[str, Any], complaint: str
):
    with pytest.raises(StartError, match=complaint):
        approvals_of(load_config(**settings), FLOW)


async def test_action_that_is_named_waits():
    approvals = approvals_of(load_config(approval={"actions": ["change_address"]}), FLOW)
    gate = approvals.gate(CALL, FakeActions(), lambda action: "move")
    action = PerformAction(name="change_address", arguments={}, key="c:1:0")
    performing = asyncio.ensure_future(gate.perform(action))
    await asyncio.sleep(0)
    assert [each.action for each in approvals.pending()] == [action]
    approvals.over(CALL)
    await performing
