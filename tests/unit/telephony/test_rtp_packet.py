import struct

import pytest

from telephony.rtp import PacketError
from telephony.rtp.packet import HeaderExtension, RtpPacket, is_rtcp, parse, serialise, unwrap

HEADER = bytes.fromhex("8000 0001 000000a0 deadbeef")
PACKET = RtpPacket(payload_type=0, sequence=1, timestamp=160, ssrc=0xDEADBEEF, payload=b"x")


def with_first(first: int, rest: bytes = b"") -> bytes:
    return bytes([first]) + HEADER[1:] + rest


def test_a_plain_packet_is_read() -> None:
    assert parse(HEADER + b"audio") == RtpPacket(
        payload_type=0, sequence=1, timestamp=160, ssrc=0xDEADBEEF, payload=b"audio"
    )


def test_marker_and_payload_type_share_an_octet() -> None:
    packet = parse(bytes([0x80, 0x80 | 101]) + HEADER[2:])
    assert (packet.marker, packet.payload_type) == (True, 101)


def test_csrcs_extension_and_padding_are_taken_apart() -> None:
    csrcs = struct.pack("!2I", 7, 8)
    extension = struct.pack("!HH", 0xBEDE, 1) + b"abcd"
    packet = parse(with_first(0xB2, csrcs + extension + b"audio" + b"\0\0\x03"))
    assert packet.csrcs == (7, 8)
    assert packet.extension == HeaderExtension(profile=0xBEDE, data=b"abcd")
    assert packet.payload == b"audio"


def test_padding_may_be_all_there_is() -> None:
    assert parse(with_first(0xA0, b"\0\0\0\x04")).payload == b""


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        HEADER[:11],
        with_first(0x40),  # version 1
        with_first(0xC0),  # version 3
        with_first(0x81, b"abc"),  # one CSRC, three octets
        with_first(0x90, b"\xbe\xde\x00"),  # extension header cut short
        with_first(0x90, b"\xbe\xde\x00\x02abcd"),  # extension cut short
        with_first(0xA0),  # padding announced, nothing there
        with_first(0xA0, b"audio\x00"),  # no padding octets at all
        with_first(0xA0, b"audio\x07"),  # more padding than packet
    ],
)
def test_what_is_no_packet_is_refused(datagram: bytes) -> None:
    with pytest.raises(PacketError):
        parse(datagram)


def test_a_packet_is_written_as_it_goes_over_the_wire() -> None:
    assert serialise(PACKET) == HEADER + b"x"


@pytest.mark.parametrize(
    "packet",
    [
        PACKET._replace(payload_type=128),
        PACKET._replace(sequence=65536),
        PACKET._replace(timestamp=-1),
        PACKET._replace(ssrc=1 << 32),
        PACKET._replace(csrcs=tuple(range(16))),
        PACKET._replace(csrcs=(1 << 32,)),
        PACKET._replace(extension=HeaderExtension(profile=1, data=b"abc")),
        PACKET._replace(extension=HeaderExtension(profile=1, data=bytes(4 << 16))),
    ],
)
def test_fields_that_do_not_fit_are_refused(packet: RtpPacket) -> None:
    with pytest.raises(ValueError, match=r"fit|0-127|whole number"):
        serialise(packet)


@pytest.mark.parametrize(
    ("second", "expected"), [(191, False), (192, True), (200, True), (223, True), (224, False)]
)
def test_rtcp_is_told_by_its_packet_type(second: int, expected: bool) -> None:
    assert is_rtcp(bytes([0x80, second]) + HEADER[2:]) is expected


def test_short_datagrams_are_no_rtcp() -> None:
    assert not is_rtcp(b"\x80")


@pytest.mark.parametrize(
    ("value", "near", "expected"),
    [(5, 3, 5), (2, 65535, 65538), (65535, 65536, 65535), (65535, 2, -1), (0, 131072, 131072)],
)
def test_a_wrapped_counter_is_unwrapped_to_the_nearest(
    value: int, near: int, expected: int
) -> None:
    assert unwrap(value, near=near, modulus=65536) == expected
