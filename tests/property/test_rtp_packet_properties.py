import contextlib

from hypothesis import given
from hypothesis import strategies as st

from telephony.rtp import PacketError
from telephony.rtp.dtmf import KEYS, KeyReceiver, key_payloads
from telephony.rtp.packet import HeaderExtension, RtpPacket, parse, serialise, unwrap

WORDS = st.binary(max_size=10).map(lambda words: words * 4)
EXTENSIONS = st.builds(HeaderExtension, profile=st.integers(0, 0xFFFF), data=WORDS)
PACKETS = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(max_size=200),
    marker=st.booleans(),
    csrcs=st.lists(st.integers(0, 0xFFFFFFFF), max_size=15).map(tuple),
    extension=st.none() | EXTENSIONS,
)


@given(PACKETS)
def test_parsing_undoes_serialising(packet: RtpPacket) -> None:
    assert parse(serialise(packet)) == packet


@given(PACKETS, st.integers(1, 255))
def test_padding_is_removed(packet: RtpPacket, padding: int) -> None:
    written = bytearray(serialise(packet))
    written[0] |= 0x20
    assert parse(bytes(written) + bytes(padding - 1) + bytes([padding])) == packet


@given(st.binary(max_size=64) | st.binary(max_size=64).map(lambda rest: b"\xbf" + rest))
def test_any_datagram_is_a_packet_or_refused(datagram: bytes) -> None:
    with contextlib.suppress(PacketError):
        parse(datagram)


@given(PACKETS, st.data())
def test_a_packet_cut_short_is_a_shorter_packet_or_refused(
    packet: RtpPacket, data: st.DataObject
) -> None:
    written = serialise(packet)
    cut = written[: data.draw(st.integers(0, len(written) - 1))]
    with contextlib.suppress(PacketError):
        assert parse(cut).payload == packet.payload[: len(parse(cut).payload)]


@given(st.integers(0, 1 << 40), st.integers(-0x7FFF, 0x7FFF))
def test_unwrapping_follows_a_counter_anywhere(near: int, ahead: int) -> None:
    assert unwrap((near + ahead) % 0x10000, near=near, modulus=0x10000) == near + ahead


@given(
    st.lists(st.tuples(st.sampled_from(KEYS), st.integers(40, 8000)), max_size=12),
    st.integers(0, 0xFFFFFFFF),
    st.data(),
)
def test_keys_survive_loss_repetition_and_wrap(
    presses: list[tuple[str, int]], timestamp: int, data: st.DataObject
) -> None:
    """Whatever arrives of each press, at least one packet, in order and repeated: one key each."""
    receiver, heard = KeyReceiver(), ""
    for key, duration_ms in presses:
        payloads = [packet.payload for packet in key_payloads(key, duration_ms=duration_ms)]
        arrive = data.draw(st.sets(st.integers(0, len(payloads) - 1), min_size=1, max_size=8))
        for index in sorted(arrive):
            for _ in range(data.draw(st.integers(1, 2))):
                heard += receiver.receive(payloads[index], timestamp % (1 << 32)) or ""
        timestamp += duration_ms * 8 + 480
    assert heard == "".join(key for key, _ in presses)


@given(st.lists(st.tuples(st.binary(max_size=8), st.integers(0, 0xFFFFFFFF)), max_size=30))
def test_any_event_payload_is_taken_or_refused(packets: list[tuple[bytes, int]]) -> None:
    receiver = KeyReceiver()
    for payload, timestamp in packets:
        with contextlib.suppress(PacketError):
            assert receiver.receive(payload, timestamp) in {None, *KEYS}
