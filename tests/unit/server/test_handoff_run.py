"""A caller on the way to a person: who hears whom, and what becomes of them when it goes wrong."""

import pytest

from server.handoff.in_hand import CallOver, TakenBack
from server.handoff.leg_abilities import press
from server.handoff.ports import (
    HoldChanged,
    KeysSent,
    LinePressedKey,
    MuteChanged,
)
from telephony.queue import CallQueue
from telephony.queue_events import MAIN_QUEUE
from telephony.queue_line import QueueOptions
from telephony.transfer_events import (
    AgentTransferredOn,
    CallReturned,
    TargetDeclined,
    TargetFailed,
    TargetGone,
    TransferMode,
)
from tests.fakes.handoff_contexts import CALL_ID
from tests.fakes.handoff_world import HandOffWorld, ever_heard, hears, joined
from tests.fakes.rooms import ToneLeg, chatter, tone
from voice.events import HandOff, HandOffEnded, LegEnded


@pytest.fixture
async def world() -> HandOffWorld:
    return HandOffWorld()


# --- the way that goes well ---


async def test_waiting_caller_hears_music_and_nobody(world: HandOffWorld):
    world.is_staffed()
    await world.hands_off()
    await world.passes(3.0)
    assert world.caller_hears() == {"music"}


async def test_agent_who_signs_in_is_rung_for_the_waiting_caller(world: HandOffWorld):
    world.is_staffed()
    await world.hands_off()
    world.signs_in("ann")
    await world.passes(0.5)
    assert world.line.rung
    assert world.line.offer.agent_id == "ann"
    assert world.line.offer.context.reason_text == "They asked for a person."


async def test_after_accepting_both_hear_each_other_and_the_music_ends(world: HandOffWorld):
    agent = await joined(world)
    assert world.caller_hears() == {"agent"}
    assert hears(agent) == {"caller"}
    assert world.line.is_joined


async def test_brief_is_heard_by_the_agent_alone(world: HandOffWorld):
    world.signs_in("ann")
    await world.hands_off()
    await world.passes(3.0)  # past the announcement
    world.caller.sent.clear()
    agent = world.line.answers(sees_context=False)
    await world.passes(0.5)
    assert hears(agent) == {"brief"}
    await world.passes(1.0)
    world.line.accepts()
    await world.passes(0.2)
    assert "brief" not in ever_heard(world.caller)
    assert world.caller_hears() == {"agent"}
    assert hears(agent) == {"caller"}


async def test_agent_on_a_telephone_takes_the_caller_with_a_key(world: HandOffWorld):
    world.signs_in("ann")
    await world.hands_off()
    world.line.answers(sees_context=False)
    await world.passes(0.3)
    world.line.on_event(LinePressedKey(key="1"))
    await world.passes(0.2)
    assert world.caller_hears() == {"agent"}


@pytest.mark.parametrize("telephone", [True, False])
async def test_mailbox_that_answers_an_agents_telephone_is_hung_up_on(
    world: HandOffWorld, telephone: bool
):
    world.signs_in("ann")
    await world.hands_off()
    first = world.line
    first.on_telephone = telephone
    first.answers(sees_context=False).voice = chatter()
    world.signs_in("bob")
    await world.passes(7.5)
    assert first.released == ("voicemail" if telephone else None)
    assert world.caller_hears() == {"music"}
    if telephone:
        assert world.records.progress.attempts[0].outcome == "voicemail"
        assert world.line.offer.agent_id == "bob"
        assert {each.agent: each.state.value for each in world.queue.agents()}["ann"] == "away"


async def test_agent_who_took_the_caller_may_talk_as_long_as_they_like(world: HandOffWorld):
    world.signs_in("ann")
    await world.hands_off()
    world.line.on_telephone = True
    leg = world.line.answers(sees_context=False)
    world.line.on_event(LinePressedKey(key="1"))
    leg.voice = chatter()
    await world.passes(8.0)
    assert world.line.released is None


async def test_hand_off_is_on_record_from_request_to_end(world: HandOffWorld):
    await joined(world)
    world.hangs_up()
    await world.ended()
    request, progress = world.records.requests[0], world.records.progress
    assert request.reason == "caller_asked"
    assert [(each.agent, each.outcome) for each in progress.attempts] == [("ann", "accepted")]
    assert progress.accepted_at is not None
    assert world.records.outcomes == ["caller_hangup"]


async def test_recording_goes_on_through_the_hand_off_without_losing_a_frame(world: HandOffWorld):
    world.is_staffed()
    await world.hands_off()
    before = len(world.recorder.frames)
    await world.passes(2.0)
    assert len(world.recorder.frames) - before == 100


# --- who does not come ---


async def test_agent_who_declines_is_followed_by_the_next(world: HandOffWorld):
    world.signs_in("ann")
    world.signs_in("bob")
    await world.hands_off()
    first = world.line.offer.agent_id
    world.line.on_event(TargetDeclined())
    await world.passes(0.5)
    assert {first, world.line.offer.agent_id} == {"ann", "bob"}
    assert world.caller_hears() <= {"music", "brief"}


async def test_caller_whose_line_went_dead_is_on_record_as_such(world: HandOffWorld):
    await joined(world)
    world.caller.on_event(LegEnded(reason="media_timeout"))
    assert await world.ended() == CallOver(reason="media_timeout")
    assert world.records.outcomes == ["caller_hangup"]


async def test_agent_who_does_not_answer_is_away_and_the_caller_waits_on(world: HandOffWorld):
    world.signs_in("ann")
    await world.hands_off()
    await world.passes(world.options.ring_s + 1)
    assert world.line.released == "no_answer"
    assert world.directory.get("ann").presence.value == "away"
    assert len(world.lines) == 1


@pytest.mark.parametrize("event", [TargetFailed(reason="busy"), TargetGone(reason="gone")])
async def test_target_that_ends_before_joining_leaves_the_caller_on_hold(
    world: HandOffWorld, event: TargetFailed | TargetGone
):
    world.signs_in("ann")
    await world.hands_off()
    world.line.answers()
    world.line.on_event(event)
    await world.passes(3.0)
    assert world.caller_hears() == {"music"}


async def test_named_target_that_cannot_be_reached_gives_the_caller_back(world: HandOffWorld):
    await world.hands_off(HandOff(reason="caller_asked", target="nobody"))
    outcome = await world.ended()
    assert isinstance(outcome, TakenBack)
    assert outcome.ended.reason == "unreachable"


async def test_caller_is_taken_back_when_nobody_is_signed_in():
    world = HandOffWorld(queue=CallQueue({MAIN_QUEUE: QueueOptions(nobody_s=2.0)}))
    await world.hands_off()
    await world.passes(3.0)
    assert await world.ended() == TakenBack(ended=HandOffEnded(reason="nobody_signed_in"))


async def test_agent_on_a_phone_is_rung_only_while_it_is_registered(world: HandOffWorld):
    world.is_staffed()
    world.takes_calls_on_a_phone("ann", "201")
    await world.hands_off()
    await world.passes(1.0)
    assert world.lines == []
    world.phones.add("201")
    await world.passes(1.0)
    assert world.line.offer.agent_id == "ann"
    world.hangs_up()
    await world.passes(0.1)
    world.phones.clear()
    await world.passes(0.5)
    assert world.directory.get("ann").presence.value == "offline"


# --- in the conversation ---


async def test_agent_lost_to_the_network_comes_back_to_the_same_caller(world: HandOffWorld):
    await joined(world)
    world.line.on_event(TargetGone(reason="browser_closed"))
    await world.passes(2.0)
    assert world.caller_hears() <= {"music", "brief"}
    again = world.line.answers()
    await world.passes(0.2)
    assert len(world.lines) == 1
    assert world.caller_hears() == {"agent"}
    assert hears(again) == {"caller"}


async def test_agent_who_stays_lost_is_followed_by_another(world: HandOffWorld):
    await joined(world)
    world.signs_in("bob")
    world.line.on_event(TargetGone(reason="browser_closed"))
    await world.passes(world.options.reconnect_s + 1)
    assert world.line.offer.agent_id == "bob"


async def test_agent_who_hangs_up_ends_the_call(world: HandOffWorld):
    await joined(world)
    world.line.on_event(TargetGone(reason="agent_hangup"))
    assert await world.ended() == CallOver(reason="agent_hangup")


async def test_agent_gives_the_call_back_without_a_step(world: HandOffWorld):
    await joined(world)
    world.line.on_event(CallReturned(step=None))
    await world.ended()
    assert world.records.outcomes == ["returned"]


async def test_agent_gives_the_call_back_at_a_step(world: HandOffWorld):
    await joined(world)
    world.line.on_event(CallReturned(step="change_address"))
    outcome = await world.ended()
    assert outcome == TakenBack(ended=HandOffEnded(reason="returned", step="change_address"))
    assert world.line.released == "returned"


async def test_agent_transfers_on_to_a_colleague(world: HandOffWorld):
    await joined(world)
    world.signs_in("bob")
    world.line.on_event(AgentTransferredOn(mode=TransferMode.WARM, target="bob"))
    await world.passes(0.3)
    assert world.lines[0].released == "transferred_on"
    assert world.line.offer.agent_id == "bob"
    world.line.answers()
    world.line.accepts()
    await world.passes(0.2)
    assert world.caller_hears() == {"agent"}


async def test_caller_on_hold_hears_music_and_the_agent_hears_nothing(world: HandOffWorld):
    agent = await joined(world)
    world.line.on_event(HoldChanged(held=True))
    await world.passes(2.0)
    assert world.caller_hears() == {"music"}
    assert hears(agent) == set()
    world.line.on_event(HoldChanged(held=False))
    await world.passes(0.2)
    assert world.caller_hears() == {"agent"}
    assert hears(agent) == {"caller"}


async def test_caller_whose_agent_is_lost_during_hold_is_off_hold_with_the_next(
    world: HandOffWorld,
):
    await joined(world)
    world.signs_in("bob")
    world.line.on_event(HoldChanged(held=True))
    world.line.on_event(TargetGone(reason="browser_closed"))
    await world.passes(world.options.reconnect_s + 1)
    agent = world.line.answers()
    world.line.accepts()
    await world.passes(0.2)
    assert world.caller_hears() == {"agent"}
    assert hears(agent) == {"caller"}


async def test_muted_agent_is_not_heard(world: HandOffWorld):
    agent = await joined(world)
    world.line.on_event(MuteChanged(muted=True))
    await world.passes(0.1)
    assert world.caller_hears() == set()
    assert hears(agent) == {"caller"}


async def test_keys_the_agent_presses_reach_the_callers_network(world: HandOffWorld):
    await joined(world)
    world.line.on_event(KeysSent(keys="12#"))
    assert world.caller.keys == "12#"
    assert world.line.refusals == []


async def test_agent_is_told_of_keys_that_were_not_sent(world: HandOffWorld):
    await joined(world)
    world.line.on_event(KeysSent(keys="123456789"))
    assert world.line.refusals == [(KeysSent, "not all keys were sent: too many keys are waiting")]


def test_line_that_takes_no_keys_says_so():
    assert press(ToneLeg(tone(500)), "1") == "this caller's line takes no keys"


async def test_caller_who_is_back_from_frontdesk_gets_the_same_agent_again(world: HandOffWorld):
    world.signs_in("bob")  # idle for longer
    await world.passes(1.0)
    await joined(world)
    first = world.line.offer.agent_id
    other = {"ann": "bob", "bob": "ann"}[first]
    world.line.on_event(CallReturned(step="change_address"))
    await world.ended()
    world.directory.engage(first, None)
    world.directory.choose_away(first, "notes")
    world.directory.choose_ready(first)
    await world.passes(0.2)
    await world.hands_off(HandOff(reason="step_done"))
    assert world.line.offer.agent_id == first != other


async def test_caller_replaced_at_their_phone_system_stays_and_is_noted(world: HandOffWorld):
    await joined(world)
    assert world.caller.on_replaced is not None
    world.caller.on_replaced("sip:bob@pbx.example.com")
    await world.passes(0.2)
    assert world.caller_hears() == {"agent"}
    assert "sip:bob@pbx.example.com" in world.story.lines[-1].text
    assert world.line.lines[-1][0] == "frontdesk"
    world.hangs_up()
    await world.ended()
    assert world.caller.on_replaced is None


# --- the caller goes ---


@pytest.mark.parametrize("stage", ["waiting", "ringing", "briefed", "joined", "lost"])
async def test_caller_who_hangs_up_leaves_nothing_behind(world: HandOffWorld, stage: str):
    world.is_staffed()
    if stage != "waiting":
        world.signs_in("ann")
    await world.hands_off()
    if stage in ("briefed", "joined", "lost"):
        world.line.answers(sees_context=stage != "briefed")
    if stage in ("joined", "lost"):
        world.line.accepts()
        await world.passes(0.1)
    if stage == "lost":
        world.line.on_event(TargetGone(reason="network_error"))
    world.hangs_up()
    assert await world.ended() == CallOver(reason="caller_hangup")
    assert world.plane.calls == 0
    assert world.queue.callers(world.wall_s) == []
    assert all(line.released is not None for line in world.lines)
    assert all(ear.closed for ear in world.ears)


async def test_leg_that_breaks_counts_as_the_caller_gone(world: HandOffWorld):
    await joined(world)
    world.caller.breaks = True
    assert await world.ended() == CallOver(reason="caller_hangup")


async def test_server_that_shuts_down_ends_the_hand_off(world: HandOffWorld):
    world.is_staffed()
    await world.hands_off()
    world.handoffs.end(CALL_ID, "server_shutdown")
    assert await world.ended() == CallOver(reason="server_shutdown")
    assert world.plane.calls == 0
