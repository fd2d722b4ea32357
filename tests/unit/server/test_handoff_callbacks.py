"""Callers who are called back: they hang up, keep their place, and are joined with an agent."""

import pytest

from server.handoff.callbacks import dialable
from server.handoff.context import HandOffContext
from server.handoff.figures import Figures
from server.handoff.in_hand import CallOver, TakenBack
from server.handoff.ports import CallReturned
from telephony.leg import CallerInfo
from telephony.queue import CallQueue
from telephony.queue_events import MAIN_QUEUE
from telephony.queue_line import QueueOptions
from telephony.transfer_events import TargetDeclined, TargetGone
from tests.fakes.handoff_contexts import CALL_ID, handoff_context
from tests.fakes.handoff_parts import KeptHandOffs
from tests.fakes.handoff_world import HandOffWorld, hears
from tests.fakes.rooms import ToneLeg, voices
from voice.events import HandOffEnded, KeyPressed, LegEnded

OPTIONS = QueueOptions(callback_after_s=1.0, nobody_s=60.0)


def new_world(records: KeptHandOffs | None = None) -> HandOffWorld:
    return HandOffWorld(queue=CallQueue({MAIN_QUEUE: OPTIONS}), records=records or KeptHandOffs())


@pytest.fixture
async def world() -> HandOffWorld:
    """A caller has waited until they were offered a callback."""
    world = new_world()
    world.is_staffed()
    await world.hands_off()
    await world.passes(2.0)
    return world


async def withheld(monkeypatch: pytest.MonkeyPatch) -> HandOffWorld:
    """A caller without a number has waited as long as others until they are offered a callback."""
    world = new_world()
    info = CallerInfo(call_id="x", caller="", callee="desk", transport="webrtc", peer="")
    monkeypatch.setattr(world.caller, "info", info)
    world.is_staffed()
    await world.hands_off()
    await world.passes(3.0)
    return world


async def promised(world: HandOffWorld) -> None:
    world.caller.on_event(KeyPressed(key="1"))
    await world.passes(2.0)
    assert await world.ended() == CallOver(reason="callback_promised")


async def taken(world: HandOffWorld) -> ToneLeg:
    """An agent has come and taken the call back; the caller is being dialled."""
    await promised(world)
    world.signs_in("ann")
    await world.passes(0.3)
    agent = world.line.answers()
    world.line.accepts()
    await world.passes(0.3)
    return agent


async def test_caller_who_chooses_it_is_told_and_promised(world: HandOffWorld):
    await promised(world)
    assert "Thank you. We will call you back when it is your turn. Goodbye." in world.tts.said
    assert world.records.outcomes == ["callback_promised"]
    [promise] = world.records.promises.values()
    assert (promise.number, promise.call_id, promise.place) == (
        world.caller.info.caller,
        CALL_ID,
        1,
    )
    [caller] = world.queue.callers(world.wall_s)
    assert caller.callback


async def test_who_is_to_be_called_back_does_not_count_as_waiting(world: HandOffWorld):
    figures = Figures(world.queue)
    before = figures.today(world.wall_s)
    assert (before.waiting, before.callbacks) == (1, 0)
    await promised(world)
    after = figures.today(world.wall_s)
    assert (after.waiting, after.longest_wait_s, after.callbacks) == (0, 0.0, 1)


async def test_caller_who_hangs_up_after_choosing_is_promised_it_too(world: HandOffWorld):
    world.caller.on_event(KeyPressed(key="1"))
    world.hangs_up()
    assert await world.ended() == CallOver(reason="callback_promised")
    assert len(world.records.promises) == 1


async def test_server_that_shuts_down_promises_what_was_chosen(world: HandOffWorld):
    world.caller.on_event(KeyPressed(key="1"))
    world.handoffs.end(CALL_ID, "server_shutdown")
    await world.ended()
    assert len(world.records.promises) == 1


async def test_call_of_ours_that_a_shutdown_breaks_off_is_promised_still(world: HandOffWorld):
    await taken(world)
    await world.callbacks.close()
    assert world.calls.ended == ["server_shutdown"]
    assert world.callees[0].hung_up
    assert len(world.records.promises) == 1


async def test_key_means_nothing_before_it_was_offered():
    world = new_world()
    world.is_staffed()
    await world.hands_off()
    world.caller.on_event(KeyPressed(key="1"))
    world.hangs_up()
    assert await world.ended() == CallOver(reason="caller_hangup")
    assert world.records.promises == {}


async def test_caller_without_a_number_is_not_offered_it(monkeypatch: pytest.MonkeyPatch):
    world = await withheld(monkeypatch)
    assert not [text for text in world.tts.said if "press 1" in text]


async def test_caller_who_would_rather_leave_a_message_is_the_dialogs_again(world: HandOffWorld):
    assert any("To leave a message instead of waiting, press 2." in each for each in world.tts.said)
    world.caller.on_event(KeyPressed(key="2"))
    outcome = await world.ended()
    assert outcome == TakenBack(ended=HandOffEnded(reason="caller_chose", recovery="voicemail"))
    assert world.queue.callers(world.wall_s) == []
    assert world.records.promises == {}


async def test_caller_without_a_number_can_still_leave_a_message(monkeypatch: pytest.MonkeyPatch):
    world = await withheld(monkeypatch)
    world.caller.on_event(KeyPressed(key="1"))
    await world.passes(0.1)
    assert world.outcome is not None
    assert not world.outcome.done()
    world.caller.on_event(KeyPressed(key="2"))
    assert isinstance(await world.ended(), TakenBack)


async def test_agent_who_comes_while_the_caller_is_told_has_them_at_once(world: HandOffWorld):
    world.caller.on_event(KeyPressed(key="1"))
    world.signs_in("ann")
    await world.passes(0.2)
    world.line.answers()
    world.line.accepts()
    await world.passes(2.0)
    assert world.caller_hears() == {"agent"}
    assert world.records.promises == {}


async def test_agent_is_asked_with_the_context_before_the_caller_is_dialled(world: HandOffWorld):
    await promised(world)
    world.signs_in("ann")
    await world.passes(0.3)
    context = world.line.offer.context
    assert (context.reason, context.call_id) == ("callback", world.line.offer.call_id)
    assert context.lines == ()
    assert world.callees == []


async def test_both_hear_each_other_once_the_caller_has_answered(world: HandOffWorld):
    agent = await taken(world)
    [callee] = world.callees
    assert callee.target == world.caller.info.caller
    assert hears(agent) <= {"brief"}
    callee.picks_up()
    await world.passes(3.0)
    assert hears(agent) == {"caller"}
    assert voices(callee.sent[-1]) == {"agent"}
    world.line.on_event(TargetGone(reason="agent_hangup"))
    await world.passes(0.3)
    assert world.records.settled == ["called_back"]
    assert world.calls.ended == ["agent_hangup"]
    assert len(world.calls.answered) == 1
    assert callee.hung_up
    assert world.queue.callers(world.wall_s) == []


async def test_agent_cannot_give_a_call_back_to_frontdesk_that_has_no_dialog(world: HandOffWorld):
    await taken(world)
    world.callees[0].picks_up()
    await world.passes(0.2)
    world.line.on_event(CallReturned(step="change_address"))
    await world.passes(0.2)
    assert world.line.refusals[0][0] is CallReturned
    assert world.line.released is None


async def test_caller_who_does_not_answer_is_called_again_later_and_the_agent_freed(
    world: HandOffWorld,
):
    await taken(world)
    world.callees[0].is_busy()
    await world.passes(0.3)
    assert world.line.released == "not_reached"
    assert ("frontdesk", "(They did not answer. They will be called again later.)") in (
        world.line.lines
    )
    assert world.records.settled == []
    await world.passes(1.0)
    assert len(world.lines) == 1
    world.now_s += 600.0
    world.directory.choose_away("ann", "notes")
    world.directory.choose_ready("ann")
    await world.passes(0.5)
    assert len(world.lines) == 2


async def test_caller_who_never_answers_is_given_up_after_three_times(world: HandOffWorld):
    await promised(world)
    world.signs_in("ann")
    for tried in range(3):
        await world.passes(0.5)
        world.line.answers()
        world.line.accepts()
        await world.passes(0.3)
        world.callees[tried].is_busy()
        await world.passes(0.3)
        world.now_s += 600.0
        world.directory.choose_away("ann", "notes")
        world.directory.choose_ready("ann")
    assert world.records.settled == ["not_reached"]


async def test_agent_who_declines_is_followed_by_the_next(world: HandOffWorld):
    await promised(world)
    world.signs_in("ann")
    await world.passes(0.3)
    world.signs_in("bob")
    world.line.on_event(TargetDeclined())
    await world.passes(0.5)
    assert [line.offer.agent_id for line in world.lines] == ["ann", "bob"]
    assert world.callees == []
    world.line.answers()
    world.line.accepts()
    await world.passes(0.3)
    assert len(world.callees) == 1


async def test_only_agent_there_is_asked_again_after_declining(world: HandOffWorld):
    await promised(world)
    world.signs_in("ann")
    await world.passes(0.3)
    world.line.on_event(TargetDeclined())
    await world.passes(1.0)
    assert len(world.lines) == 1
    await world.passes(16.0)
    assert len(world.lines) == 2
    assert world.line.offer.agent_id == "ann"


async def test_agent_who_hangs_up_while_it_rings_frees_the_call_and_it_is_tried_again(
    world: HandOffWorld,
):
    await taken(world)
    world.line.on_event(TargetGone(reason="agent_hangup"))
    await world.passes(0.3)
    assert world.callees[0].hung_up
    assert world.records.settled == []


async def test_promise_survives_a_restart_with_its_place_and_context(world: HandOffWorld):
    await promised(world)
    again = new_world(world.records)
    await again.callbacks.restore()
    await again.passes(0.5)
    assert again.queue.callers(again.wall_s) == []  # nobody could take them yet
    again.signs_in("ann")
    await again.passes(0.5)
    assert again.line.offer.context.reason == "callback"
    again.line.answers()
    again.line.accepts()
    await again.passes(0.3)
    again.callees[0].picks_up()
    await again.passes(0.3)
    again.callees[0].on_event(LegEnded(reason="caller_hangup"))
    await again.passes(0.3)
    assert world.records.settled == ["called_back"]


def test_context_is_the_same_after_it_was_kept():
    context = handoff_context()
    assert HandOffContext.from_json(context.as_json()) == context


@pytest.mark.parametrize(
    ("caller", "number"),
    [
        ("+15550100", "+15550100"),
        ("tel:+15550100", "+15550100"),
        ("sip:alice@pbx.example.com", "sip:alice@pbx.example.com"),
        ("sip:anonymous@anonymous.invalid", None),
        ("sip:Anonymous@pbx.example.com", None),
        ("sip:pbx.example.com", None),
        ("browser 3f2a", None),
        ("", None),
    ],
)
def test_only_callers_with_an_address_can_be_called(caller: str, number: str | None):
    assert dialable(caller) == number
