"""Keys as RTP telephone events, RFC 4733.

A key press is one event: many packets with the same timestamp, a growing duration, and an end
announced three times. Any of them may be lost, so the receiver reports a key on the first packet it
sees of an event and then only remembers the event's timestamp. Two things look like a new event and
are none: a press longer than 8 s, which is cut into segments that follow each other without a gap
(§2.5.1.3), and the packets of senders that wrongly move the timestamp along with the duration.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from telephony.rtp import PacketError
from telephony.rtp.packet import TIMESTAMP_MODULUS, unwrap

KEYS: Final = "0123456789*#ABCD"
"""Event codes 0 to 15, RFC 4733 §3.2."""

CLOCK_HZ: Final = 8_000

_EVENT: Final = struct.Struct("!BBH")
_END: Final = 0x80
_VOLUME: Final = 10  # -10 dBm0, the level of a telephone's keys; events are never heard by people
_MAX_DURATION: Final = 0xFFFF
_PACKET_TICKS: Final = CLOCK_HZ * 20 // 1000
_END_PACKETS: Final = 3  # RFC 4733 §2.5.1.4: one end and two retransmissions
_STALE_TICKS: Final = 5 * CLOCK_HZ
"""An older timestamp within 5 s is a late packet of a key already reported; one from further back
means that the sender's timestamps started anew."""


class KeyReceiver:
    """Turns the telephone-event packets of one RTP source into keys, each press once."""

    def __init__(self) -> None:
        self._code = -1
        self._start: int | None = None  # unwrapped timestamp of the latest event
        self._duration = 0  # the longest seen of it
        self._ended = False

    def receive(self, payload: bytes, timestamp: int) -> str | None:
        """The key that this packet is the first sign of, if it is.

        Raises:
            PacketError: the payload is too short for an event.
        """
        if len(payload) < _EVENT.size:
            raise PacketError(f"a telephone event of {len(payload)} octets, not 4")
        code, flags, duration = _EVENT.unpack_from(payload)
        if code >= len(KEYS):  # tones and flash are no keys
            return None
        ended = bool(flags & _END)
        if self._start is None:
            start = timestamp
        else:
            start = unwrap(timestamp, near=self._start, modulus=TIMESTAMP_MODULUS)
            if self._is_known(code, start):
                self._follow(start, duration, ended=ended)
                return None
        self._code, self._start, self._duration, self._ended = code, start, duration, ended
        return KEYS[code]

    def _is_known(self, code: int, start: int) -> bool:
        assert self._start is not None
        ahead = start - self._start
        if ahead <= 0:
            return ahead > -_STALE_TICKS
        if code != self._code or self._ended:
            return False
        return ahead == _MAX_DURATION or ahead <= self._duration

    def _follow(self, start: int, duration: int, *, ended: bool) -> None:
        assert self._start is not None
        if start < self._start:
            return
        if start > self._start:
            self._start, self._duration = start, 0
        self._duration = max(self._duration, duration)
        self._ended = self._ended or ended


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPayload:
    """One packet of an event; all packets of an event carry its first packet's timestamp."""

    payload: bytes
    first: bool  # of its event: takes the marker bit and sets the timestamp


def key_payloads(key: str, *, duration_ms: int = 100) -> Iterator[EventPayload]:
    """The payloads of one key press, to be sent one per 20 ms in place of audio.

    Args:
        key: one of 0-9 * # A-D.
        duration_ms: how long the key is held, 40 to 8000; the two retransmitted ends come on top.

    Raises:
        ValueError: no such key, or a duration that fits no single event.
    """
    if len(key) != 1 or key not in KEYS:
        raise ValueError(f"{key!r} is not one of {KEYS}")
    if not 40 <= duration_ms <= 8_000:
        raise ValueError(f"a key is held for 40 to 8000 ms, not {duration_ms}")
    return _payloads(KEYS.index(key), CLOCK_HZ * duration_ms // 1000)


def _payloads(code: int, ticks: int) -> Iterator[EventPayload]:
    first = True
    for elapsed in range(_PACKET_TICKS, ticks, _PACKET_TICKS):
        yield EventPayload(payload=_EVENT.pack(code, _VOLUME, elapsed), first=first)
        first = False
    for _ in range(_END_PACKETS):
        yield EventPayload(payload=_EVENT.pack(code, _END | _VOLUME, ticks), first=first)
        first = False
