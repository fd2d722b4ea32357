"""Phones for tests: endpoints of ours with legs, on real sockets on the loopback interface."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import numpy as np

from telephony.outgoing_sip_leg import OutgoingSipLeg
from telephony.rtp.ports import PortRange
from telephony.sip.endpoint import SipEndpoint
from telephony.sip.incoming_call import IncomingCall
from telephony.sip.outgoing_call import DialOptions
from telephony.sip.registrar import Registrar
from telephony.sip_call_leg import MediaOptions, SipCallLeg
from telephony.sip_leg import SipLeg
from tests.fakes.sip_leg_world import HOST, TONE, until
from voice.events import LegEvent
from voice.frames import Pcm


class Phone:
    """One endpoint; calls that come wait in `legs` for the test to answer them."""

    def __init__(self, ports: PortRange) -> None:
        self.media = MediaOptions(ports=ports, bind_host=HOST)
        self.legs: list[SipLeg] = []
        self.calls: list[IncomingCall] = []
        self.events: list[LegEvent] = []
        self.answers = False
        self._answering: set[asyncio.Task[None]] = set()

    async def open(self, registrar: Registrar | None = None) -> "Phone":
        self.endpoint = await SipEndpoint.open(HOST, 0, on_call=self._on_call, registrar=registrar)
        return self

    @property
    def uri(self) -> str:
        return f"sip:phone@{HOST}:{self.endpoint.local_address[1]}"

    async def dial(self, target: str, **options: object) -> OutgoingSipLeg:
        dial = DialOptions(target=target, **options)  # pyright: ignore[reportArgumentType]
        leg = await OutgoingSipLeg.dial(self.endpoint, dial, media=self.media)
        leg.on_event = self.events.append
        return leg

    async def next_leg(self, count: int = 1) -> SipLeg:
        await until(lambda: len(self.legs) >= count)
        return self.legs[count - 1]

    def _on_call(self, call: IncomingCall) -> None:
        call.ring()
        leg = SipLeg(call, media=self.media)
        leg.on_event = self.events.append
        self.calls.append(call)
        self.legs.append(leg)
        if self.answers:
            self._answering.add(asyncio.create_task(leg.answer()))


@asynccontextmanager
async def phones(count: int) -> AsyncGenerator[list[Phone]]:
    """So many phones; no media port may still be taken when they close."""
    made = [await Phone(PortRange(33_000 + 100 * n, 33_099 + 100 * n)).open() for n in range(count)]
    try:
        yield made
    finally:
        await asyncio.gather(*(phone.endpoint.close(timeout_s=0.5) for phone in made))
        await asyncio.sleep(0.01)
    assert [phone.media.ports.taken for phone in made] == [0] * count


async def connected(caller: Phone, callee: Phone) -> tuple[OutgoingSipLeg, SipLeg]:
    """A call that is up, both its ends."""
    before = len(callee.legs)
    ours = await caller.dial(callee.uri)
    theirs = await callee.next_leg(before + 1)
    await asyncio.gather(theirs.answer(), ours.answered())
    return ours, theirs


async def hears(sender: SipCallLeg, listener: SipCallLeg, pcm: Pcm = TONE) -> bool:
    """Whether what one end says for a second at most comes out of the other."""
    for _ in range(50):
        sender.send_frame(pcm)
        await asyncio.sleep(0.004)
        if loud(listener.receive_frame()):
            return True
    return False


def loud(pcm: Pcm) -> bool:
    return int(np.abs(pcm.astype(np.int32)).max()) > 1000
