"""What two processes say of a caller whom one has and the other gives to people; pure.

"Home" is the process that the caller's line ends in, "the desk" the one in which agents are. A
frame (server/framing.py) has JSON; audio is octets. A caller has a number that home chose, unique
on the connection. Both ends are on the same machine, so that seconds of the monotonic clock mean
the same to both.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Final, TypeAlias
from uuid import UUID

import numpy as np
from pydantic import TypeAdapter

from dialog.standing import Standing
from server.desk.board import BoardCall
from server.framing import framed
from server.handoff.in_hand import HandOffOutcome
from server.handoff.story import Deed, Told
from telephony.leg import CallerInfo
from voice.events import HandOff, LegEvent, PerformAction
from voice.frames import FRAME_SAMPLES, Pcm

_NUMBER: Final = struct.Struct("!Q")
_FRAME_OCTETS: Final = 2 * FRAME_SAMPLES
_SOUND: Final = np.dtype("<i2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """To the desk: this caller wants a person. The fields are those of CallInHand."""

    number: int
    handoff: HandOff
    call_id: UUID
    info: CallerInfo
    started_at: datetime
    answered_at_s: float
    reports_keys: bool
    standing: Standing
    told: Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """To the desk: what the caller's leg reported; the end of it is the end of the visit."""

    number: int
    event: LegEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """To the desk: an action of the call was begun, or its outcome is known now."""

    number: int
    deed: Deed


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """To the desk: the caller's phone system gave the call to another phone (RFC 3891)."""

    number: int
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """To the desk: home ends the hand-off, and the call."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Referred:
    """To the desk: what became of `Refer`; None: no more is heard of it."""

    number: int
    status: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """To home: the caller is yours again, or gone; what happened meanwhile is in `told`."""

    number: int
    outcome: HandOffOutcome
    told: Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """To home: press this key for the caller's network to hear."""

    number: int
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refer:
    """To home: have the caller's phone call somebody else (RFC 3515).

    replaces: the field of RFC 3891, user_to_user that of RFC 7433.
    """

    number: int
    target: str
    replaces: str | None
    user_to_user: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp:
    """To home: end the caller's leg."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """To the desk, again and again: all calls of home."""

    calls: tuple[BoardCall, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """See server.approvals.Pending."""

    id: str
    call_id: UUID
    action: PerformAction
    detail: str
    since_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaiting:
    """To the desk, when it changes: all that waits for a person's word at home."""

    actions: tuple[Awaited, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decide:
    """To home: what a person said of an action."""

    call_id: UUID
    action_id: str
    approved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """To home: send what is heard in this call, mixed, under this number."""

    number: int
    call_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlisten:
    """To home: and no more."""

    number: int


@dataclass(frozen=True, slots=True)
class Audio:
    """Either way: 20 ms of each of these callers, or for them; frames of shape (160,)."""

    frames: tuple[tuple[int, Pcm], ...]


Message: TypeAlias = (
    Audio
    | Brought
    | Reported
    | Happened
    | Replaced
    | Ended
    | Referred
    | Over
    | Press
    | Refer
    | HangUp
    | Seen
    | Awaiting
    | Decide
    | Listen
    | Unlisten
)


class Kind(IntEnum):
    """The first octet; each but the first is a dataclass of the same name, as JSON."""

    AUDIO = 0
    BROUGHT = 1
    REPORTED = 2
    HAPPENED = 3
    REPLACED = 4
    ENDED = 5
    REFERRED = 6
    OVER = 7
    PRESS = 8
    REFER = 9
    HANG_UP = 10
    SEEN = 11
    AWAITING = 12
    DECIDE = 13
    LISTEN = 14
    UNLISTEN = 15


_KINDS: Final[dict[type[Any], Kind]] = {
    Brought: Kind.BROUGHT,
    Reported: Kind.REPORTED,
    Happened: Kind.HAPPENED,
    Replaced: Kind.REPLACED,
    Ended: Kind.ENDED,
    Referred: Kind.REFERRED,
    Over: Kind.OVER,
    Press: Kind.PRESS,
    Refer: Kind.REFER,
    HangUp: Kind.HANG_UP,
    Seen: Kind.SEEN,
    Awaiting: Kind.AWAITING,
    Decide: Kind.DECIDE,
    Listen: Kind.LISTEN,
    Unlisten: Kind.UNLISTEN,
}
_ADAPTERS: Final[dict[Kind, TypeAdapter[Any]]] = {
    kind: TypeAdapter(message) for message, kind in _KINDS.items()
}


def pack(message: Message) -> bytes:
    """A message as a frame.

    Raises:
        ValueError: it is too long.
    """
    if isinstance(message, Audio):
        kind, body = Kind.AUDIO, b"".join(_octets(message.frames))
    else:
        kind = _KINDS[type(message)]
        # Scores may be NumPy's numbers, which are Python's for all that matters.
        body = _ADAPTERS[kind].dump_json(message, fallback=float, warnings="none")
    return framed(kind, body)


def unpack(kind: int, body: bytes) -> Message:
    """What a frame says.

    Raises:
        ValueError: nothing that `pack` makes.
    """
    known = Kind(kind)
    if known is Kind.AUDIO:
        return Audio(tuple(_frames(body)))
    return _ADAPTERS[known].validate_json(body)


def _octets(frames: Iterable[tuple[int, Pcm]]) -> Iterator[bytes]:
    for number, pcm in frames:
        yield _NUMBER.pack(number)
        yield pcm.astype(_SOUND, copy=False).tobytes()


def _frames(body: bytes) -> Iterator[tuple[int, Pcm]]:
    each = _NUMBER.size + _FRAME_OCTETS
    if len(body) % each:
        raise ValueError(f"{len(body)} octets are no frames of 20 ms")
    for start in range(0, len(body), each):
        (number,) = _NUMBER.unpack_from(body, start)
        sound = np.frombuffer(body, _SOUND, FRAME_SAMPLES, start + _NUMBER.size)
        yield number, sound.astype(np.int16, copy=False)
