"""RTP packets and telephone-events, and where received audio belongs on the caller's clock.

Everything here is sans-I/O; the socket and the 20 ms clock are in loadtest/media.py.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from loadtest.pcm import FRAME_SAMPLES, SILENCE, Pcm

_HEADER: Final = struct.Struct("!BBHII")
_KEYS: Final = "0123456789*#ABCD"  # their places are the event codes (RFC 4733 §3.2)
_EVENT_VOLUME: Final = 10  # -10 dBm0, what phones send
_END_PACKETS: Final = 3  # the last packet three times, against loss (RFC 4733 §2.5.1.4)
KEY_FRAMES: Final = 5  # 100 ms of tone, over the 40 ms every receiver must accept
KEY_PAUSE_FRAMES: Final = 5  # 100 ms between keys

LATE_SAMPLES: Final = 480  # 60 ms: the jitter an ordinary phone's buffer takes
_JUMP_SAMPLES: Final = 8_000  # a timestamp step over a second is a new stream, not a pause
_LATE_RUN: Final = 5  # packets late in a row (100 ms): the sender stalled, its audio goes on later


def rtp_header(second: int, sequence: int, timestamp: int, ssrc: int) -> bytes:
    """A header without extension or contributing sources; `second` is marker and payload type."""
    return _HEADER.pack(0x80, second, sequence, timestamp, ssrc)


class MalformedPacketError(ValueError):
    """Bytes that are not RTP version 2; drop them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RtpPacket:
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False

    def to_bytes(self) -> bytes:
        second = (self.marker << 7) | self.payload_type
        return rtp_header(second, self.sequence, self.timestamp, self.ssrc) + self.payload

    @classmethod
    def parse(cls, data: bytes) -> "RtpPacket":
        """Read one datagram (RFC 3550 §5.1).

        Raises:
            MalformedPacketError: too short, another version, or lengths that do not fit.
        """
        if len(data) < _HEADER.size or data[0] >> 6 != 2:
            raise MalformedPacketError("not RTP version 2")
        first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
        start = _HEADER.size + 4 * (first & 15)
        if first & 0x10:  # extension
            if len(data) < start + 4:
                raise MalformedPacketError("header extension cut off")
            start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4])
        end = len(data) - (data[-1] if first & 0x20 else 0)
        if start > end:
            raise MalformedPacketError("lengths do not fit")
        return cls(
            payload_type=second & 0x7F,
            sequence=sequence,
            timestamp=timestamp,
            ssrc=ssrc,
            payload=data[start:end],
            marker=bool(second & 0x80),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPacket:
    """One telephone-event packet, to be sent in its 20 ms."""

    payload: bytes
    first: bool  # carries the marker; its time is the timestamp of the whole event
    last: bool  # to be sent three times, same timestamp, rising sequence numbers

    @property
    def copies(self) -> int:
        return _END_PACKETS if self.last else 1


def key_packets(key: str) -> Iterator[KeyPacket]:
    """The telephone-events of one key, 0-9 * # A-D, one per 20 ms (RFC 4733 §2.5).

    Raises:
        ValueError: no such key.
    """
    code = _KEYS.index(key.upper())
    for frame in range(1, KEY_FRAMES + 1):
        last = frame == KEY_FRAMES
        payload = struct.pack("!BBH", code, (last << 7) | _EVENT_VOLUME, frame * FRAME_SAMPLES)
        yield KeyPacket(payload=payload, first=frame == 1, last=last)


def is_key(key: str) -> bool:
    """Whether `key` can be sent as a telephone-event."""
    return len(key) == 1 and key.upper() in _KEYS


def frames_of_keys(keys: str) -> list[Pcm | str]:
    """Frames for lines that send a key as a message: each key where it begins, silence around it.

    Raises:
        ValueError: not a key.
    """
    frames: list[Pcm | str] = []
    for key in keys:
        if not is_key(key):
            raise ValueError(f"{key!r} is not a key")
        frames += [key, *([SILENCE] * (KEY_FRAMES + KEY_PAUSE_FRAMES - 1))]
    return frames


class Arrivals:
    """Gives each received audio packet its place on the caller's clock, and counts losses.

    The first packet of a stream plays when it arrives; those after it follow by their timestamps.
    A packet later than a phone's buffer counts as late but keeps its place, so that the recording
    is whole. When the sender stalled, or starts a new stream, place is taken anew from the arrival.
    """

    def __init__(self) -> None:
        self.received = 0
        self.late = 0
        self._expected = 0
        self._unique = 0
        self._ssrc: int | None = None
        self._timestamp = 0  # of the furthest packet
        self._position = 0  # of the furthest packet, samples
        self._late_run = 0
        self._highest = 0  # sequence number, low 16 bits
        self._recent: dict[int, None] = {}  # sequence numbers, to know a duplicate

    @property
    def lost(self) -> int:
        """Packets that never came, by sequence number (RFC 3550 §6.4.1, over all streams)."""
        return max(0, self._expected - self._unique)

    def place(self, packet: RtpPacket, arrived_at: int) -> int | None:
        """The sample where the packet's audio begins; None for a duplicate.

        Args:
            packet: an audio packet (not a telephone-event).
            arrived_at: the sample of the caller's clock at which it came.
        """
        self.received += 1
        step = _signed(packet.timestamp - self._timestamp, 32)
        if packet.ssrc != self._ssrc or abs(step) > _JUMP_SAMPLES:
            self._begin(packet, arrived_at)
            return arrived_at
        if not self._count(packet.sequence):
            return None
        position = self._position + step
        late = arrived_at - position > LATE_SAMPLES
        self.late += late
        self._late_run = self._late_run + 1 if late else 0
        if (packet.marker and step > 0) or self._late_run >= _LATE_RUN:
            position = max(arrived_at, self._position + 1)
            self._late_run = 0
        if step > 0:
            self._timestamp, self._position = packet.timestamp, position
        return position

    def note(self, packet: RtpPacket) -> None:
        """Count a packet that is not audio, so that it does not look lost."""
        if packet.ssrc == self._ssrc:
            self._count(packet.sequence)

    def _begin(self, packet: RtpPacket, arrived_at: int) -> None:
        self._ssrc = packet.ssrc
        self._timestamp, self._position = packet.timestamp, arrived_at
        self._highest = packet.sequence
        self._recent = {packet.sequence: None}
        self._late_run = 0
        self._expected += 1
        self._unique += 1

    def _count(self, sequence: int) -> bool:
        """Note a sequence number; False for a duplicate."""
        if sequence in self._recent:
            return False
        self._recent[sequence] = None
        if len(self._recent) > 256:  # five seconds: older duplicates do not happen
            del self._recent[next(iter(self._recent))]
        self._unique += 1
        ahead = _signed(sequence - self._highest, 16)
        if ahead > 0:
            self._expected += ahead
            self._highest = sequence
        return True


def _signed(difference: int, bits: int) -> int:
    """A difference of wrapping counters as a signed number."""
    half = 1 << (bits - 1)
    return ((difference + half) & ((1 << bits) - 1)) - half
