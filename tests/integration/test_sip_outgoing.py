"""Calls of ours over real sockets: dialled, held, referred, replaced, with audio."""

import asyncio

import pytest

from telephony.leg import LegGoneError, LegRefusedError
from telephony.sip.errors import LocalProtocolError
from telephony.sip.referral import ReferRequest
from telephony.sip.user_to_user import UserToUser, parse_user_to_user
from tests.fakes.sip_leg_world import HOST, until
from tests.fakes.sip_phone import connected, hears, phones
from voice.events import KeyPressed, LegEnded


async def test_call_rings_is_answered_and_carries_audio_and_keys_both_ways():
    async with phones(2) as (a, b):
        rung: list[bool] = []
        ours = await a.dial(b.uri, headers=(("User-to-User", "6869;encoding=hex"),))
        ours.on_ringing = lambda: rung.append(True)
        theirs = await b.next_leg()
        await until(lambda: rung)
        await asyncio.gather(theirs.answer(), ours.answered())
        assert await hears(ours, theirs)
        assert await hears(theirs, ours)
        ours.send_key("5")
        await hears(ours, theirs)
        assert KeyPressed(key="5") in b.events
        assert parse_user_to_user(b.calls[0].headers.get("User-to-User") or "").data == b"hi"
        await theirs.hang_up("done")
        await until(lambda: a.events)
        assert (a.events, len(rung)) == ([LegEnded(reason="caller_hangup")], 1)


async def test_refusal_reaches_whoever_waits_for_the_answer():
    async with phones(2) as (a, b):
        ours = await a.dial(b.uri)
        await (await b.next_leg()).reject(486)
        with pytest.raises(LegRefusedError) as refused:
            await ours.answered()
        assert refused.value.status == 486
        await until(lambda: a.events)
        assert a.events == [LegEnded(reason="refused")]


async def test_hanging_up_before_the_answer_cancels():
    async with phones(2) as (a, b):
        ours = await a.dial(b.uri)
        waiting = asyncio.create_task(ours.answered())
        await b.next_leg()
        await ours.hang_up("changed my mind")
        with pytest.raises(LegGoneError):
            await waiting
        await until(lambda: b.events)
        assert b.events == [LegEnded(reason="caller_hangup")]


@pytest.mark.parametrize(("target", "status"), [("tel:+15550100", 416), ("no uri", 400)])
async def test_target_that_cannot_be_dialled_is_refused_at_once(target: str, status: int):
    async with phones(1) as (a,):
        with pytest.raises(LegRefusedError) as refused:
            await a.dial(target)
        assert refused.value.status == status


async def test_closed_endpoint_dials_nobody():
    async with phones(1) as (a,):
        await a.endpoint.close()
        with pytest.raises(LocalProtocolError):
            await a.dial(f"sip:x@{HOST}")


async def test_hold_stops_the_far_ends_audio_and_resume_brings_it_back():
    async with phones(2) as (a, b):
        ours, theirs = await connected(a, b)
        await ours.hold()
        await until(lambda: theirs.on_hold)
        assert ours.on_hold
        assert not await hears(theirs, ours)
        assert await hears(ours, theirs)
        await ours.resume()
        await until(lambda: not theirs.on_hold)
        assert await hears(theirs, ours)


async def test_called_side_can_hold_too():
    async with phones(2) as (a, b):
        ours, theirs = await connected(a, b)
        await theirs.hold()
        await until(lambda: ours.on_hold)
        assert not await hears(ours, theirs)
        await theirs.resume()
        await until(lambda: not ours.on_hold)
        assert await hears(ours, theirs)


async def test_both_sides_hold_at_once_and_both_succeed_in_the_end():
    async with phones(2) as (a, b):
        ours, theirs = await connected(a, b)
        await asyncio.gather(ours.hold(), theirs.hold())
        assert not await hears(ours, theirs)
        assert not await hears(theirs, ours)


async def test_holding_a_call_that_has_ended_fails():
    async with phones(2) as (a, b):
        ours, theirs = await connected(a, b)
        await theirs.hang_up("done")
        await until(lambda: a.events)
        with pytest.raises(LegGoneError):
            await ours.hold()


async def test_refer_is_taken_on_and_its_progress_told():
    async with phones(2) as (a, b):
        ours, theirs = await connected(a, b)
        asked: list[ReferRequest] = []
        theirs.on_refer = asked.append
        referral = await ours.refer("sip:carol@192.0.2.7", user_to_user=UserToUser(data=b"id"))
        await until(lambda: asked)
        (request,) = asked
        assert (request.target, request.user_to_user) == (
            "sip:carol@192.0.2.7",
            "6964;encoding=hex",
        )
        request.accept()
        request.report(180)
        request.report(200)
        assert [status async for status in referral] == [202, 100, 180, 200]
        assert await referral.result() == 200


async def test_refer_is_declined_when_nobody_takes_it():
    async with phones(2) as (a, b):
        ours, _ = await connected(a, b)
        referral = await ours.refer("sip:carol@192.0.2.7")
        assert [status async for status in referral] == [603]


async def test_referral_ends_with_its_call():
    async with phones(2) as (a, b):
        ours, theirs = await connected(a, b)
        theirs.on_refer = lambda request: request.accept()
        referral = await ours.refer("sip:carol@192.0.2.7")
        news = aiter(referral)
        assert [await anext(news), await anext(news)] == [202, 100]
        await theirs.hang_up("done")
        assert await anext(news) == 481


async def test_attended_transfer_takes_us_out_and_leaves_the_others_talking():
    async with phones(3) as (desk, caller, agent):
        to_caller, callers = await connected(desk, caller)
        to_agent, agents = await connected(desk, agent)
        replaced: list[str] = []
        agents.on_replaced = replaced.append
        transferring: list[asyncio.Task[None]] = []

        async def transfer(request: ReferRequest) -> None:
            request.accept()
            fields = (("Replaces", str(request.replaces)),)
            leg = await caller.dial(request.target, headers=fields)
            await leg.answered()
            request.report(200)
            assert await hears(leg, agents)
            assert await hears(agents, leg)

        callers.on_refer = lambda request: transferring.append(
            asyncio.create_task(transfer(request))
        )
        referral = await to_caller.refer(agent.uri, replaces=to_agent)
        assert await referral.result() == 200
        await asyncio.gather(*transferring)
        await until(lambda: LegEnded(reason="caller_hangup") in desk.events)
        assert (len(replaced), len(agent.legs)) == (1, 1)
        assert agent.events == []


async def test_nobody_takes_the_place_of_a_call_whose_owner_does_not_allow_it():
    async with phones(3) as (desk, caller, agent):
        to_agent, agents = await connected(desk, agent)
        fields = (("Replaces", str(to_agent.call.replaceable)),)
        leg = await caller.dial(agent.uri, headers=fields)
        with pytest.raises(LegRefusedError) as refused:
            await leg.answered()
        assert refused.value.status == 603
        assert await hears(to_agent, agents)
