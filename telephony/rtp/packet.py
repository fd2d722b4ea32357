"""RTP packets, RFC 3550 §5.1: parse and serialise.

Nothing is trusted: a datagram either is a whole packet or raises PacketError. Padding is removed on
parsing and never produced.
"""

import struct
from dataclasses import dataclass
from typing import Final, NamedTuple

from telephony.rtp import PacketError

SEQUENCE_MODULUS: Final = 1 << 16
TIMESTAMP_MODULUS: Final = 1 << 32

_HEADER: Final = struct.Struct("!BBHII")
_EXTENSION: Final = struct.Struct("!HH")
_VERSION: Final = 2
_PADDING: Final = 0x20
_EXTENDED: Final = 0x10
_MARKER: Final = 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderExtension:
    """RFC 3550 §5.3.1; `data` is a whole number of 32-bit words."""

    profile: int
    data: bytes


class RtpPacket(NamedTuple):
    """Give its fields by name. A tuple, since every call makes fifty a second."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extension: HeaderExtension | None = None


def is_rtcp(datagram: bytes) -> bool:
    """Whether a datagram at the RTP port is RTCP, multiplexed as in RFC 5761 §4."""
    return len(datagram) >= 2 and datagram[0] >> 6 == _VERSION and 192 <= datagram[1] <= 223


def parse(datagram: bytes) -> RtpPacket:
    """Read one datagram.

    Raises:
        PacketError: it is not RTP version 2, or a length in it does not hold.
    """
    if len(datagram) < _HEADER.size:
        raise PacketError(f"{len(datagram)} octets are less than an RTP header")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(datagram)
    if first >> 6 != _VERSION:
        raise PacketError(f"RTP version {first >> 6}, not 2")
    if first == _VERSION << 6:  # nearly every packet: neither CSRCs, extension nor padding
        csrcs, extension, payload = (), None, datagram[_HEADER.size :]
    else:
        csrcs, extension, payload = _parse_rest(datagram, first)
    marker = second >= _MARKER
    # What the tuple's own constructor does, less a call.
    fields = (second & 0x7F, sequence, timestamp, ssrc, payload, marker, csrcs, extension)
    return tuple.__new__(RtpPacket, fields)


def _parse_rest(
    datagram: bytes, first: int
) -> tuple[tuple[int, ...], HeaderExtension | None, bytes]:
    count = first & 0x0F
    at = _HEADER.size + 4 * count
    if at > len(datagram):
        raise PacketError(f"{count} CSRCs do not fit")
    csrcs = struct.unpack_from(f"!{count}I", datagram, _HEADER.size)
    extension = None
    if first & _EXTENDED:
        extension = _parse_extension(datagram, at)
        at += _EXTENSION.size + len(extension.data)
    end = len(datagram) - (_padding(datagram, at) if first & _PADDING else 0)
    return csrcs, extension, datagram[at:end]


def _parse_extension(datagram: bytes, at: int) -> HeaderExtension:
    if at + _EXTENSION.size > len(datagram):
        raise PacketError("no room for the announced header extension")
    profile, words = _EXTENSION.unpack_from(datagram, at)
    start = at + _EXTENSION.size
    if start + 4 * words > len(datagram):
        raise PacketError(f"a header extension of {words} words does not fit")
    return HeaderExtension(profile=profile, data=datagram[start : start + 4 * words])


def _padding(datagram: bytes, at: int) -> int:
    """The number of padding octets, which the last of them states and which it counts."""
    padding = datagram[-1]
    if not 1 <= padding <= len(datagram) - at:
        raise PacketError(f"{padding} octets of padding in {len(datagram) - at}")
    return padding


def serialise(packet: RtpPacket) -> bytes:
    """Write one packet, without padding.

    Raises:
        ValueError: a field does not fit its place.
    """
    extension = packet.extension
    if not 0 <= packet.payload_type < 128 or len(packet.csrcs) > 15:
        raise ValueError("a payload type is 0-127, and at most 15 CSRCs fit")
    if extension is not None and len(extension.data) % 4:
        raise ValueError("a header extension is a whole number of 32-bit words")
    first = _VERSION << 6 | (_EXTENDED if extension is not None else 0) | len(packet.csrcs)
    second = packet.payload_type | (_MARKER if packet.marker else 0)
    try:
        header = _HEADER.pack(first, second, packet.sequence, packet.timestamp, packet.ssrc)
        header += struct.pack(f"!{len(packet.csrcs)}I", *packet.csrcs)
        if extension is not None:
            header += _EXTENSION.pack(extension.profile, len(extension.data) // 4) + extension.data
    except struct.error as error:
        raise ValueError(f"a header field does not fit: {error}") from error
    return header + packet.payload


def unwrap(value: int, *, near: int, modulus: int) -> int:
    """The number congruent to `value` that lies nearest to `near`: a wrapped counter, unwrapped."""
    half = modulus >> 1
    return near + (value - near + half) % modulus - half
