"""SIP legs against a caller of the test's own, over real sockets on the loopback interface."""

import asyncio
import contextlib
import re
import struct
from collections.abc import AsyncGenerator, Callable

import numpy as np
import pytest

from telephony.leg import Leg, LegGoneError
from telephony.rtp.packet import RtpPacket, parse, serialise
from telephony.rtp.ports import PortRange
from telephony.sip.endpoint import SipEndpoint
from telephony.sip.incoming_call import IncomingCall
from telephony.sip.media import Direction, MediaAgreement
from telephony.sip_leg import MediaOptions, SipLeg
from voice.codec import Codec, encode
from voice.events import KeyPressed, LegEnded, LegEvent
from voice.frames import Pcm

HOST = "127.0.0.1"
TONE: Pcm = (8000 * np.sin(np.arange(160) * 2 * np.pi / 20)).astype(np.int16)
TIMEOUT_S = 20.0
AGREEMENT = MediaAgreement(
    remote_host=HOST,
    remote_port=9,
    payload_type=0,
    codec="PCMU",
    event_payload_type=101,
    direction=Direction.SENDRECV,
    ptime_ms=20,
)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - a socket's progress raises no event
            await asyncio.sleep(0.001)


class Inbox(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.datagrams: list[bytes] = []

    async def open(self) -> "Inbox":
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(HOST, 0))
        self.port: int = self.transport.get_extra_info("sockname")[1]
        return self

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.datagrams.append(data)


class Caller:
    """A phone in its barest form: it sends requests and reads what comes back as text."""

    def __init__(self, sip: Inbox, rtp: Inbox, server: tuple[str, int]) -> None:
        self._sip, self.rtp, self._server = sip, rtp, server
        self._number, self._tag, self._branches = 0, "", 0
        self._sequence = 0

    @property
    def messages(self) -> list[str]:
        return [datagram.decode() for datagram in self._sip.datagrams]

    def got(self, start: str) -> str | None:
        """The first message that begins so."""
        return next((each for each in self.messages if each.startswith(start)), None)

    async def wait_for(self, start: str) -> str:
        await until(lambda: self.got(start))
        return self.got(start) or ""

    def sdp(self, direction: str = "sendrecv") -> str:
        return (
            f"v=0\r\no=- 1 {self._number} IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
            f"m=audio {self.rtp.port} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
            f"a={direction}\r\n"
        )

    def send(
        self, method: str, *, body: str = "", kind: str = "application/sdp", same: bool = False
    ) -> None:
        """Send a request; `same`: within the transaction of the last one, as ACK and CANCEL are."""
        if not same:
            self._number += 1
            self._branches += 1
        to_tag = f";tag={self._tag}" if self._tag else ""
        kind_field = f"Content-Type: {kind}\r\n" if body else ""
        message = (
            f"{method} sip:desk@{HOST} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {HOST}:{self._sip.port};branch=z9hG4bK{self._branches}\r\n"
            f"Max-Forwards: 70\r\n"
            f"From: <sip:alice@example.com>;tag=caller\r\nTo: <sip:desk@{HOST}>{to_tag}\r\n"
            f"Call-ID: call-1\r\nCSeq: {self._number} {method}\r\n"
            f"Contact: <sip:alice@{HOST}:{self._sip.port}>\r\n{kind_field}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        self._sip.transport.sendto(message.encode(), self._server)

    async def dial(self) -> None:
        self.send("INVITE", body=self.sdp())
        await asyncio.sleep(0)

    async def acknowledge(self) -> int:
        """Await 200, send ACK; returns the port the other side's media is at."""
        answer = await self.wait_for("SIP/2.0 200")
        self._tag = found(r"To:.*;tag=([^\s;]+)", answer)
        self._branches += 1
        self.send("ACK", same=True)
        return int(found(r"m=audio (\d+)", answer))

    async def reinvite(self, direction: str) -> None:
        self._sip.datagrams.clear()
        self.send("INVITE", body=self.sdp(direction))
        await self.wait_for("SIP/2.0 200")
        self._branches += 1
        self.send("ACK", same=True)

    def speak(self, port: int, payload: bytes, payload_type: int = 0, start: int = 0) -> None:
        packet = RtpPacket(
            payload_type=payload_type,
            sequence=self._sequence,
            timestamp=start or self._sequence * 160,
            ssrc=1,
            payload=payload,
        )
        self._sequence += 1
        self.rtp.transport.sendto(serialise(packet), (HOST, port))

    def confirm_bye(self) -> None:
        bye = self.got("BYE") or ""
        fields = [
            line for line in bye.split("\r\n") if re.match(r"(Via|From|To|Call-ID|CSeq):", line)
        ]
        answer = "\r\n".join(["SIP/2.0 200 OK", *fields, "Content-Length: 0", "", ""])
        self._sip.transport.sendto(answer.encode(), self._server)


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, text
    return match[1]


class World:
    """An endpoint of ours that makes legs, a caller of theirs, a clock only the test moves."""

    def __init__(self, ports: PortRange) -> None:
        self.now_s = 1000.0
        self.media = MediaOptions(ports=ports, bind_host=HOST, timeout_s=TIMEOUT_S)
        self.listen = True
        self.events: list[LegEvent] = []
        self.calls: list[IncomingCall] = []
        self.legs: list[SipLeg] = []

    async def open(self) -> "World":
        self.endpoint = await SipEndpoint.open(HOST, 0, on_call=self._on_call)
        sip, rtp = await Inbox().open(), await Inbox().open()
        self.caller = Caller(sip, rtp, self.endpoint.local_address)
        self._inboxes = [sip, rtp]
        return self

    def _on_call(self, call: IncomingCall) -> None:
        self.calls.append(call)
        leg = SipLeg(call, media=self.media, clock=lambda: self.now_s)
        if self.listen:
            leg.on_event = self.events.append
        self.legs.append(leg)

    @property
    def leg(self) -> SipLeg:
        return self.legs[0]

    async def offered(self) -> SipLeg:
        await self.caller.dial()
        await until(lambda: self.legs)
        return self.leg

    async def answered(self) -> int:
        """A call that is up; the port our media is at."""
        leg = await self.offered()
        answering = asyncio.create_task(leg.answer())
        port = await self.caller.acknowledge()
        await answering
        return port

    async def taken(self, port: int, payload: bytes, payload_type: int = 0, start: int = 0) -> Pcm:
        """Let a packet arrive; the frame heard then."""
        statistics = self.leg.statistics
        assert statistics is not None
        self.caller.speak(port, payload, payload_type, start)
        await until(lambda: self.leg.statistics != statistics)
        return self.leg.receive_frame()

    async def over(self) -> None:
        await until(lambda: any(isinstance(event, LegEnded) for event in self.events))

    async def close(self) -> None:
        if self.caller.got("BYE") is not None:
            self.caller.confirm_bye()
        await self.endpoint.close(timeout_s=0.05)
        for inbox in self._inboxes:
            inbox.transport.close()
        await asyncio.sleep(0.001)


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    made = await World(PortRange(32_000, 32_099)).open()
    yield made
    await made.close()
    assert made.media.ports.taken == 0


def press(key: int, *, end: bool = False) -> bytes:
    return struct.pack("!BBH", key, 0x8A if end else 10, 160)


async def test_a_leg_is_a_leg(world: World) -> None:
    leg: Leg = await world.offered()
    assert leg.info.call_id == "call-1"
    assert leg.info.caller == "sip:alice@example.com"
    assert leg.info.transport == "sip/udp"


async def test_an_answered_call_carries_audio_both_ways(world: World) -> None:
    port = await world.answered()
    heard = [await world.taken(port, encode(Codec.PCMU, TONE)) for _ in range(3)]
    assert np.abs(heard[-1]).max() > 7000
    world.leg.send_frame(TONE)
    await until(lambda: world.caller.rtp.datagrams)
    assert parse(world.caller.rtp.datagrams[0]).payload == encode(Codec.PCMU, TONE)


async def test_before_the_answer_and_after_the_end_there_is_silence(world: World) -> None:
    leg = await world.offered()
    leg.send_frame(TONE)
    assert not leg.receive_frame().any()
    await leg.reject(486)
    await world.over()
    leg.send_frame(TONE)
    assert not leg.receive_frame().any()
    assert world.caller.rtp.datagrams == []


async def test_a_refused_call_gets_its_status_and_takes_no_port(world: World) -> None:
    leg = await world.offered()
    await leg.reject(503, retry_after_s=7)
    refusal = await world.caller.wait_for("SIP/2.0 503")
    assert "Retry-After: 7" in refusal
    await world.over()
    assert leg.statistics is None


async def test_keys_by_telephone_event_are_reported(world: World) -> None:
    port = await world.answered()
    await world.taken(port, press(5), 101, 4000)
    await world.taken(port, press(5, end=True), 101, 4000)
    assert world.events == [KeyPressed(key="5")]


async def info(world: World, key: str) -> None:
    replies = len(world.caller.messages)
    world.caller.send(
        "INFO", body=f"Signal={key}\r\nDuration=100\r\n", kind="application/dtmf-relay"
    )
    await until(lambda: len(world.caller.messages) > replies)
    await asyncio.sleep(0)


async def test_keys_by_info_are_reported(world: World) -> None:
    await world.answered()
    await info(world, "7")
    await info(world, "7")
    assert world.events == [KeyPressed(key="7")] * 2


async def test_a_key_sent_both_ways_is_one_key(world: World) -> None:
    port = await world.answered()
    await world.taken(port, press(5), 101, 4000)
    world.now_s += 0.09
    await info(world, "5")
    assert world.events == [KeyPressed(key="5")]
    world.now_s += 1.0
    await info(world, "6")
    world.now_s += 0.09
    await world.taken(port, press(6), 101, 16_000)
    assert world.events == [KeyPressed(key="5"), KeyPressed(key="6")]


async def test_an_info_when_a_long_key_is_let_go_is_the_same_key(world: World) -> None:
    port = await world.answered()
    await world.taken(port, press(5), 101, 4000)
    world.now_s += 0.6
    await world.taken(port, press(5, end=True), 101, 4000)
    world.now_s += 0.05
    await info(world, "5")
    assert world.events == [KeyPressed(key="5")]


async def test_the_same_key_later_or_another_key_at_once_counts(world: World) -> None:
    port = await world.answered()
    await world.taken(port, press(5), 101, 4000)
    await info(world, "6")
    world.now_s += 0.2
    await info(world, "5")
    assert world.events == [KeyPressed(key=key) for key in "565"]


async def test_a_caller_who_hangs_up_ends_the_leg(world: World) -> None:
    await world.answered()
    world.caller.send("BYE")
    await world.over()
    assert world.events == [LegEnded(reason="caller_hangup")]
    await world.leg.hang_up("done")
    assert len(world.events) == 1


async def test_a_caller_who_cancels_ends_the_leg_and_the_answer(world: World) -> None:
    leg = await world.offered()
    world.caller.send("CANCEL", same=True)
    await world.over()
    assert world.events == [LegEnded(reason="caller_hangup")]
    with pytest.raises(LegGoneError):
        await leg.answer()


async def test_a_caller_who_hangs_up_while_we_answer_ends_the_answer(world: World) -> None:
    leg = await world.offered()
    answering = asyncio.create_task(leg.answer())
    await world.caller.wait_for("SIP/2.0 200")
    assert world.media.ports.taken == 1
    hanging_up = asyncio.create_task(leg.hang_up("done"))
    with pytest.raises(LegGoneError):
        await answering
    await world.caller.acknowledge()
    await world.caller.wait_for("BYE")
    world.caller.confirm_bye()
    await hanging_up
    assert world.events == [LegEnded(reason="server_hangup")]


async def test_a_caller_who_hangs_up_right_after_the_answer_ends_the_leg(world: World) -> None:
    leg = await world.offered()
    answering = asyncio.create_task(leg.answer())
    await world.caller.acknowledge()
    world.caller.send("BYE")
    with contextlib.suppress(LegGoneError):  # which of the two is seen first is the loop's choice
        await answering
    await world.over()
    await until(lambda: world.media.ports.taken == 0)
    assert world.events == [LegEnded(reason="caller_hangup")]


async def test_an_end_seen_before_the_answer_resumes_ends_the_answer(world: World) -> None:
    leg = await world.offered()
    answering = asyncio.create_task(leg.answer())
    await world.caller.wait_for("SIP/2.0 200")
    world.calls[0].note_established(AGREEMENT)
    world.calls[0].note_ended("caller_hangup")
    with pytest.raises(LegGoneError):
        await answering
    await world.over()
    await until(lambda: world.media.ports.taken == 0)
    assert world.events == [LegEnded(reason="caller_hangup")]
    await world.caller.acknowledge()


async def test_a_cancelled_answer_gives_its_port_back(world: World) -> None:
    leg = await world.offered()
    answering = asyncio.create_task(leg.answer())
    await world.caller.wait_for("SIP/2.0 200")
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    await until(lambda: world.media.ports.taken == 0)
    await world.caller.acknowledge()


async def test_our_hanging_up_sends_bye_and_is_reported_once(world: World) -> None:
    await world.answered()
    hanging_up = asyncio.create_task(world.leg.hang_up("done"))
    await world.over()
    await world.caller.wait_for("BYE")
    assert world.media.ports.taken == 0
    world.caller.confirm_bye()
    await hanging_up
    await world.leg.hang_up("done")
    assert world.events == [LegEnded(reason="server_hangup")]
    assert world.leg.statistics is not None


async def test_a_caller_without_media_is_hung_up_on(world: World) -> None:
    port = await world.answered()
    world.now_s += TIMEOUT_S - 1
    await world.taken(port, encode(Codec.PCMU, TONE))
    world.now_s += TIMEOUT_S - 0.1
    world.leg.receive_frame()
    await asyncio.sleep(0.01)
    assert world.events == []
    world.now_s += 0.2
    world.leg.receive_frame()
    assert world.events == []  # never from within receive_frame
    await world.over()
    assert world.events == [LegEnded(reason="media_timeout")]
    await world.caller.wait_for("BYE")
    assert world.media.ports.taken == 0


async def test_a_caller_who_never_sent_anything_is_hung_up_on(world: World) -> None:
    await world.answered()
    world.now_s += TIMEOUT_S
    world.leg.receive_frame()
    await world.over()
    assert world.events == [LegEnded(reason="media_timeout")]


@pytest.mark.parametrize("direction", ["sendonly", "inactive"])
async def test_a_caller_who_put_us_on_hold_may_be_silent(world: World, direction: str) -> None:
    await world.answered()
    await world.caller.reinvite(direction)
    await until(lambda: world.leg.on_hold)
    world.now_s += 10 * TIMEOUT_S
    world.leg.receive_frame()
    world.leg.send_frame(TONE)
    await asyncio.sleep(0.01)
    assert world.events == []
    assert world.caller.rtp.datagrams == []


async def test_after_a_hold_the_time_without_media_counts_anew(world: World) -> None:
    await world.answered()
    await world.caller.reinvite("sendonly")
    await until(lambda: world.leg.on_hold)
    world.now_s += 10 * TIMEOUT_S
    await world.caller.reinvite("sendrecv")
    await until(lambda: not world.leg.on_hold)
    world.leg.receive_frame()
    await asyncio.sleep(0.01)
    assert world.events == []
    world.leg.send_frame(TONE)
    await until(lambda: world.caller.rtp.datagrams)
    world.now_s += TIMEOUT_S
    world.leg.receive_frame()
    await world.over()


async def test_without_a_media_port_the_caller_is_told_to_try_again() -> None:
    ports = PortRange(32_200, 32_201)
    port, world = ports.take(), await World(ports).open()
    leg = await world.offered()
    with pytest.raises(LegGoneError, match="in use"):
        await leg.answer()
    assert "Retry-After" in await world.caller.wait_for("SIP/2.0 503")
    await world.over()
    ports.release(port)
    await world.close()


async def test_an_end_before_anyone_listens_is_reported_when_someone_does(world: World) -> None:
    world.listen = False
    leg = await world.offered()
    heard: list[LegEvent] = []
    world.caller.send("CANCEL", same=True)
    await world.caller.wait_for("SIP/2.0 487")
    await asyncio.sleep(0.01)
    leg.on_event = heard.append
    leg.receive_frame()
    leg.receive_frame()
    await until(lambda: heard)
    assert heard == [LegEnded(reason="caller_hangup")]


async def test_a_listener_that_fails_does_not_break_the_call(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    port = await world.answered()

    def fail(_event: LegEvent) -> None:
        raise RuntimeError("a defect in one call")

    world.leg.on_event = fail
    await world.taken(port, press(5), 101, 4000)
    assert "A leg's event was not handled" in caplog.text
    heard = [await world.taken(port, encode(Codec.PCMU, TONE)) for _ in range(3)]
    assert heard[-1].any()
