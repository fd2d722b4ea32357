"""A second person in the call: who hears whom, and who has the caller when one leaves."""

import pytest

from server.handoff.in_hand import CallOver
from server.handoff.ports import (
    ColleagueInvited,
    HoldChanged,
)
from telephony.transfer_events import (
    AgentTransferredOn,
    TargetDeclined,
    TargetFailed,
    TargetGone,
)
from tests.fakes.handoff_contexts import CALL_ID
from tests.fakes.handoff_parts import FakeLine
from tests.fakes.handoff_world import HandOffWorld, hears, joined
from tests.fakes.rooms import ToneLeg, chatter


@pytest.fixture
async def world() -> HandOffWorld:
    return HandOffWorld()


async def invited(world: HandOffWorld) -> tuple[ToneLeg, FakeLine]:
    """Ann has the caller; Bob is being rung. Ann's leg and line."""
    agent = await joined(world)
    world.signs_in("bob")
    await world.passes(0.1)
    host = world.line
    host.on_event(ColleagueInvited(target="bob"))
    assert world.line.offer.agent_id == "bob"
    return agent, host


async def three(world: HandOffWorld) -> tuple[ToneLeg, ToneLeg, FakeLine]:
    """Ann, Bob and the caller talk: the legs of both, and Ann's line."""
    agent, host = await invited(world)
    guest = world.line.answers(voice="second")
    world.line.accepts()
    await world.passes(0.2)
    return agent, guest, host


async def test_guest_hears_the_brief_alone_while_the_others_talk_on(world: HandOffWorld):
    agent, _ = await invited(world)
    guest = world.line.answers(sees_context=False, voice="second")
    await world.passes(0.3)
    assert hears(guest) == {"brief"}
    assert world.caller_hears() == {"agent"}
    assert hears(agent) == {"caller"}


async def test_three_hear_each_other_once_the_guest_has_accepted(world: HandOffWorld):
    agent, guest, _ = await three(world)
    assert world.caller_hears() == {"agent", "second"}
    assert hears(agent) == {"caller", "second"}
    assert hears(guest) == {"caller", "agent"}
    assert world.line.is_joined
    assert world.story.lines[-1].text == "(Bob has joined the call.)"


async def test_first_who_leaves_hands_the_call_to_the_second(world: HandOffWorld):
    _, guest, host = await three(world)
    host.on_event(TargetGone(reason="agent_hangup"))
    await world.passes(0.2)
    assert world.caller_hears() == {"second"}
    assert hears(guest) == {"caller"}
    run = world.handoffs.get(CALL_ID)
    assert run is not None
    assert run.agent == "bob"
    world.line.on_event(HoldChanged(held=True))
    await world.passes(2.0)
    assert world.caller_hears() == {"music"}
    world.line.on_event(TargetGone(reason="agent_hangup"))
    assert await world.ended() == CallOver(reason="agent_hangup")
    assert world.records.progress.agent == "bob"
    assert [each.outcome for each in world.records.progress.attempts] == ["accepted", "joined_in"]
    assert {agent.state.value for agent in world.queue.agents()} == {"wrap_up"}


async def test_transferring_on_to_the_guest_leaves_them_the_call(world: HandOffWorld):
    _, guest, host = await three(world)
    host.on_event(AgentTransferredOn(target="bob"))
    await world.passes(0.2)
    assert hears(guest) == {"caller"}
    assert host.released == "guest_took_over"


async def test_guest_who_leaves_leaves_the_others_as_they_were(world: HandOffWorld):
    agent, _, host = await three(world)
    world.line.on_event(TargetGone(reason="agent_hangup"))
    await world.passes(0.2)
    assert world.caller_hears() == {"agent"}
    assert hears(agent) == {"caller"}
    assert host.released is None


@pytest.mark.parametrize("end", [TargetDeclined(), TargetFailed(reason="busy")])
async def test_host_is_told_of_a_guest_who_does_not_come(
    world: HandOffWorld, end: TargetDeclined | TargetFailed
):
    agent, host = await invited(world)
    world.line.on_event(end)
    await world.passes(0.1)
    assert host.refusals == [(ColleagueInvited, f"Bob did not join: {_why(end)}")]
    assert hears(agent) == {"caller"}
    ready = {each.agent: each.state.value for each in world.queue.agents()}
    assert ready == {"ann": "talking", "bob": "ready"}


async def test_mailbox_that_answers_for_a_guest_is_hung_up_on(world: HandOffWorld):
    agent, host = await invited(world)
    guest = world.line
    guest.on_telephone = True
    guest.answers(sees_context=False).voice = chatter()
    await world.passes(7.5)
    assert guest.released == "voicemail"
    assert host.refusals == [(ColleagueInvited, "Bob did not join: voicemail")]
    assert hears(agent) == {"caller"}


def _why(end: TargetDeclined | TargetFailed) -> str:
    return end.reason if isinstance(end, TargetFailed) else "declined"


async def test_guest_who_is_rung_is_offered_to_nobody_else(world: HandOffWorld):
    await invited(world)
    states = {each.agent: each.state.value for each in world.queue.agents()}
    assert states["bob"] == "offered"


async def test_agent_whose_network_fails_leaves_the_caller_with_the_guest(world: HandOffWorld):
    agent, guest, _ = await three(world)
    agent.breaks = True
    await world.passes(0.2)
    assert world.caller_hears() == {"second"}
    assert hears(guest) == {"caller"}


@pytest.mark.parametrize("joined_in", [False, True])
async def test_nothing_is_left_of_a_guest_when_the_caller_hangs_up(
    world: HandOffWorld, joined_in: bool
):
    _ = await (three(world) if joined_in else invited(world))
    world.hangs_up()
    assert await world.ended() == CallOver(reason="caller_hangup")
    assert all(line.released is not None for line in world.lines)
    assert all(ear.closed for ear in world.ears)
    expected = "wrap_up" if joined_in else "ready"
    states = {each.agent: each.state.value for each in world.queue.agents()}
    assert states == {"ann": "wrap_up", "bob": expected}
