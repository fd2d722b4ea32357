"""What two parties agree on about audio: the result of an offer and its answer."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Direction(StrEnum):
    """Who sends, as seen from this side."""

    SENDRECV = "sendrecv"  # both
    SENDONLY = "sendonly"  # only we do: the peer is on hold
    RECVONLY = "recvonly"  # only the peer does: we are on hold
    INACTIVE = "inactive"  # nobody

    @property
    def reversed(self) -> "Direction":
        """The same stream as the peer sees it."""
        match self:
            case Direction.SENDONLY:
                return Direction.RECVONLY
            case Direction.RECVONLY:
                return Direction.SENDONLY
            case _:
                return self

    def limited_to(self, other: "Direction") -> "Direction":
        """What both directions allow."""
        sends, receives = self.sends and other.sends, self.receives and other.receives
        if sends:
            return Direction.SENDRECV if receives else Direction.SENDONLY
        return Direction.RECVONLY if receives else Direction.INACTIVE

    @property
    def without_sending(self) -> "Direction":
        """This direction for a party that has nowhere to send to."""
        return Direction.RECVONLY if self.receives else Direction.INACTIVE

    @property
    def sends(self) -> bool:
        """We send."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        """The peer sends."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaAgreement:
    """The audio stream both sides agreed on, as this side sees it."""

    remote_host: str  # where our RTP goes; "0.0.0.0" when the peer is on old-style hold
    remote_port: int
    payload_type: int  # of the codec, both ways
    codec: Literal["PCMU", "PCMA"]
    event_payload_type: int | None  # RFC 4733 telephone-event at 8 kHz; None: keys come by INFO
    direction: Direction
    ptime_ms: int
