"""An agent's phone gives the caller to whom it called itself, over real sockets."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

from server.handoff.consulting import Consulting
from server.handoff.in_hand import TakenBack
from server.handoff.phone_line import PhoneLine
from server.handoff.ports import Offer
from server.handoff.run_world import OtherRun
from server.live_calls import LiveCall, LiveCalls, TappedRecorder
from telephony.outgoing_sip_leg import OutgoingSipLeg
from telephony.sip.incoming_call import IncomingCall
from telephony.sip.referral import Referral
from telephony.sip_call_leg import SipCallLeg
from telephony.sip_leg import SipLeg
from telephony.transfer_events import TargetAccepted
from tests.fakes.handoff_world import HandOffWorld
from tests.fakes.rooms import TONES_HZ, tone, voices
from tests.fakes.sip_phone import Phone, phones
from voice.events import LegEnded

ANN, COLLEAGUE = tone(TONES_HZ["agent"]), tone(TONES_HZ["second"])


@dataclass
class PhoneWorld(HandOffWorld):
    """Ann takes the caller on her phone; the caller and the clock are the test's."""

    ours: Phone = field(kw_only=True)
    ann: Phone = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.dialled: list[PhoneLine] = []
        self.live = LiveCalls()

        def run_of(call_id: UUID) -> OtherRun | None:
            return self.handoffs.get(call_id)

        self.consultations = Consulting(
            lambda target, headers=None: self.dials(target, tuple((headers or {}).items())),
            self.live,
            call_replaced_by=self.ours.endpoint.call_replaced_by,
            run_of=run_of,
        )
        self.begin()

    async def dials(self, target: str, headers: tuple[tuple[str, str], ...]) -> OutgoingSipLeg:
        return await self.ours.dial(target, headers=headers)

    def open(self, offer: Offer) -> PhoneLine:
        self.dialled.append(PhoneLine(lambda: self.dials(self.ann.uri, ())))
        return self.dialled[-1]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Ann has the caller, and a colleague on her second line."""

    world: PhoneWorld
    anns: SipLeg  # of the call from frontdesk
    consultation: OutgoingSipLeg
    theirs: SipCallLeg  # the colleague's end of it

    async def goes_on(self, seconds: float = 1.0) -> set[str]:
        """Everybody speaks and listens; whose voices the caller hears at the end."""
        for _ in range(round(seconds / 0.02)):
            self.theirs.receive_frame()
            self.theirs.send_frame(COLLEAGUE)
            self.anns.receive_frame()
            self.anns.send_frame(ANN)
            await self.world.passes(0.02)
            await asyncio.sleep(0.005)
        return voices(self.world.caller.sent[-1])

    async def refers(self) -> Referral:
        """Ann presses the key that joins her two lines."""
        referral = await self.anns.refer(self.consultation.target, replaces=self.consultation)
        await self.goes_on()
        return referral


@asynccontextmanager
async def consulting(*, may_be_replaced: bool) -> AsyncGenerator[Scene]:
    async with phones(3) as (ours, ann, colleague):
        world = PhoneWorld(ours=ours, ann=ann)
        ann.answers = colleague.answers = True
        world.signs_in("ann")
        await world.hands_off()
        anns = await ann.next_leg()
        while not world.dialled[0].leg:
            await world.passes(0.02)
            await asyncio.sleep(0.005)
        world.dialled[0].on_event(TargetAccepted())
        consultation = await ann.dial(colleague.uri)
        theirs = await colleague.next_leg()
        theirs.on_replaced = (lambda uri: None) if may_be_replaced else None
        await consultation.answered()
        scene = Scene(world=world, anns=anns, consultation=consultation, theirs=theirs)
        await scene.goes_on(0.3)
        try:
            yield scene
        finally:
            world.hangs_up()
            await world.ended()
            await asyncio.sleep(0.05)


async def test_colleague_has_the_caller_and_both_lines_of_the_phone_are_free():
    async with consulting(may_be_replaced=True) as scene:
        referral = await scene.refers()
        assert [status async for status in referral] == [202, 100, 200]
        assert await scene.goes_on() == {"second"}
        assert voices(scene.theirs.receive_frame()) == {"caller"}
        assert scene.world.ann.events.count(LegEnded(reason="caller_hangup")) == 2
        joined = scene.theirs.call
        assert isinstance(joined, IncomingCall)
        assert joined.headers.get("Require") == "replaces"
        assert joined.headers.get("User-to-User") is not None


async def test_caller_hears_music_while_the_phone_asks_somebody_else():
    async with consulting(may_be_replaced=False) as scene:
        await scene.anns.hold()
        assert await scene.goes_on(1.5) == {"music"}  # once they were told
        referral = await scene.refers()
        assert await referral.result() == 603
        await scene.anns.resume()
        assert await scene.goes_on() == {"agent"}


async def test_agent_keeps_the_caller_when_the_colleague_does_not_take_the_call():
    async with consulting(may_be_replaced=False) as scene:
        referral = await scene.refers()
        assert [status async for status in referral] == [202, 100, 603]
        assert scene.world.ann.events == []
        assert scene.world.dialled[0].leg is not None


async def test_phone_that_names_a_call_that_is_over_is_told_so():
    async with consulting(may_be_replaced=True) as scene:
        replaces = scene.consultation.call.replaceable
        target = scene.consultation.target
        await scene.consultation.hang_up("too early")
        referral = await scene.anns.call.refer(target, replaces=replaces)
        await scene.goes_on()
        assert await referral.result() == 481


async def test_caller_is_frontdesks_again_when_the_phone_consulted_it():
    async with consulting(may_be_replaced=True) as scene:
        world, ours, ann = scene.world, scene.world.ours, scene.world.ann
        ours.answers = True
        to_us = await ann.dial(ours.uri)
        await to_us.answered()
        in_hand = replace(world.in_hand(uuid4(), world.caller), leg=ours.legs[-1])
        world.live.add(LiveCall(in_hand=in_hand, tapped=TappedRecorder(world.recorder)))
        referral = await scene.anns.refer(to_us.target, replaces=to_us)
        await scene.goes_on()
        assert [status async for status in referral] == [202, 100, 200]
        assert isinstance(await world.ended(), TakenBack)
        assert ann.events.count(LegEnded(reason="caller_hangup")) == 2
        assert len(ours.legs) == 1  # it did not call itself
