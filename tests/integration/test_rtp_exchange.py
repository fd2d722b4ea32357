"""Sessions served together on a tick, over the loopback interface."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable

import numpy as np
import pytest

from telephony.rtp.exchange import Pace, RtpExchange
from telephony.rtp.ports import PortRange
from telephony.rtp.session import RtpSession
from telephony.sip.media import Direction
from tests.fakes.rtp_world import EVENTS, FIRST_PORT, HOST, PCMA, PCMU, TONE, Clock, Peer
from voice.codec import Codec, decode, encode
from voice.frames import Pcm, silence

SPEECH = encode(Codec.PCMU, TONE)
HEARD = decode(Codec.PCMU, SPEECH)
FADED = 80  # samples at most, in which the first frame rises out of the silence before it


class House:
    """An exchange, its sessions, a peer of each, and a clock that only the test moves."""

    def __init__(self, pace: Pace | None = None) -> None:
        self.clock = Clock()
        self.exchange = RtpExchange(clock=self.clock, pace=pace)
        self.sessions: list[RtpSession] = []
        self.peers: list[Peer] = []

    async def call(self, codec: Codec = Codec.PCMU) -> tuple[RtpSession, Peer]:
        session = await RtpSession.open(
            HOST,
            PortRange(FIRST_PORT + 200, FIRST_PORT + 399),
            randomness=random.Random(len(self.sessions)),
            clock=self.clock,
            exchange=self.exchange,
        )
        peer = await Peer().open()
        session.connect(
            remote_host=HOST,
            remote_port=peer.port,
            payload_type=PCMU if codec is Codec.PCMU else PCMA,
            codec=codec,
            event_payload_type=EVENTS,
            direction=Direction.SENDRECV,
        )
        self.sessions.append(session)
        self.peers.append(peer)
        return session, peer

    def tick(self, said: Pcm | None = None) -> list[Pcm]:
        """One tick; what each open session hears in it."""
        self.exchange.take_in(self.clock())
        heard = [session.receive_frame() for session in self.sessions]
        if said is not None:
            for session in self.sessions:
                session.send_frame(said)
        self.exchange.send_out(self.clock())
        self.clock.now_s += 0.02
        return heard

    def close(self) -> None:
        for session in self.sessions:
            session.close()
        for peer in self.peers:
            peer.close()
        self.exchange.close()


@pytest.fixture
async def house() -> AsyncGenerator[House]:
    made = House()
    yield made
    made.close()


async def test_each_session_hears_its_own_peer(house: House) -> None:
    (one, first), (other, second) = await house.call(), await house.call(Codec.PCMA)
    house.tick()
    first.send(one.local_port, SPEECH)
    second.send(other.local_port, encode(Codec.PCMA, -TONE), payload_type=PCMA)
    heard = house.tick()
    theirs = decode(Codec.PCMA, encode(Codec.PCMA, -TONE))
    assert np.array_equal(heard[0][FADED:], HEARD[FADED:])
    assert np.array_equal(heard[1][FADED:], theirs[FADED:])


async def test_all_that_has_come_to_a_session_is_taken_at_once(house: House) -> None:
    session, peer = await house.call()
    house.tick()
    for _ in range(4):
        peer.send(session.local_port, SPEECH)
    house.exchange.take_in(0.0)
    assert session.statistics.inbound.received == 4


async def test_every_frame_is_heard_once_and_in_order(house: House) -> None:
    session, peer = await house.call()
    house.tick()
    sent = [np.roll(TONE, shift) for shift in range(5)]
    heard: list[Pcm] = []
    for frame in sent:
        peer.send(session.local_port, encode(Codec.PCMU, frame))
        heard += house.tick()
    expected = [decode(Codec.PCMU, encode(Codec.PCMU, frame)) for frame in sent]
    np.testing.assert_array_equal(np.array(heard)[:, FADED:], np.array(expected)[:, FADED:])


async def test_who_takes_no_frames_loses_none(house: House) -> None:
    session, peer = await house.call()
    for _ in range(3):
        peer.send(session.local_port, SPEECH)
        house.exchange.take_in(0.0)
    assert session.statistics.inbound.received == 3
    assert [np.array_equal(session.receive_frame(), HEARD) for _ in range(3)] == [True] * 3


async def test_packets_leave_at_the_end_of_the_tick(house: House) -> None:
    session, peer = await house.call()
    session.send_frame(TONE)
    assert session.statistics.sent == 0
    house.exchange.send_out(0.0)
    assert session.statistics.sent == 1
    async with asyncio.timeout(5):
        while not peer.packets:  # noqa: ASYNC110 - a socket's progress raises no event
            await asyncio.sleep(0.001)
    assert peer.packets[0].payload == SPEECH


async def test_nothing_is_sent_for_a_session_that_was_closed_meanwhile(house: House) -> None:
    session, _ = await house.call()
    session.send_frame(TONE)
    session.close()
    house.exchange.send_out(0.0)
    assert session.statistics.sent == 0
    assert np.array_equal(session.receive_frame(), silence())
    assert len(house.exchange) == 0


async def test_a_key_that_ends_the_call_does_not_disturb_the_others(house: House) -> None:
    (one, first), (other, second) = await house.call(), await house.call()
    one.on_key = lambda key: one.close()
    house.tick()
    first.send(one.local_port, b"\x05\x0a\x00\xa0", payload_type=EVENTS)
    second.send(other.local_port, SPEECH)
    assert np.array_equal(house.tick()[1][FADED:], HEARD[FADED:])


async def test_time_from_one_sending_to_the_next_is_kept(house: House) -> None:
    await house.call()
    for _ in range(3):
        house.tick(TONE)
    house.clock.now_s += 0.006
    house.tick(TONE)
    assert house.exchange.jitter.ticks == 3
    assert house.exchange.jitter.max_ms == pytest.approx(6.0)


class Held:
    """Implements Pace: what is held waits until the test lets it go."""

    def __init__(self) -> None:
        self.due_s = 0.0
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        self.waiting.append((delay_s, call))


async def test_packets_of_a_full_process_are_held_until_the_phase_of_their_tick() -> None:
    pace = Held()
    house = House(pace)
    session, _ = await house.call()
    for number in range(3000):
        pace.due_s = 10.0 + number * 0.02
        house.clock.now_s = pace.due_s + (0.012 if number % 2 else 0.016)  # when it is ready
        session.send_frame(TONE)
        house.exchange.send_out(house.clock())
        for delay_s, go in pace.waiting[-1:]:
            house.clock.now_s += delay_s
            go()
        pace.waiting.clear()
    assert house.exchange.jitter.recent_ms(1.0) < 1.0, "they were ready 4 ms apart"
    assert session.statistics.sent == 3000
    house.close()


async def test_packets_that_are_held_leave_before_those_of_the_next_tick() -> None:
    pace = Held()
    house = House(pace)
    session, _ = await house.call()
    for number in range(1500):
        pace.due_s = 10.0 + number * 0.02
        house.clock.now_s = pace.due_s + (0.012 if number % 2 else 0.016)
        session.send_frame(TONE)
        house.exchange.send_out(house.clock())
    assert session.statistics.sent == 1499, "the last are held"
    pace.waiting[-2][1]()
    assert session.statistics.sent == 1499, "these had left before"
    pace.waiting[-1][1]()
    assert session.statistics.sent == 1500
    house.close()
