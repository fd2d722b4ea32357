"""A caller whose line ends in one process, with people who are in another."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from server.handoff.in_hand import CallOver, TakenBack
from server.handoff.leg_abilities import CanBeReferred
from server.live_calls import LiveCall
from telephony.transfer_events import CallReturned
from tests.fakes.handoff_contexts import CALL_ID
from tests.fakes.handoff_world import hears
from tests.fakes.rooms import TONES_HZ, ToneLeg, tone, voices
from tests.fakes.tie_line_world import TieLineWorld, tie_line_world
from voice.events import ActionOutcome, ActionStatus, HandOffEnded, KeyPressed, PerformAction
from voice.frames import Pcm

UNREACHABLE = TakenBack(ended=HandOffEnded(reason="desk_unreachable"))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[TieLineWorld]:
    """Both processes are there."""
    async with tie_line_world(tmp_path) as made:
        await made.open_desk()
        await made.open_home()
        yield made


async def joined(world: TieLineWorld) -> ToneLeg:
    """The caller and ann talk."""
    world.desk.signs_in("ann")
    await world.hands_off()
    await world.until(lambda: world.desk.lines and world.desk.line.rung)
    leg = world.desk.line.answers()
    world.desk.line.accepts()
    await world.passes(0.3)
    return leg


# --- the way that goes well ---


async def test_caller_and_agent_hear_each_other_across_processes(world: TieLineWorld):
    agent = await joined(world)
    assert world.caller_hears() == {"agent"}
    assert hears(agent) == {"caller"}
    world.hangs_up()
    assert await world.ended() == CallOver(reason="caller_hangup")
    await world.until(lambda: world.desk.line.released)
    assert (world.plane.calls, world.desk.plane.calls, len(world.live)) == (0, 0, 0)


async def test_nothing_is_lost_or_repeated_on_the_way(world: TieLineWorld):
    agent = await joined(world)
    ramp = [tone(500, amplitude=1_000 + 100 * step) for step in range(25)]
    for frame in ramp:
        world.caller.voice = frame
        await world.passes(0.02)
    await world.passes(0.1)
    loudest = [int(abs(frame.astype(int)).max()) for frame in agent.sent]
    begun = loudest.index(1_000)
    assert loudest[begun : begun + 25] == [1_000 + 100 * step for step in range(25)]


async def test_waiting_caller_hears_music_and_is_on_the_board(world: TieLineWorld):
    world.desk.is_staffed()
    await world.hands_off()
    await world.passes(1.0)
    assert world.caller_hears() == {"music"}
    assert [each.in_hand.call_id for each in world.live] == [CALL_ID]
    assert [each.id for each in world.calls.started] == [CALL_ID]


async def test_recording_at_home_has_both_sides_and_every_frame(world: TieLineWorld):
    await joined(world)
    assert len(world.recorder.frames) == len(world.caller.sent)
    said, heard = world.recorder.frames[-1]
    assert (voices(said), voices(heard)) == ({"caller"}, {"agent"})


async def test_agent_knows_what_the_dialog_knew(world: TieLineWorld):
    world.story.said("frontdesk", "a line from before", 1.0)
    await joined(world)
    context = world.desk.line.offer.context
    assert context.caller == world.caller.info.caller
    assert [line.text for line in context.lines] == ["a line from before"]


async def test_caller_who_is_given_back_brings_what_was_said(world: TieLineWorld):
    await joined(world)
    run = world.desk.handoffs.get(CALL_ID)
    assert run is not None
    run.note("(They talked.)")
    world.desk.line.on_event(CallReturned(step="change_address"))
    ended = await world.ended()
    assert ended == TakenBack(ended=HandOffEnded(reason="returned", step="change_address"))
    assert world.story.colleague == "ann"
    assert [line.text for line in world.story.lines] == ["(They talked.)"]
    assert world.plane.calls == 0


async def test_keys_go_both_ways(world: TieLineWorld):
    world.desk.is_staffed()
    await world.hands_off()
    run = world.desk.handoffs.get(CALL_ID)
    assert run is not None
    assert run.send_keys("12") is None
    await world.until(lambda: world.caller.keys == "12")
    keys: list[str] = []
    run.call.leg.on_event = lambda event: keys.append(getattr(event, "key", ""))
    world.caller.on_event(KeyPressed(key="7"))
    await world.until(lambda: keys == ["7"])


async def test_action_that_ends_meanwhile_is_told_to_the_agent(world: TieLineWorld):
    action = PerformAction(name="change_address", arguments={"order": "4815"}, key="k")
    running = asyncio.ensure_future(world.story.perform(action))
    await joined(world)
    assert [fact.status for fact in world.desk.line.offer.context.actions] == ["running"]
    world.actions.release.set()
    assert (await running).status is ActionStatus.SUCCEEDED
    await world.until(lambda: world.happened == [CALL_ID])
    run = world.desk.handoffs.get(CALL_ID)
    assert run is not None
    assert [fact.status for fact in run.context().actions] == ["succeeded"]


async def test_outcome_known_at_home_survives_the_return(world: TieLineWorld):
    await joined(world)
    world.desk.line.on_event(CallReturned())
    action = PerformAction(name="look_up", arguments={}, key="late")
    outcome = ActionOutcome(name="look_up", key="late", status=ActionStatus.SUCCEEDED, result={})
    world.story.settled(action, outcome)  # while the caller is on the way home
    await world.ended()
    assert [deed.outcome for deed in world.story.deeds] == [outcome]


async def test_caller_without_sip_cannot_be_referred(world: TieLineWorld):
    world.desk.is_staffed()
    await world.hands_off()
    run = world.desk.handoffs.get(CALL_ID)
    assert run is not None
    assert isinstance(run.call.leg, CanBeReferred)
    referral = await run.call.leg.refer("sip:x@example.com")

    async def statuses() -> list[int]:
        return [status async for status in referral]

    told = asyncio.ensure_future(statuses())
    await world.until(told.done)
    assert told.result() == [501]


# --- who looks on from the desk ---


async def test_supervisor_sees_and_hears_a_call_that_no_person_has(world: TieLineWorld):
    call = world.in_hand()
    world.home_live.add(LiveCall(in_hand=call, tapped=world.tapped))
    await world.until(world.far.rows)
    assert [(row.call_id, row.state) for row in world.far.rows()] == [(CALL_ID, "frontdesk")]
    heard: list[set[str]] = []
    where = world.far.tappable(CALL_ID)
    assert where is not None

    def tap(both: Pcm, nothing: Pcm) -> None:
        heard.append(voices(both))

    where.add(tap)
    await world.passes(0.1)
    for _ in range(20):  # the dialog speaks with them
        world.tapped.write(tone(TONES_HZ["caller"]), tone(TONES_HZ["brief"]))
        await world.passes(0.02)
    assert {"caller", "brief"} in heard
    where.remove(tap)
    await world.passes(0.1)
    told = len(heard)
    await world.passes(0.1)
    assert (len(heard), world.desk.plane.calls) == (told, 0)


async def test_whoever_listens_goes_on_when_the_caller_goes_to_a_person_and_back(
    world: TieLineWorld,
):
    world.home_live.add(LiveCall(in_hand=world.in_hand(), tapped=world.tapped))
    await world.until(world.far.rows)
    heard: list[set[str]] = []
    where = world.far.tappable(CALL_ID)
    assert where is not None
    where.add(lambda both, nothing: heard.append(voices(both)))
    await joined(world)
    await world.passes(0.3)
    assert heard[-1] == {"caller", "agent"}
    (live,) = world.live
    assert live.tapped is where
    world.desk.line.on_event(CallReturned())
    await world.ended()
    assert [row.call_id for row in world.far.rows()] == [CALL_ID]
    world.home_live.remove(CALL_ID)
    await world.until(lambda: not world.far.rows())
    assert (world.far.tappable(CALL_ID), world.desk.plane.calls) == (None, 0)


async def test_action_that_waits_at_home_is_approved_at_the_desk(world: TieLineWorld):
    gate = world.home_approvals.gate(CALL_ID, world.actions, lambda action: "change it")
    world.actions.release.set()
    action = PerformAction(name="change_address", arguments={"order": "4815"}, key="k")
    performing = asyncio.ensure_future(gate.perform(action))
    await world.until(world.desk_approvals.pending)
    (pending,) = world.desk_approvals.of(CALL_ID)
    assert (pending.action, pending.detail) == (action, "change it")
    world.desk_approvals.decide(CALL_ID, pending.id, approved=True)
    await world.until(performing.done)
    assert performing.result().status is ActionStatus.SUCCEEDED


async def test_what_does_not_wait_any_more_is_not_shown(world: TieLineWorld):
    gate = world.home_approvals.gate(CALL_ID, world.actions, lambda action: "change it")
    action = PerformAction(name="change_address", arguments={}, key="k")
    performing = asyncio.ensure_future(gate.perform(action))
    await world.until(world.desk_approvals.pending)
    world.home_approvals.over(CALL_ID)
    await world.until(lambda: not world.desk_approvals.pending())
    assert (await performing).status is ActionStatus.REFUSED
    again = asyncio.ensure_future(gate.perform(action))
    await world.until(world.desk_approvals.pending)
    await world.close_home()  # it dies
    await world.until(lambda: not world.desk_approvals.pending())
    again.cancel()


# --- the end, and what goes wrong ---


async def test_stop_of_home_ends_the_hand_off(world: TieLineWorld):
    await joined(world)
    world.far_desk.end(CALL_ID, "server_shutdown")
    assert await world.ended() == CallOver(reason="server_shutdown")
    assert world.desk.line.released is not None


async def test_stop_of_the_desk_ends_the_hand_off(world: TieLineWorld):
    await joined(world)
    world.stop_desk("server_shutdown")
    assert await world.ended() == CallOver(reason="server_shutdown")


async def test_desk_that_dies_leaves_the_caller_with_frontdesk(world: TieLineWorld):
    await joined(world)
    await world.close_desk()
    assert await world.ended() == UNREACHABLE
    assert world.plane.calls == 0
    assert world.caller.hung_up == []


async def test_caller_who_leaves_while_the_desk_dies_is_not_taken_back(world: TieLineWorld):
    await joined(world)
    world.desk_ticks = False
    world.hangs_up()
    await world.close_desk()
    assert await world.ended() == CallOver(reason="caller_hangup")


async def test_home_that_dies_is_a_caller_who_left(world: TieLineWorld):
    await joined(world)
    world.home_ticks = False
    await world.close_home()
    await world.until(lambda: world.desk.line.released)
    assert world.desk.records.outcomes == ["caller_hangup"]
    assert (world.desk.plane.calls, len(world.live)) == (0, 0)


async def test_desk_that_says_nothing_any_more_is_as_good_as_gone(world: TieLineWorld):
    await joined(world)
    world.desk_ticks = False
    assert await world.ended() == UNREACHABLE
    world.desk_ticks = True  # it wakes up, and finds that the caller was taken away
    await world.until(lambda: world.desk.line.released)
    assert world.desk.records.outcomes == ["desk_unreachable"]


async def test_desk_that_is_starting_again_is_waited_for(tmp_path: Path):
    async with tie_line_world(tmp_path) as world:
        await world.open_home()
        world.desk.is_staffed()
        await world.hands_off()
        assert (len(world.live), world.plane.calls) == (0, 1)
        await world.open_desk()
        await world.until(lambda: len(world.live) == 1)
        await world.until(lambda: world.caller_hears() == {"music"})


async def test_desk_that_does_not_come_back_costs_a_caller_so_much_patience(tmp_path: Path):
    async with tie_line_world(tmp_path) as world:
        await world.open_home(patience_s=0.05)
        await world.hands_off()
        assert await world.ended() == UNREACHABLE


@pytest.mark.parametrize("how", ["hangs up", "is ended"])
async def test_caller_may_go_while_the_desk_is_starting_again(tmp_path: Path, how: str):
    async with tie_line_world(tmp_path) as world:
        await world.open_home(patience_s=60.0)
        await world.hands_off()
        if how == "hangs up":
            world.hangs_up()
        else:
            world.far_desk.end(CALL_ID, "caller_hangup")
        assert await world.ended() == CallOver(reason="caller_hangup")


async def test_leg_that_fails_at_home_is_a_caller_who_left(world: TieLineWorld):
    await joined(world)
    world.caller.breaks = True
    assert await world.ended() == CallOver(reason="network_error")
    assert world.desk.line.released is not None


async def test_what_nobody_understands_ends_the_connection_and_harms_no_other(world: TieLineWorld):
    await joined(world)
    reader, writer = await asyncio.open_unix_connection(str(world.path))
    writer.write(b"\x63" + b"\xff" * 64)
    assert await reader.read() == b""
    writer.close()
    await world.passes(0.1)
    assert world.caller_hears() == {"agent"}
