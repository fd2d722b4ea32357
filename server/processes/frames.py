"""What parent and workers tell each other, a message each on a Unix socket; pure.

The socket keeps messages apart and in order, and says when the other end is gone. A frame is a
kind, then for datagrams who was asked already and where they came from, then octets.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final, TypeAlias

from telephony.sip.outputs import Address

MAX_FRAME: Final = 65_536 + 320  # the longest datagram, and what is put before it

_HEAD: Final = struct.Struct("!BQHB")  # kind, who was asked, port, length of the host
_REPORT_BYTES: Final = 16_384  # of Call-IDs in one frame: the sockets' buffers hold several


class Kind(IntEnum):
    """The first octet."""

    PASSED = 0  # to a worker: this is yours
    ASKED = 1  # to a worker: take this, or give it back; from a worker: I give it back
    REPORT = 2  # from a worker: the Call-IDs of its calls


@dataclass(frozen=True, slots=True)
class Passed:
    """One datagram on its way.

    Attributes:
        asked: the workers that have given it back, a bit each.
        may_decline: whether it may be given back.
    """

    data: bytes
    source: Address
    may_decline: bool = False
    asked: int = 0

    def declined_by(self, worker: int) -> "Passed":
        """As it comes back."""
        return replace(self, asked=self.asked | 1 << worker)

    def was_given_back_by(self, worker: int) -> bool:
        return bool(self.asked >> worker & 1)


@dataclass(frozen=True, slots=True)
class Report:
    """Calls that live."""

    call_ids: tuple[bytes, ...]


Frame: TypeAlias = Passed | Report


def pack(passed: Passed) -> bytes:
    """A datagram as a frame."""
    host = passed.source[0].encode()
    kind = Kind.ASKED if passed.may_decline else Kind.PASSED
    return _HEAD.pack(kind, passed.asked, passed.source[1], len(host)) + host + passed.data


def pack_reports(call_ids: Iterable[bytes]) -> Iterator[bytes]:
    """All Call-IDs in as many frames as they need; an empty one for none, as a sign of life."""
    lines: list[bytes] = []
    size, reported = 0, False
    for call_id in call_ids:
        lines.append(call_id)
        size += len(call_id) + 1
        if size >= _REPORT_BYTES:
            yield bytes([Kind.REPORT]) + b"\n".join(lines)
            lines, size, reported = [], 0, True
    if lines or not reported:
        yield bytes([Kind.REPORT]) + b"\n".join(lines)


def unpack(frame: bytes) -> Frame:
    """What a frame says.

    Raises:
        ValueError: nothing that `pack` makes.
    """
    if frame[:1] == bytes([Kind.REPORT]):
        return Report(tuple(frame[1:].split(b"\n")) if len(frame) > 1 else ())
    try:
        kind, asked, port, length = _HEAD.unpack_from(frame)
    except struct.error as error:
        raise ValueError("a frame was cut short") from error
    start = _HEAD.size + length
    host = frame[_HEAD.size : start].decode()
    return Passed(frame[start:], (host, port), may_decline=Kind(kind) is Kind.ASKED, asked=asked)
