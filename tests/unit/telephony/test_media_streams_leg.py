"""A leg on a scripted WebSocket, with a clock that only the test moves."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.frames import Close

from telephony.leg import Leg, LegGoneError
from telephony.media_streams.leg import MediaStreamLeg
from telephony.media_streams.twilio import Started, parse
from tests.fakes import carrier
from voice.codec import Codec, decode, encode
from voice.events import KeyPressed, LegEnded, LegEvent

TIMEOUT_S = 20.0
OURS: bytes = encode(Codec.PCMU, carrier.TONE)


class Channel:
    """A WebSocket whose far end is the test."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.closed: list[int] = []
        self.open = asyncio.Event()  # the network takes what is sent
        self.open.set()
        self._incoming: asyncio.Queue[str | bytes | Exception] = asyncio.Queue()

    def say(self, *messages: str | bytes) -> None:
        for message in messages:
            self._incoming.put_nowait(message)

    def end(self, code: int) -> None:
        kind = ConnectionClosedOK if code in (1000, 1001) else ConnectionClosedError
        self._incoming.put_nowait(kind(Close(code, ""), None))

    async def send(self, message: str) -> None:
        await self.open.wait()
        self.sent.append(json.loads(message))

    async def recv(self) -> str | bytes:
        message = await self._incoming.get()
        if isinstance(message, Exception):
            raise message
        return message

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if not self.closed:
            self.end(1000)
        self.closed.append(code)

    @property
    def events(self) -> list[str]:
        return [message["event"] for message in self.sent]


class World:
    def __init__(self) -> None:
        self.now_s = 1000.0
        self.channel = Channel()
        start = parse(carrier.start(parameters={"From": "+15550100", "to": "+15550199"}))
        assert isinstance(start, Started)
        self.leg = MediaStreamLeg(
            self.channel,
            start,
            peer="192.0.2.1:4711",
            media_timeout_s=TIMEOUT_S,
            clock=lambda: self.now_s,
        )
        self.events: list[LegEvent] = []
        self.leg.on_event = self.events.append
        self.running = asyncio.create_task(self.leg.run())


@pytest.fixture
async def world() -> AsyncGenerator[World, None]:
    world = World()
    await world.leg.answer()
    yield world
    world.channel.end(1000)
    await world.running


async def settle() -> None:
    """Let everything that can happen at this instant happen."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_it_is_a_leg_and_knows_who_calls_whom(world: World) -> None:
    leg: Leg = world.leg
    assert (leg.info.call_id, leg.info.transport) == (carrier.CALL_SID, "twilio/ws")
    assert (leg.info.caller, leg.info.callee) == ("+15550100", "+15550199")
    assert leg.info.peer == "192.0.2.1:4711"


async def test_callers_audio_is_heard(world: World) -> None:
    world.channel.say(carrier.audio(carrier.TONE, 1), carrier.audio(carrier.TONE, 2))
    await settle()
    heard = world.leg.receive_frame()
    assert np.array_equal(heard, decode(Codec.PCMU, OURS))


async def test_a_dry_line_fades_into_silence(world: World) -> None:
    world.channel.say(carrier.audio(carrier.TONE, 1), carrier.audio(carrier.TONE, 2))
    await settle()
    peaks = [int(np.abs(world.leg.receive_frame()).max()) for _ in range(6)]
    assert peaks[2] > 0
    assert peaks[5] == 0


async def test_our_frames_are_sent_one_message_each(world: World) -> None:
    for _ in range(3):
        world.leg.send_frame(carrier.TONE)
    await settle()
    assert world.channel.events == ["media"] * 3
    assert parse(json.dumps(world.channel.sent[0])) == parse(carrier.media(OURS))
    assert world.channel.sent[0]["streamSid"] == carrier.STREAM_SID
    assert world.leg.statistics.sent == 3


async def test_a_stalled_network_costs_old_frames_and_never_blocks_the_tick(world: World) -> None:
    world.channel.open.clear()
    for _ in range(50):
        world.leg.send_frame(carrier.TONE)
        await settle()
    assert world.channel.sent == []
    world.channel.open.set()
    await settle()
    assert world.channel.events == ["media", "clear", "media", "media"]
    assert world.leg.statistics.dropped == 47


async def test_before_the_answer_nothing_is_heard_or_sent() -> None:
    world = World()
    world.channel.say(carrier.audio(carrier.TONE, 1), carrier.audio(carrier.TONE, 2))
    world.leg.send_frame(carrier.TONE)
    await settle()
    assert not world.leg.receive_frame().any()
    assert world.channel.sent == []
    world.channel.end(1000)
    await world.running


async def test_keys_are_reported(world: World) -> None:
    world.channel.say(carrier.dtmf("4"), carrier.dtmf("#"))
    await settle()
    assert world.events == [KeyPressed(key="4"), KeyPressed(key="#")]


async def test_malformed_messages_are_counted_and_the_call_goes_on(world: World) -> None:
    world.channel.say("nonsense", b"\x00", carrier.dtmf("nonsense"), carrier.dtmf("1"))
    await settle()
    assert world.events == [KeyPressed(key="1")]
    assert world.leg.statistics.malformed == 3


async def test_a_handler_that_fails_does_not_end_the_stream(world: World) -> None:
    def fail(_event: LegEvent) -> None:
        raise RuntimeError

    world.leg.on_event = fail
    world.channel.say(carrier.dtmf("1"))
    await settle()
    world.leg.on_event = world.events.append
    world.channel.say(carrier.dtmf("2"))
    await settle()
    assert world.events == [KeyPressed(key="2")]


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("stop", "caller_hangup"),
        (1000, "caller_hangup"),
        (1001, "caller_hangup"),
        (1006, "network_error"),
        (1011, "network_error"),
    ],
)
async def test_the_end_is_reported_once_with_its_reason(end: str | int, reason: str) -> None:
    world = World()
    await world.leg.answer()
    if isinstance(end, int):
        world.channel.end(end)
    else:
        world.channel.say(carrier.stop())
    await world.running
    await world.leg.hang_up("done")
    assert world.events == [LegEnded(reason=reason)]
    assert not world.leg.receive_frame().any()


async def test_an_end_before_anyone_listened_is_reported_after_the_next_frame() -> None:
    world = World()
    world.leg.on_event = MediaStreamLeg(
        world.channel, Started(stream_sid="MZ1", parameters={}), peer=""
    ).on_event  # as it is before anyone has set it
    await world.leg.answer()
    world.channel.say(carrier.stop())
    await world.running
    await settle()
    world.leg.on_event = world.events.append
    world.leg.receive_frame()
    assert world.events == []
    await settle()
    assert world.events == [LegEnded(reason="caller_hangup")]


async def test_answering_a_stream_that_has_ended_fails() -> None:
    world = World()
    world.channel.say(carrier.stop())
    await world.running
    with pytest.raises(LegGoneError):
        await world.leg.answer()


async def test_hanging_up_lets_the_caller_hear_the_last_words(world: World) -> None:
    world.leg.send_frame(carrier.TONE)
    hanging_up = asyncio.create_task(world.leg.hang_up("done"))
    await settle()
    assert world.events == [LegEnded(reason="server_hangup")]
    assert world.channel.events == ["media", "mark"]
    assert world.channel.closed == []
    world.channel.say(carrier.mark("another"))
    await settle()
    assert not hanging_up.done()
    world.channel.say(carrier.mark(world.channel.sent[-1]["mark"]["name"]))
    await settle()
    assert hanging_up.done()
    assert world.channel.closed == [1000]


async def test_after_hanging_up_nothing_is_sent_or_reported(world: World) -> None:
    hanging_up = asyncio.create_task(world.leg.hang_up("done"))
    await settle()
    world.leg.send_frame(carrier.TONE)
    world.channel.say(carrier.dtmf("1"))
    await settle()
    assert world.channel.events == ["mark"]
    assert world.events == [LegEnded(reason="server_hangup")]
    world.channel.end(1000)
    await hanging_up


async def test_a_carrier_that_goes_meanwhile_does_not_hold_up_hanging_up(world: World) -> None:
    hanging_up = asyncio.create_task(world.leg.hang_up("done"))
    await settle()
    world.channel.say(carrier.stop())
    await settle()
    assert hanging_up.done()
    assert world.events == [LegEnded(reason="server_hangup")]


@pytest.mark.parametrize(("status", "code"), [(486, 1013), (503, 1013), (403, 1008), (603, 1008)])
async def test_rejection_closes_with_a_code(status: int, code: int) -> None:
    world = World()
    await world.leg.reject(status)
    await world.running
    assert world.channel.closed == [code]


async def test_silence_of_the_line_ends_the_call_as_media_timeout(world: World) -> None:
    world.now_s += TIMEOUT_S - 0.25
    world.channel.say(carrier.audio(carrier.SILENCE, 1))
    await settle()
    world.now_s += TIMEOUT_S - 0.25
    world.leg.receive_frame()
    await settle()
    assert world.events == []
    world.now_s += 0.25
    world.leg.receive_frame()
    await settle()
    assert world.events == [LegEnded(reason="media_timeout")]
    assert world.channel.closed == [1000]
