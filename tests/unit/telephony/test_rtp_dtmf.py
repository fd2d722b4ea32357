import struct
from collections.abc import Iterator

import pytest

from telephony.rtp import PacketError
from telephony.rtp.dtmf import KEYS, KeyReceiver, key_payloads


def event(key: str, duration: int, *, end: bool = False) -> bytes:
    return struct.pack("!BBH", KEYS.index(key), 0x8A if end else 0x0A, duration)


def press(key: str, timestamp: int, ticks: int = 800) -> Iterator[tuple[bytes, int]]:
    """All packets of one press, its end sent three times."""
    for duration in range(160, ticks, 160):
        yield event(key, duration), timestamp
    for _ in range(3):
        yield event(key, ticks, end=True), timestamp


def keys_of(*packets: tuple[bytes, int]) -> str:
    receiver = KeyReceiver()
    return "".join(receiver.receive(*packet) or "" for packet in packets)


def test_a_key_is_reported_on_its_first_packet() -> None:
    receiver = KeyReceiver()
    assert receiver.receive(event("5", 160), 1000) == "5"


def test_a_press_of_many_packets_is_one_key() -> None:
    assert keys_of(*press("5", 1000)) == "5"


def test_every_key_has_its_code() -> None:
    packets = [packet for at, key in enumerate(KEYS) for packet in press(key, 10_000 * at)]
    assert keys_of(*packets) == KEYS


@pytest.mark.parametrize("kept", range(7))
def test_a_single_surviving_packet_reports_the_key(kept: int) -> None:
    assert keys_of(list(press("5", 1000))[kept]) == "5"


def test_the_same_key_twice_is_two_keys_even_when_every_end_was_lost() -> None:
    first, second = list(press("5", 1000))[:-3], list(press("5", 3000))[:-3]
    assert keys_of(*first, *second) == "55"


def test_ends_that_arrive_after_the_next_key_report_nothing() -> None:
    first = list(press("5", 1000))
    assert keys_of(*first[:-2], *press("6", 3000), *first[-2:]) == "56"


def test_timestamps_may_wrap_during_and_between_keys() -> None:
    packets = (*press("1", 0xFFFFFFFF - 100), *press("2", 3000))
    assert keys_of(*packets, *list(press("1", 0xFFFFFFFF - 100))[-2:]) == "12"


def test_a_long_press_cut_into_segments_is_one_key() -> None:
    start, longest = 1000, 0xFFFF
    segments = [
        (event("#", 160), start),
        (event("#", longest), start),
        (event("#", 160), start + longest),
        (event("#", longest), start + longest),
        (event("#", 800), start + 2 * longest),
        (event("#", 800, end=True), start + 2 * longest),
    ]
    assert keys_of(*segments) == "#"
    assert keys_of(segments[0], *segments[2:]) == "#"  # without the packet that filled the first


def test_a_sender_that_moves_the_timestamp_along_presses_once() -> None:
    packets = [(event("7", 160 * n), 1000 + 160 * n) for n in range(1, 6)]
    assert keys_of(*packets, (event("7", 960, end=True), 1960)) == "7"


def test_a_key_after_an_end_is_new_however_soon() -> None:
    assert keys_of((event("7", 800, end=True), 1000), (event("7", 160), 1400)) == "77"


def test_timestamps_that_start_anew_do_not_silence_the_keys() -> None:
    assert keys_of(*press("1", 10_000_000), *press("2", 500)) == "12"


def test_other_events_are_no_keys() -> None:
    assert KeyReceiver().receive(struct.pack("!BBH", 16, 10, 160), 1000) is None


def test_a_truncated_event_is_refused() -> None:
    with pytest.raises(PacketError):
        KeyReceiver().receive(b"\x05\x0a\x00", 1000)


def test_a_sent_key_grows_and_ends_three_times() -> None:
    payloads = [packet.payload for packet in key_payloads("5", duration_ms=100)]
    assert payloads == [packet for packet, _ in press("5", 0)]


def test_only_the_first_packet_of_a_sent_key_opens_the_event() -> None:
    assert [packet.first for packet in key_payloads("5")] == [True] + [False] * 6


@pytest.mark.parametrize("key", KEYS)
def test_a_sent_key_is_received(key: str) -> None:
    assert keys_of(*((packet.payload, 8000) for packet in key_payloads(key))) == key


@pytest.mark.parametrize("key", ["", "12", "E", "5\n"])
def test_what_is_no_key_is_not_sent(key: str) -> None:
    with pytest.raises(ValueError, match="is not one of"):
        key_payloads(key)


@pytest.mark.parametrize("duration_ms", [0, 39, 8001])
def test_a_duration_beyond_one_event_is_refused(duration_ms: int) -> None:
    with pytest.raises(ValueError, match="40 to 8000"):
        key_payloads("5", duration_ms=duration_ms)
