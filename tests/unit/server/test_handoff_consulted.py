"""A telephone gives the caller to whom it asked itself: REFER with Replaces (RFC 5589 §7)."""

import asyncio
from uuid import UUID

import pytest

from server.handoff.in_hand import CallOver, TakenBack
from server.handoff.ports import ColleagueInvited, ConsultedElsewhere
from telephony.sip.commands import AcceptRefer, CallCommand, DeclineRefer, ReportRefer
from telephony.sip.headers import parse_name_address
from telephony.sip.outputs import DialogId, ReferReceived
from telephony.sip.referral import ReferRequest
from telephony.transfer_events import TargetGone
from tests.fakes.handoff_contexts import CALL_ID
from tests.fakes.handoff_parts import CallerLeg, FakeLine, KnownConsultations
from tests.fakes.handoff_world import HandOffWorld, hears, joined
from tests.fakes.rooms import TONES_HZ, ToneLeg, tone
from voice.events import HandOff

OTHER_ID = UUID("00000000-0000-4000-8000-0000000000c2")
COLLEAGUE = "sip:202@pbx.example.com"


class Asked:
    """A REFER of the agent's phone, and what the phone is told of it."""

    def __init__(self, replaces: str = "theirs") -> None:
        self.told: list[CallCommand] = []
        uri = f"<{COLLEAGUE}?Replaces={replaces}%3Bto-tag%3Da%3Bfrom-tag%3Db>"
        received = ReferReceived(
            dialog_id=DialogId("the agent's", "l", "r"),
            referral=1,
            refer_to=parse_name_address(uri),
            referred_by=None,
        )
        self.event = ConsultedElsewhere(request=ReferRequest(self.told.append, received))

    @property
    def statuses(self) -> list[int]:
        """As the phone sees them: 202 and NOTIFYs, or the refusal."""
        found: list[int] = []
        for command in self.told:
            match command:
                case AcceptRefer():
                    found += [202, 100]
                case DeclineRefer(status=status) | ReportRefer(status=status):
                    found.append(status)
                case _:
                    raise AssertionError(command)
        return found


@pytest.fixture
async def world() -> HandOffWorld:
    return HandOffWorld()


async def asked(world: HandOffWorld) -> tuple[ToneLeg, FakeLine, Asked]:
    """Ann has the caller, and her phone gives them to a colleague who is being called."""
    agent = await joined(world)
    line, asked = world.line, Asked()
    line.on_event(asked.event)
    await world.passes(0.1)
    return agent, line, asked


async def test_who_was_consulted_has_the_caller_once_they_answer_and_the_agent_is_released(
    world: HandOffWorld,
):
    agent, line, asked_for = await asked(world)
    assert (hears(agent), world.caller_hears()) == ({"caller"}, {"agent"})  # nothing has changed
    world.callees[0].voice = tone(TONES_HZ["second"])
    world.callees[0].on_ringing()
    world.callees[0].picks_up()
    await world.passes(0.2)
    assert asked_for.statuses == [202, 100, 180, 200]
    assert world.caller_hears() == {"second"}
    assert hears(world.callees[0]) == {"caller"}
    assert line.released is not None
    world.hangs_up()
    assert await world.ended() == CallOver(reason="caller_hangup")
    assert world.callees[0].hung_up
    kept = world.records.progress
    assert [each.outcome for each in kept.attempts] == ["accepted", "joined_in"]
    assert kept.agent == "202"


async def test_call_stays_as_it_was_when_the_target_refuses(world: HandOffWorld):
    agent, line, asked_for = await asked(world)
    world.callees[0].is_busy()
    await world.passes(0.2)
    assert asked_for.statuses == [202, 100, 486]
    assert (world.caller_hears(), hears(agent), line.released) == ({"agent"}, {"caller"}, None)


async def test_target_that_rings_for_ever_is_given_up_and_may_be_tried_again(world: HandOffWorld):
    agent, line, asked_for = await asked(world)
    await world.passes(world.options.ring_s + 0.5)
    assert asked_for.statuses == [202, 100, 408]
    assert world.callees[0].hung_up
    again = Asked()
    line.on_event(again.event)
    await world.passes(0.1)
    assert (again.statuses, hears(agent)) == ([202, 100], {"caller"})


async def test_caller_hears_music_while_the_agent_has_hung_up_and_the_target_is_called(
    world: HandOffWorld,
):
    _, line, _ = await asked(world)
    line.on_event(TargetGone(reason="agent_hangup"))
    await world.passes(0.2)
    assert world.caller_hears() == {"music"}
    world.callees[0].voice = tone(TONES_HZ["second"])
    world.callees[0].picks_up()
    await world.passes(0.2)
    assert world.caller_hears() == {"second"}


async def test_caller_goes_to_the_queue_when_the_agent_is_gone_and_the_target_fails(
    world: HandOffWorld,
):
    _, line, asked_for = await asked(world)
    world.signs_in("bob")
    line.on_event(TargetGone(reason="agent_hangup"))
    world.callees[0].is_busy()
    await world.passes(0.5)
    assert asked_for.statuses[-1] == 486
    assert world.line.offer.agent_id == "bob"
    assert "music" in world.caller_hears()


async def test_caller_who_hangs_up_meanwhile_ends_it_all(world: HandOffWorld):
    _, line, asked_for = await asked(world)
    world.hangs_up()
    assert await world.ended() == CallOver(reason="caller_hangup")
    assert (asked_for.statuses, line.released is not None) == ([202, 100, 487], True)
    assert world.callees[0].hung_up


async def test_second_transfer_and_one_beside_a_guest_are_declined(world: HandOffWorld):
    _, line, _ = await asked(world)
    second = Asked()
    line.on_event(second.event)
    assert second.statuses == [603]
    world.callees[0].is_busy()
    await world.passes(0.1)
    world.signs_in("bob")
    await world.passes(0.1)
    line.on_event(ColleagueInvited(target="bob"))
    beside_a_guest = Asked()
    line.on_event(beside_a_guest.event)
    assert beside_a_guest.statuses == [603]


# --- the consultation came to frontdesk -----------------------------------------------------------


def came_to_us(world: HandOffWorld) -> CallerLeg:
    """Ann's phone is in a call with frontdesk: the leg of that call."""
    leg = CallerLeg(tone(TONES_HZ["supervisor"]))
    assert isinstance(world.consultations, KnownConsultations)
    world.consultations.calls["ours"] = world.in_hand(OTHER_ID, leg)
    return leg


async def test_caller_is_frontdesks_again_when_the_agent_consulted_its_dialog(world: HandOffWorld):
    await joined(world)
    line, asked_for = world.line, Asked("ours")
    came_to_us(world)
    line.on_event(asked_for.event)
    outcome = await world.ended()
    assert isinstance(outcome, TakenBack)
    assert (asked_for.statuses, line.released) == ([202, 100, 200], "returned")
    assert isinstance(world.consultations, KnownConsultations)
    assert world.consultations.ended == [OTHER_ID]


async def test_colleague_reached_through_frontdesk_has_the_caller(world: HandOffWorld):
    agent = await joined(world)
    line, asked_for = world.line, Asked("ours")
    leg = came_to_us(world)
    assert isinstance(world.consultations, KnownConsultations)
    consultation = asyncio.ensure_future(
        world.handoffs.serve(world.consultations.calls["ours"], HandOff(reason="caller_asked"))
    )
    world.signs_in("bob")
    await world.passes(0.3)
    bobs, bob = world.line, world.line.answers(voice="second")
    bobs.accepts()
    await world.passes(0.2)
    assert (hears(leg), hears(bob)) == ({"second"}, {"supervisor"})
    line.on_event(asked_for.event)
    await world.passes(0.2)
    assert asked_for.statuses == [202, 100, 200]
    assert await consultation == CallOver(reason="consulted")
    assert (world.caller_hears(), hears(bob)) == ({"second"}, {"caller"})
    assert (line.released is not None, bobs.released, hears(agent)) == (True, None, {"caller"})
    bobs.on_event(TargetGone(reason="agent_hangup"))
    assert await world.ended() == CallOver(reason="agent_hangup")


async def test_caller_takes_the_agents_place_in_the_queue_they_wait_in(world: HandOffWorld):
    await joined(world)
    line, asked_for = world.line, Asked("ours")
    came_to_us(world)
    assert isinstance(world.consultations, KnownConsultations)
    consultation = asyncio.ensure_future(
        world.handoffs.serve(world.consultations.calls["ours"], HandOff(reason="caller_asked"))
    )
    world.is_staffed()
    await world.passes(0.3)
    line.on_event(asked_for.event)
    await world.passes(0.3)
    assert asked_for.statuses == [202, 100, 200]
    assert await consultation == CallOver(reason="consulted")
    assert world.caller_hears() >= {"music"}
    assert world.queue.length == 1


async def test_callers_own_call_is_nobody_to_give_them_to(world: HandOffWorld):
    agent = await joined(world)
    asked_for = Asked("ours")
    assert isinstance(world.consultations, KnownConsultations)
    world.consultations.calls["ours"] = world.in_hand(CALL_ID, world.caller)
    world.line.on_event(asked_for.event)
    await world.passes(0.2)
    assert (asked_for.statuses, hears(agent)) == ([603], {"caller"})
