"""RTP packets, telephone-events, and the place of received audio on the caller's clock."""

import pytest

from loadtest.rtp import Arrivals, MalformedPacketError, RtpPacket, is_key, key_packets


def packet(number: int, *, ssrc: int = 1, marker: bool = False, base: int = 0) -> RtpPacket:
    """Packet `number` of a 20 ms stream."""
    return RtpPacket(
        payload_type=0,
        sequence=(65_533 + number) & 0xFFFF,
        timestamp=(base + 4_294_967_000 + 160 * number) & 0xFFFFFFFF,
        ssrc=ssrc,
        payload=b"\xff" * 160,
        marker=marker,
    )


def test_packet_is_written_as_the_standard_says() -> None:
    data = RtpPacket(
        payload_type=101, sequence=2, timestamp=3, ssrc=4, payload=b"ab", marker=True
    ).to_bytes()
    assert data == bytes.fromhex("80e5 0002 00000003 00000004") + b"ab"


def test_packet_survives_the_wire() -> None:
    assert RtpPacket.parse(packet(5).to_bytes()) == packet(5)


def test_sources_extension_and_padding_are_not_payload() -> None:
    data = bytes.fromhex("b1 00 0001 00000002 00000003 00000009 bede0001 00000000") + b"xy\0\2"
    assert RtpPacket.parse(data).payload == b"xy"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80" * 11,
        b"\x40" + b"\0" * 11,  # version 1
        b"\x90" + b"\0" * 13,  # extension cut off
        b"\x81" + b"\0" * 11,  # a contributing source that is not there
        b"\xa0" + b"\0" * 10 + b"\x09",  # more padding than packet
    ],
)
def test_bytes_that_are_not_rtp_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedPacketError):
        RtpPacket.parse(data)


def test_key_is_sent_with_rising_duration_and_three_ends() -> None:
    packets = list(key_packets("#"))
    assert [p.payload[0] for p in packets] == [11] * 5
    assert [int.from_bytes(p.payload[2:]) for p in packets] == [160, 320, 480, 640, 800]
    assert [bool(p.payload[1] & 0x80) for p in packets] == [False] * 4 + [True]
    assert [p.first for p in packets] == [True] + [False] * 4
    assert [p.copies for p in packets] == [1, 1, 1, 1, 3]


def test_only_the_sixteen_keys_are_keys() -> None:
    assert all(is_key(key) for key in "0123456789*#ABCDabcd")
    assert not any(is_key(key) for key in ("E", "", "12", " "))


def test_audio_lies_by_its_timestamps_from_the_first_arrival_on() -> None:
    arrivals = Arrivals()
    # Packet 2 comes with 30 ms of jitter: within a phone's buffer.
    placed = [
        arrivals.place(packet(n), at) for n, at in [(0, 1000), (1, 1165), (2, 1560), (3, 1490)]
    ]
    assert placed == [1000, 1160, 1320, 1480]
    assert (arrivals.lost, arrivals.late) == (0, 0)


def test_reordered_packets_find_their_places_and_duplicates_none() -> None:
    arrivals = Arrivals()
    placed = [arrivals.place(packet(n), 1000 + 160 * i) for i, n in enumerate([0, 2, 1, 2, 3])]
    assert placed == [1000, 1320, 1160, None, 1480]
    assert (arrivals.lost, arrivals.received) == (0, 5)


def test_missing_packets_count_as_lost() -> None:
    arrivals = Arrivals()
    for n in (0, 1, 4, 5):
        arrivals.place(packet(n), 1000 + 160 * n)
    assert arrivals.lost == 2


def test_late_packet_counts_but_keeps_its_place() -> None:
    arrivals = Arrivals()
    arrivals.place(packet(0), 0)
    assert arrivals.place(packet(1), 160 + 481) == 160
    assert arrivals.late == 1


def test_stalled_sender_is_heard_from_when_it_goes_on() -> None:
    arrivals = Arrivals()
    arrivals.place(packet(0), 0)
    # One second of stall, timestamps going on as if nothing had happened.
    placed = [arrivals.place(packet(n), 8000 + 160 * n) for n in range(1, 8)]
    assert placed[:4] == [160, 320, 480, 640]
    assert placed[4:] == [8800, 8960, 9120]


def test_marker_begins_a_talkspurt_at_its_arrival() -> None:
    arrivals = Arrivals()
    arrivals.place(packet(0), 0)
    assert arrivals.place(packet(1, marker=True), 500) == 500
    assert arrivals.place(packet(2), 660) == 660


def test_new_stream_is_placed_anew() -> None:
    arrivals = Arrivals()
    arrivals.place(packet(0), 0)
    assert arrivals.place(packet(0, ssrc=2, base=12_345), 4000) == 4000
    assert arrivals.place(packet(1, ssrc=2, base=12_345), 4300) == 4160


def test_telephone_events_between_audio_are_not_lost_audio() -> None:
    arrivals = Arrivals()
    arrivals.place(packet(0), 0)
    arrivals.note(packet(1))
    arrivals.place(packet(2), 320)
    assert arrivals.lost == 0
