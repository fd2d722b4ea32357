from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.rtp.jitter import Gap, JitterBuffer
from telephony.rtp.packet import RtpPacket

TICK_S = 0.02
PTIMES = st.sampled_from([10, 20, 30, 40, 60])
COUNTERS = st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF))


def packet(number: int, *, ptime_ms: int, first: tuple[int, int]) -> RtpPacket:
    """The n-th of a stream; each 10 ms of its payload say where they belong."""
    tens = range(number * ptime_ms // 10, (number + 1) * ptime_ms // 10)
    return RtpPacket(
        payload_type=0,
        sequence=(first[0] + number) % (1 << 16),
        timestamp=(first[1] + number * ptime_ms * 8) % (1 << 32),
        ssrc=1,
        payload=b"".join(ten.to_bytes(4, "big") * 20 for ten in tens),
    )


def positions(frames: list[bytes | Gap]) -> list[int]:
    tens = b"".join(frame for frame in frames if isinstance(frame, bytes))
    return [int.from_bytes(tens[at : at + 4], "big") for at in range(0, len(tens), 80)]


def run(
    buffer: JitterBuffer,
    arrivals: list[tuple[float, RtpPacket]],
    *,
    ticks: int,
    phase_s: float,
    check: Callable[[], None] = lambda: None,
) -> list[bytes | Gap]:
    waiting, frames = sorted(arrivals, key=lambda arrival: arrival[0]), list[bytes | Gap]()
    for tick in range(ticks):
        now_s = tick * TICK_S + phase_s
        while waiting and waiting[0][0] <= now_s:
            at_s, arrived = waiting.pop(0)
            buffer.put(arrived, at_s)
            check()
        frames.append(buffer.pop())
    return frames


@given(PTIMES, COUNTERS, st.floats(0, 0.0199), st.booleans())
@settings(max_examples=60)
def test_every_packet_is_delivered_at_zero_jitter(
    ptime_ms: int, first: tuple[int, int], phase_s: float, quiet: bool
) -> None:
    buffer = JitterBuffer(is_quiet=lambda _: quiet)
    arrivals = [
        (number * ptime_ms / 1000, packet(number, ptime_ms=ptime_ms, first=first))
        for number in range(120)
    ]
    frames = run(buffer, arrivals, ticks=120 * ptime_ms // 20 + 10, phase_s=phase_s)
    assert positions(frames) == list(range(120 * ptime_ms // 10 // 2 * 2))
    talking = frames[: 120 * ptime_ms // 20]
    assert Gap.LOST not in talking
    assert buffer.statistics.late == buffer.statistics.skipped == 0


@given(
    PTIMES,
    COUNTERS,
    st.floats(0, 0.0199),
    st.lists(st.none() | st.floats(0, 0.4), min_size=1, max_size=150),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_frames_come_out_in_order_and_the_buffer_stays_bounded(
    ptime_ms: int,
    first: tuple[int, int],
    phase_s: float,
    delays_s: list[float | None],
    quiet: bool,
) -> None:
    """Whatever the network delays, reorders and loses."""
    buffer = JitterBuffer(max_ms=200, is_quiet=lambda _: quiet)
    arrivals = [
        (number * ptime_ms / 1000 + delay_s, packet(number, ptime_ms=ptime_ms, first=first))
        for number, delay_s in enumerate(delays_s)
        if delay_s is not None
    ]

    def check() -> None:
        assert buffer.buffered_ms <= 300

    ticks = len(delays_s) * ptime_ms // 20 + 40
    frames = run(buffer, arrivals, ticks=ticks, phase_s=phase_s, check=check)
    heard = positions(frames)
    assert heard == sorted(set(heard))
    assert len(frames) == ticks
    statistics = buffer.statistics
    assert statistics.received == len(arrivals)
    assert statistics.concealed == frames.count(Gap.LOST)
    assert 0 <= statistics.lost <= len(delays_s) - len(arrivals)


@given(
    st.lists(
        st.builds(
            RtpPacket,
            payload_type=st.just(0),
            sequence=st.integers(0, 0xFFFF) | st.integers(0, 20),
            timestamp=st.integers(0, 0xFFFFFFFF) | st.integers(0, 4000),
            ssrc=st.integers(1, 2),
            payload=st.binary(max_size=400) | st.just(bytes(160)),
        )
        | st.none(),
        max_size=200,
    )
)
@settings(max_examples=150, deadline=None)
def test_nothing_a_sender_does_breaks_the_buffer(events: list[RtpPacket | None]) -> None:
    """Random packets, ticks in between (None): frames of 20 ms or gaps, and bounded."""
    buffer, now_s = JitterBuffer(), 0.0
    for event in [*events, *[None] * 40]:
        if event is None:
            now_s += TICK_S
            frame = buffer.pop()
            assert isinstance(frame, Gap) or len(frame) == 160
        else:
            buffer.put(event, now_s)
        assert buffer.buffered_ms <= 300
    statistics = buffer.statistics
    assert statistics.received == sum(event is not None for event in events)
    assert min(statistics.lost, statistics.late, statistics.duplicate) >= 0


@given(
    st.sampled_from([10, 20, 30]),
    COUNTERS,
    st.lists(
        st.one_of(st.none(), st.just(0.0), st.floats(0, 0.02), st.floats(0, 0.3)),
        min_size=20,
        max_size=200,
    ),
    st.booleans(),
)
@settings(max_examples=150)
def test_short_way_for_expected_packets_leads_to_the_same(
    ptime_ms: int, first: tuple[int, int], delays_s: list[float | None], quiet: bool
) -> None:
    whole, short = (JitterBuffer(is_quiet=lambda _: quiet) for _ in range(2))
    arrivals = sorted(
        (number * ptime_ms / 1000 + delay_s, packet(number, ptime_ms=ptime_ms, first=first))
        for number, delay_s in enumerate(delays_s)
        if delay_s is not None  # lost
    )
    for tick in range(len(delays_s) * ptime_ms // 20 + 30):
        now_s = tick * TICK_S
        while arrivals and arrivals[0][0] <= now_s:
            at_s, arrived = arrivals.pop(0)
            whole.put(arrived, at_s)
            fields = (arrived.ssrc, arrived.sequence, arrived.timestamp, arrived.payload)
            if not short.put_next(*fields, at_s):
                short.put(arrived, at_s)
        assert short.pop() == whole.pop()
        assert short.statistics == whole.statistics
        assert (short.buffered_ms, short.slip) == (whole.buffered_ms, whole.slip)
