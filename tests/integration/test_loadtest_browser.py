"""A caller in a browser, against the phone door over real HTTP and WebRTC."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any, cast

import numpy as np
import pytest
from fastapi import FastAPI

from loadtest.call_line import open_call
from loadtest.errors import BadTargetError, RefusedError, UnreachableError
from loadtest.load.command import check_target
from server.calls import Calls
from server.config import PhoneConfig
from server.feed import Feed
from server.ice import webrtc_options
from server.phone_door import PhoneDoor
from server.phone_line import OwnPhoneLine
from server.web import serving
from telephony.leg import Leg
from telephony.media_clock import MediaClock
from telephony.webrtc import WebRtcPeers
from voice.events import KeyPressed, LegEnded, LegEvent
from voice.frames import Pcm

TONE: Pcm = (8_000 * np.sin(np.arange(160) * 2 * np.pi / 20)).astype(np.int16)  # whole periods


class Desk:
    """Takes one call: says a tone all the time, keeps what it hears, hangs up at a key."""

    def __init__(self) -> None:
        self.full = False
        self.loudest = 0
        self.events: list[LegEvent] = []
        self.ending: asyncio.Task[None] | None = None
        self.clock = MediaClock()
        self.url = ""

    def admit(self, *, trunk: str) -> int | None:
        return 30 if self.full else None

    def take(self, leg: Leg, call_id: uuid.UUID, *, trunk: str) -> None:
        def tick(_now_s: float) -> None:
            self.loudest = max(self.loudest, int(np.abs(leg.receive_frame()).max()))
            leg.send_frame(TONE)

        def told(event: LegEvent) -> None:
            self.events.append(event)
            if isinstance(event, KeyPressed):
                self.ending = asyncio.create_task(leg.hang_up("done"))
            if isinstance(event, LegEnded):
                self.clock.remove(tick)

        leg.on_event = told
        self.clock.add(tick)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    config = PhoneConfig.model_validate({"enabled": True, "host_addresses": ["127.0.0.1"]})
    app = FastAPI()
    peers = WebRtcPeers(webrtc_options(config, media_timeout_s=20))
    line = OwnPhoneLine(cast("Calls", made), peers, Feed())
    app.include_router(PhoneDoor(config, line=line).router)
    await made.clock.start()
    async with serving(app, "127.0.0.1", 0) as url:
        made.url = f"{url}/phone"
        yield made
    await made.clock.stop()
    if made.ending is not None:
        await made.ending


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  what the other end hears raises no event here
            await asyncio.sleep(0.02)


async def test_a_caller_in_a_browser_is_heard_hears_keys_and_is_hung_up_on(desk: Desk) -> None:
    frames: list[Pcm] = []
    async with open_call(desk.url, caller="load-1") as line:
        assert line.connection.codec == "PCMU"
        assert line.connection.setup_s > 0
        line.start(lambda frame, now: frames.append(frame))
        line.say(np.tile(TONE, 25))
        await until(lambda: desk.loudest > 6_000)
        await until(lambda: sum(int(np.abs(frame).max()) > 6_000 for frame in frames) > 25)
        line.press("5")
        async with asyncio.timeout(10):
            assert await line.wait_ended() == "hung up"
        ended = await line.hang_up("over")
    assert (ended.by, ended.reason) == ("frontdesk", "hung up")
    assert KeyPressed(key="5") in desk.events
    assert line.stats().packets_received > 25
    assert line.quality().loss == 0


async def test_a_caller_who_hangs_up_is_gone_for_the_desk(desk: Desk) -> None:
    async with open_call(desk.url, caller="load-1") as line:
        line.start(lambda frame, now: None)
        await until(lambda: line.received > 5)
        ended = await line.hang_up("enough")
    assert (ended.by, ended.reason) == ("caller", "enough")
    await until(lambda: LegEnded(reason="caller_hangup") in desk.events)


async def test_a_full_desk_refuses_and_says_when_to_try_again(desk: Desk) -> None:
    desk.full = True
    with pytest.raises(RefusedError) as refused:
        async with open_call(desk.url, caller="load-1"):
            pass
    assert refused.value.retryable


async def test_where_nobody_answers_the_caller_says_so() -> None:
    with pytest.raises(UnreachableError, match="does not answer"):
        async with open_call("http://127.0.0.1:9/phone", caller="load-1"):
            pass


def test_a_page_is_a_target_and_no_sip_one() -> None:
    assert check_target("http://127.0.0.1:8080/phone", None) == "http://127.0.0.1:8080/phone"
    with pytest.raises(BadTargetError, match="page"):
        check_target("http://127.0.0.1:8080/phone", "sip")
