"""The Leg port: one end of a call, whatever network it came over.

A leg carries 20 ms PCM frames both ways, keys, and the few things call control can ask of it. The
SIP leg is telephony/sip_leg.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from voice.ports import AudioLeg


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerInfo:
    """Who calls whom, as the network states it (never as proof of identity)."""

    call_id: str  # the network's own id: the SIP Call-ID
    caller: str  # sip:alice@example.com or a number
    callee: str
    transport: str  # "sip/udp"
    peer: str  # host:port of the signalling peer


class Leg(AudioLeg, Protocol):
    """An incoming call before and after it is answered."""

    info: CallerInfo

    async def answer(self) -> None:
        """Accept the call and start media.

        Raises:
            LegGoneError: the caller cancelled or vanished meanwhile.
        """
        ...

    async def reject(self, status: int, *, retry_after_s: int | None = None) -> None:
        """Refuse an unanswered call with a SIP status; other networks map it to theirs."""
        ...


class OutgoingLeg(AudioLeg, Protocol):
    """A call of ours to somebody: an agent's phone, an extension, an outside number."""

    target: str

    @property
    def on_ringing(self) -> Callable[[], None]:
        """Called on the event loop when the far end rings, at most once."""
        ...

    @on_ringing.setter
    def on_ringing(self, listener: Callable[[], None]) -> None: ...

    async def answered(self) -> None:
        """Wait for the far end to answer; audio flows from then on.

        Raises:
            LegRefusedError: it refused, is busy or did not answer.
            LegGoneError: it vanished, or `hang_up` came first.
        """
        ...


class LegGoneError(Exception):
    """The far end went away before the request could be carried out."""


class LegRefusedError(Exception):
    """The far end refused a call of ours.

    Attributes:
        status: the SIP status, 300 to 699; other networks map theirs to it.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}".rstrip())
        self.status = status
