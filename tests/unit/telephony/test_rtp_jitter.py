"""The jitter buffer over simulated networks, in virtual time."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from telephony.rtp.jitter import Gap, JitterBuffer
from telephony.rtp.packet import RtpPacket

TICK_S = 0.02
LOUD, QUIET = b"\x80", b"\xff"

Network = Callable[[int], float | None]
"""The delay in seconds of the n-th packet; None when it is lost."""


def audio(number: int, ptime_ms: int = 20, fill: bytes = LOUD) -> bytes:
    """A payload whose every 10 ms say where in the stream they belong."""
    tens = range(number * ptime_ms // 10, (number + 1) * ptime_ms // 10)
    return b"".join(ten.to_bytes(4, "big") + fill * 76 for ten in tens)


def packet(
    number: int,
    *,
    ptime_ms: int = 20,
    sequence: int | None = None,
    timestamp: int = 0,
    ssrc: int = 1,
    fill: bytes = LOUD,
) -> RtpPacket:
    return RtpPacket(
        payload_type=0,
        sequence=(number if sequence is None else sequence) % (1 << 16),
        timestamp=(timestamp + number * ptime_ms * 8) % (1 << 32),
        ssrc=ssrc,
        payload=audio(number, ptime_ms, fill),
    )


def is_quiet(payload: bytes) -> bool:
    return payload[4:80] == QUIET * 76


@dataclass(slots=True, kw_only=True)
class Heard:
    """What a listener got, tick by tick, and when each piece was due."""

    buffer: JitterBuffer
    frames: list[bytes | Gap] = field(default_factory=list[bytes | Gap])
    delays_ms: list[float] = field(default_factory=list[float])
    slips: list[int] = field(default_factory=list[int])  # with each delay

    @property
    def payloads(self) -> list[bytes]:
        return [frame for frame in self.frames if isinstance(frame, bytes)]

    @property
    def positions(self) -> list[int]:
        """The place in the stream of every 10 ms heard."""
        tens = b"".join(self.payloads)
        return [int.from_bytes(tens[at : at + 4], "big") for at in range(0, len(tens), 80)]

    def count(self, gap: Gap) -> int:
        return self.frames.count(gap)


def listen(
    network: Network,
    *,
    packets: int = 500,
    ptime_ms: int = 20,
    phase_s: float = 0.007,
    timestamp: int = 0,
    sequence: int = 0,
    fill: Callable[[int], bytes] = lambda _: LOUD,
    spoken: Callable[[int], bool] = lambda _: True,
) -> Heard:
    heard = Heard(buffer=JitterBuffer(is_quiet=is_quiet))
    arrivals: list[tuple[float, RtpPacket]] = []
    for number in range(packets):
        delay_s = network(number)
        if not spoken(number):
            sequence -= 1
        elif delay_s is not None:
            made = packet(
                number,
                ptime_ms=ptime_ms,
                sequence=sequence + number,
                timestamp=timestamp,
                fill=fill(number),
            )
            arrivals.append((number * ptime_ms / 1000 + delay_s, made))
    arrivals.sort(key=lambda arrival: arrival[0])
    for tick in range(packets * ptime_ms // 20):
        now_s = tick * TICK_S + phase_s
        while arrivals and arrivals[0][0] <= now_s:
            heard.buffer.put(arrivals[0][1], arrivals.pop(0)[0])
        frame = heard.buffer.pop()
        heard.frames.append(frame)
        if isinstance(frame, bytes):
            sent_s = int.from_bytes(frame[:4], "big") / 100
            heard.delays_ms.append((now_s - sent_s) * 1000)
            heard.slips.append(heard.buffer.slip)
    return heard


def randomly(low_ms: float, high_ms: float, seed: int = 1) -> Network:
    chance = random.Random(seed)
    return lambda _: chance.uniform(low_ms, high_ms) / 1000


def test_before_the_first_packet_there_is_nothing() -> None:
    assert JitterBuffer().pop() is Gap.EMPTY


@pytest.mark.parametrize("ptime_ms", [10, 20, 30, 40, 60])
def test_packets_of_any_length_become_frames_of_20_ms(ptime_ms: int) -> None:
    heard = listen(lambda _: 0.03, ptime_ms=ptime_ms)
    assert heard.positions == list(range(len(heard.positions)))
    assert len(heard.positions) >= 500 * ptime_ms / 10 - 10
    assert heard.count(Gap.LOST) == 0


def test_a_steady_network_costs_at_most_one_frame_of_delay() -> None:
    heard = listen(lambda _: 0.03)
    assert max(heard.delays_ms) <= 50


def test_counters_may_wrap() -> None:
    heard = listen(lambda _: 0.03, timestamp=(1 << 32) - 16_000, sequence=65_500)
    assert heard.positions == list(range(len(heard.positions)))
    assert len(heard.payloads) >= 495
    assert heard.buffer.statistics.lost == 0


def test_reordered_packets_come_out_in_order() -> None:
    heard = listen(lambda number: 0.065 if number % 10 == 5 else 0.03)
    assert heard.positions == sorted(heard.positions)
    assert heard.buffer.statistics.lost == 0
    assert heard.buffer.statistics.late <= 15  # while the delay grows


def test_a_first_packet_that_was_overtaken_is_still_heard() -> None:
    buffer = JitterBuffer()
    buffer.put(packet(1), 0.0)
    buffer.put(packet(0), 0.0)
    assert [buffer.pop(), buffer.pop()] == [audio(0), audio(1)]


def test_a_lost_packet_is_reported_once_in_its_place() -> None:
    heard = listen(lambda number: None if number == 100 else 0.03, packets=200)
    assert heard.count(Gap.LOST) == 1
    at = heard.frames.index(Gap.LOST)
    around = [heard.frames[at - 1], heard.frames[at + 1]]
    assert around == [audio(99), audio(101)]


def test_losses_are_counted() -> None:
    heard = listen(lambda number: None if number % 10 == 5 else 0.03)
    statistics = heard.buffer.statistics
    assert statistics.lost == 50
    assert statistics.concealed == heard.count(Gap.LOST) == 50


def test_duplicates_are_dropped_and_counted() -> None:
    buffer = JitterBuffer()
    for number in range(10):
        buffer.put(packet(number), number * TICK_S)
        buffer.put(packet(number), number * TICK_S)
        assert buffer.pop() == audio(number)
    assert buffer.statistics.duplicate == 10


def test_silence_of_the_sender_is_no_loss() -> None:
    """Discontinuous transmission: timestamps go on, sequence numbers do not."""
    heard = listen(lambda _: 0.03, spoken=lambda number: number % 100 < 50)
    statistics = heard.buffer.statistics
    assert len(heard.payloads) == 250
    assert statistics.lost == 0
    assert heard.count(Gap.LOST) <= 5 * 5  # a dry line is not known to be silence for 100 ms


def test_an_announced_silence_is_known_at_once() -> None:
    buffer = JitterBuffer()
    buffer.put(packet(0), 0.0)
    assert buffer.pop() == audio(0)
    buffer.note(packet(1))
    assert [buffer.pop() for _ in range(3)] == [Gap.EMPTY] * 3


def test_a_key_between_two_talk_spurts_is_no_loss() -> None:
    buffer = JitterBuffer()
    for number in range(20):
        if 5 <= number < 10:
            buffer.note(packet(number))
        else:
            buffer.put(packet(number), number * TICK_S)
        assert buffer.pop() is not Gap.LOST
    assert buffer.statistics.lost == 0


def test_jitter_within_the_delay_loses_nothing() -> None:
    heard = listen(randomly(30, 60), packets=2000)
    assert heard.buffer.statistics.late <= 3
    assert len(heard.payloads) >= 1990


@pytest.mark.parametrize("fill", [LOUD, QUIET])
def test_the_delay_grows_with_the_jitter(fill: bytes) -> None:
    heard = listen(randomly(30, 150), packets=2000, fill=lambda _: fill)
    assert len(heard.payloads) >= 0.97 * 2000
    assert 100 <= heard.delays_ms[-1] <= 230


def test_the_delay_shrinks_when_the_jitter_ends_in_silence() -> None:
    rough = randomly(30, 130)

    def network(number: int) -> float | None:
        return rough(number) if number < 1000 else 0.03

    heard = listen(network, packets=4000, fill=lambda _: QUIET)
    assert heard.delays_ms[-1] <= 70
    loud = listen(network, packets=4000)
    assert loud.delays_ms[-1] <= 30 + 4 * 20 + 20  # speech is cut only beyond three frames


def test_a_network_that_gets_slower_is_followed_without_dropping_speech() -> None:
    heard = listen(lambda number: 0.03 if number < 200 else 0.11)
    assert heard.positions == list(range(len(heard.positions)))
    assert heard.count(Gap.LOST) <= 5
    assert heard.buffer.statistics.late == 0


def test_a_stall_does_not_leave_a_backlog() -> None:
    """A second in which nothing comes through, then everything at once."""
    heard = listen(lambda number: 0.03 + (max(0.0, 6 - number / 50) if number >= 250 else 0))
    assert heard.positions == sorted(heard.positions)
    assert heard.delays_ms[-1] <= 30 + 4 * 20 + 20
    assert heard.buffer.buffered_ms <= 300


def test_a_flood_is_bounded() -> None:
    buffer = JitterBuffer(max_ms=200)
    for number in range(10_000):
        buffer.put(packet(number), 0.0)
        assert buffer.buffered_ms <= 300


def test_a_flood_of_tiny_packets_is_bounded() -> None:
    buffer = JitterBuffer()
    for number in range(1000):
        tiny = RtpPacket(payload_type=0, sequence=number, timestamp=number, ssrc=1, payload=b"x")
        buffer.put(tiny, 0.0)
    assert buffer.statistics.late > 800


NETWORKS: dict[str, Network] = {
    "steady": lambda _: 0.03,
    "jitter": randomly(30, 150),
    "slower": lambda number: 0.03 if number < 200 else 0.11,
    "loss": lambda number: None if number % 10 == 5 else 0.03,
    "stalls": lambda number: 0.03 + max(0.0, 0.3 - (number - 100) % 200 * 0.02),  # of 300 ms
}


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("fill", [LOUD, QUIET])
@pytest.mark.parametrize("pauses", [False, True])
def test_slip_says_how_much_the_delay_has_changed(
    network: Network, fill: bytes, pauses: bool
) -> None:
    heard = listen(
        network,
        fill=lambda _: fill,
        spoken=lambda number: not pauses or number % 100 < 60,
    )
    changes = [round(8 * (delay_ms - heard.delays_ms[0])) for delay_ms in heard.delays_ms]
    assert heard.slips == changes


@pytest.mark.parametrize("skew", [0.001, -0.001])
def test_clocks_that_drift_apart_are_followed(skew: float) -> None:
    """One second in a thousand: ten times worse than any telephone."""
    heard = listen(lambda number: 0.05 + skew * number * TICK_S, packets=3000, fill=lambda _: QUIET)
    assert len(heard.payloads) >= 2990
    drifted_ms = skew * 3000 * 20
    assert 30 <= heard.delays_ms[-1] - drifted_ms <= 130
    assert heard.buffer.statistics.target_ms <= 40  # drift is not taken for jitter


def feed(buffer: JitterBuffer, start_s: float, packets: list[RtpPacket]) -> list[bytes | Gap]:
    frames: list[bytes | Gap] = []
    for tick, each in enumerate(packets):
        buffer.put(each, start_s + tick * TICK_S)
        frames.append(buffer.pop())
    return frames


def test_a_new_source_is_heard_whole() -> None:
    buffer = JitterBuffer()
    feed(buffer, 0.0, [packet(number) for number in range(10)])
    new = [packet(n, ssrc=2, sequence=5000 + n, timestamp=1 << 30) for n in range(10)]
    frames = feed(buffer, 0.2, new)
    heard = [frame for frame in frames if isinstance(frame, bytes)]
    assert heard == [audio(number) for number in range(len(heard))]
    assert len(heard) >= 8
    assert buffer.statistics.restarts == 1


@pytest.mark.parametrize("jump", [1 << 20, -(1 << 20), 1 << 31])
def test_timestamps_that_jump_are_followed(jump: int) -> None:
    buffer = JitterBuffer()
    feed(buffer, 0.0, [packet(number) for number in range(10)])
    jumped = [packet(number, timestamp=jump) for number in range(10, 30)]
    assert feed(buffer, 0.2, jumped) == [audio(number) for number in range(10, 30)]
    assert buffer.slip == 0


def test_a_stray_packet_of_another_source_is_not_heard() -> None:
    buffer = JitterBuffer()
    packets = [packet(number) for number in range(10)]
    packets.insert(5, packet(500, ssrc=2))
    heard = [frame for frame in feed(buffer, 0.0, packets) if isinstance(frame, bytes)]
    assert heard == [audio(number) for number in range(10)][: len(heard)]
    assert len(heard) >= 9


def test_what_was_held_is_forgotten_on_reset() -> None:
    buffer = JitterBuffer()
    buffer.put(packet(0), 0.0)
    buffer.reset()
    assert buffer.pop() is Gap.EMPTY
    assert buffer.statistics.received == 1


def test_jitter_is_measured_as_rfc_3550_says() -> None:
    heard = listen(lambda number: 0.03 + 0.01 * (number % 2), packets=1000)
    assert heard.buffer.statistics.jitter_ms == pytest.approx(10.0, rel=0.01)


@pytest.mark.parametrize(("min_ms", "max_ms"), [(10, 200), (60, 40)])
def test_delays_out_of_order_are_refused(min_ms: int, max_ms: int) -> None:
    with pytest.raises(ValueError, match="at least 20"):
        JitterBuffer(min_ms=min_ms, max_ms=max_ms)
