"""The WebRTC leg with an aiortc peer as the browser, over loopback sockets."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from telephony.leg import LegGoneError
from telephony.webrtc import WebRtcLeg, WebRtcOptions, WebRtcPeers
from telephony.webrtc_audio import AudioCodec
from telephony.webrtc_errors import BadOfferError, TooManyPeersError
from tests.fakes.webrtc_peer import INFO, LOOPBACK, BrowserPeer
from voice.events import KeyPressed, LegEnded, LegEvent
from voice.frames import FRAME_S, Pcm

PCMU, OPUS = "audio/PCMU", "audio/opus"


class Clock:
    """Seconds of the leg's own, moved by the test."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead_s


class World:
    """Legs and browsers of one test, closed at its end."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.browsers: list[BrowserPeer] = []
        self.legs: list[WebRtcLeg] = []
        self.events: list[LegEvent] = []

    def peers(
        self, *, codec: AudioCodec = AudioCodec.PCMU, connect_s: float = 10.0, most: int = 4
    ) -> WebRtcPeers:
        options = WebRtcOptions(
            host_addresses=LOOPBACK, codec=codec, connect_s=connect_s, max_connecting=most
        )
        return WebRtcPeers(options, clock=self.clock)

    def browser(self, *codecs: str) -> BrowserPeer:
        self.browsers.append(BrowserPeer(*codecs))
        return self.browsers[-1]

    async def accept(self, peers: WebRtcPeers, browser: BrowserPeer) -> WebRtcLeg:
        leg = await peers.accept(await browser.offer(), INFO)
        leg.on_event = self.events.append
        self.legs.append(leg)
        return leg

    async def connect(
        self, browser: BrowserPeer, *, codec: AudioCodec = AudioCodec.PCMU
    ) -> WebRtcLeg:
        leg = await self.accept(self.peers(codec=codec), browser)
        await browser.take(leg.answer_sdp)
        await leg.answer()
        return leg

    async def close(self) -> None:
        for leg in self.legs:
            await leg.hang_up("test over")
        for browser in self.browsers:
            await browser.close()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.close()


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  there is nothing to wait on across the network
            await asyncio.sleep(0.01)


async def talk(leg: WebRtcLeg, frames: int, *, tone_hz: float) -> list[Pcm]:
    """Run the tick so long: send the tone, return what came in."""
    heard: list[Pcm] = []
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    for n in range(frames):
        await asyncio.sleep(max(0.0, start_s + n * FRAME_S - loop.time()))
        times = (n * 160 + np.arange(160)) / 8000
        leg.send_frame((10_000 * np.sin(2 * np.pi * tone_hz * times)).astype(np.int16))
        heard.append(leg.receive_frame())
    return heard


def loudest_hz(frames: list[np.ndarray]) -> float:
    """The strongest frequency of 8 kHz audio in its second half, to about 4 Hz."""
    pcm = np.concatenate(frames)[-4000:].astype(float)
    return float(np.argmax(np.abs(np.fft.rfft(pcm * np.hanning(pcm.size), 8000))))


@pytest.mark.parametrize("codec", AudioCodec)
async def test_tone_is_heard_as_that_tone_both_ways(world: World, codec: AudioCodec):
    browser = world.browser()
    leg = await world.connect(browser, codec=codec)
    assert leg.codec is codec
    heard = await talk(leg, 75, tone_hz=1000)
    assert all(frame.shape == (160,) and frame.dtype == np.int16 for frame in heard)
    assert loudest_hz(heard) == pytest.approx(440, abs=5)
    assert loudest_hz(browser.heard) == pytest.approx(1000, abs=5)
    for side in (heard, browser.heard):
        level = np.sqrt(np.mean(np.concatenate(side)[-4000:].astype(float) ** 2))
        assert level == pytest.approx(10_000 / np.sqrt(2), rel=0.2)
    assert leg.statistics.received > 40


async def test_the_other_codec_is_spoken_when_it_is_the_only_one_offered(world: World):
    leg = await world.connect(world.browser(OPUS), codec=AudioCodec.PCMU)
    assert leg.codec is AudioCodec.OPUS
    other = await world.connect(world.browser(PCMU), codec=AudioCodec.OPUS)
    assert other.codec is AudioCodec.PCMU


async def test_keys_come_over_their_channel_and_nonsense_there_is_passed_over(world: World):
    browser = world.browser()
    leg = await world.connect(browser)
    assert leg.reports_keys
    await until(lambda: browser.keys.readyState == "open")
    for message in (
        "not json",
        "[]",
        '{"type": "key", "key": "55"}',
        '{"type": "dance"}',
        "[" * 999,
    ):
        browser.keys.send(message)
    browser.keys.send('{"type": "key", "key": "5"}')
    browser.keys.send('{"type": "key", "key": "#"}')
    await until(lambda: len(world.events) == 2)
    assert world.events == [KeyPressed(key="5"), KeyPressed(key="#")]


async def test_captions_said_before_their_channel_opened_come_in_order(world: World):
    browser = world.browser()
    leg = await world.accept(world.peers(), browser)
    leg.send_caption("frontdesk", "Welcome", final=False)
    leg.send_caption("frontdesk", "Welcome.")
    await browser.take(leg.answer_sdp)
    await until(lambda: len(browser.captions) == 2)
    assert browser.captions == [
        '{"who": "frontdesk", "text": "Welcome", "final": false}',
        '{"who": "frontdesk", "text": "Welcome.", "final": true}',
    ]


async def test_browser_that_says_so_has_hung_up(world: World):
    browser = world.browser()
    await world.connect(browser)
    await until(lambda: browser.keys.readyState == "open")
    browser.keys.send('{"type": "hang_up"}')
    await until(lambda: world.events)
    assert world.events == [LegEnded(reason="caller_hangup")]


async def test_browser_that_closes_without_a_word_has_hung_up(world: World):
    browser = world.browser()
    await world.connect(browser)
    await browser.close()
    await until(lambda: world.events)
    assert world.events == [LegEnded(reason="caller_hangup")]


async def test_hanging_up_tells_the_browser_and_reports_the_end_once(world: World):
    browser = world.browser()
    leg = await world.connect(browser)
    await until(lambda: browser.keys.readyState == "open")
    await asyncio.gather(leg.hang_up("done"), leg.hang_up("again"))
    await until(lambda: browser.connection.connectionState == "closed")
    assert browser.told == ['{"type": "ended"}']
    assert world.events == [LegEnded(reason="server_hangup")]
    assert not leg.receive_frame().any()
    leg.send_frame(leg.receive_frame())


async def test_browser_that_vanishes_is_given_up_after_the_media_timeout(world: World):
    leg = await world.connect(world.browser())
    await talk(leg, 5, tone_hz=440)
    assert world.events == []
    world.clock.ahead_s = 25.0
    leg.receive_frame()
    await until(lambda: world.events)
    assert world.events == [LegEnded(reason="media_timeout")]


async def test_browser_that_never_connects_is_given_up_and_frees_its_place(world: World):
    peers = world.peers(connect_s=0.1, most=1)
    leg = await world.accept(peers, world.browser())
    with pytest.raises(TooManyPeersError):
        await peers.accept(await world.browser().offer(), INFO)
    with pytest.raises(LegGoneError):
        await leg.answer()
    assert peers.connecting == 0
    await until(lambda: world.events)
    assert world.events == [LegEnded(reason="network_error")]
    await world.accept(peers, world.browser())


async def test_end_before_anyone_listened_is_told_when_audio_is_asked_for(world: World):
    leg = await world.peers(connect_s=0.05).accept(await world.browser().offer(), INFO)
    with pytest.raises(LegGoneError):
        await leg.answer()
    await asyncio.sleep(0)
    leg.on_event = world.events.append
    leg.receive_frame()
    await until(lambda: world.events)
    assert world.events == [LegEnded(reason="network_error")]


@pytest.mark.parametrize(
    ("part", "becomes", "complaint"),
    [
        (r"(?s).*", "", "has: nothing"),
        (r"(?s).*", "v=0\r\nm=audio nonsense", "not SDP"),
        (r"\Z", "a=x" * 20_000, "longer than"),
        (r"\Z", "a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n" * 65, "candidates"),
        ("m=audio", "m=video", "one audio stream"),
        ("a=sendrecv", "a=recvonly", "both ways"),
        (r"a=ice-ufrag.*\r\n", "", "ICE username"),
        ("BUNDLE 0 1", "BUNDLE 9 0", "cannot be answered"),
        (r"a=rtpmap:96.*\r\n", "a=fmtp:96 x=1\r\n", "not SDP"),
        ("opus/48000/2", "speex/16000", "neither PCMU nor Opus"),
    ],
)
async def test_offer_that_cannot_be_answered_is_refused_with_its_reason(
    world: World, part: str, becomes: str, complaint: str
):
    peers = world.peers()
    offer = re.sub(part, lambda _: becomes, await world.browser(OPUS).offer())
    with pytest.raises(BadOfferError, match=complaint):
        await peers.accept(offer, INFO)
    assert peers.connecting == 0


async def test_calls_however_they_end_leave_no_task_socket_or_thread_behind():
    async def one_call(end: str) -> None:
        world = World()
        browser = world.browser()
        if end == "never connected":
            await world.accept(world.peers(connect_s=0.05), browser)
            await until(lambda: world.events)
        else:
            leg = await world.connect(browser)
            await talk(leg, 5, tone_hz=440)
            await (leg.hang_up("done") if end == "ours" else browser.close())
        await world.close()

    await one_call("ours")  # what is made once for all stays
    before = held()
    for end in ("ours", "theirs", "never connected"):
        await one_call(end)
    await until(lambda: held() <= before)


def held() -> tuple[int, int, int]:
    """Tasks, open sockets, and threads other than the loop's executor."""
    sockets = [fd for fd in Path("/proc/self/fd").iterdir() if is_socket(fd)]
    threads = [t for t in threading.enumerate() if not t.name.startswith("asyncio_")]
    return len(asyncio.all_tasks()), len(sockets), len(threads)


def is_socket(descriptor: Path) -> bool:
    try:
        return str(descriptor.readlink()).startswith("socket:")
    except FileNotFoundError:
        return False
