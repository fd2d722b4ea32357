"""A 2xx to an INVITE, repeated until its ACK comes (RFC 3261 §13.3.1.4)."""

from dataclasses import dataclass

from telephony.sip.outputs import Transmit
from telephony.sip.sdp import SessionDescription
from telephony.sip.transaction import T1_S, T2_S, TIMEOUT_S


@dataclass(slots=True, kw_only=True)
class Acceptance:
    """One 2xx under way.

    Attributes:
        repeat: the 2xx.
        sequence: the number its ACK will have.
        own_offer: what it offers; then the ACK brings the answer.
    """

    repeat: Transmit
    sequence: int
    own_offer: SessionDescription | None
    sent_s: float
    _interval_s: float = T1_S
    _repeat_s: float = 0.0

    def __post_init__(self) -> None:
        self._repeat_s = self.sent_s + T1_S

    def next_deadline_s(self) -> float:
        return min(self._repeat_s, self._give_up_s)

    def is_hopeless(self, now_s: float) -> bool:
        """No ACK in 64*T1: nobody is there."""
        return self._give_up_s <= now_s

    def is_due(self, now_s: float) -> bool:
        """Whether to repeat it now; says so once per interval."""
        if self._repeat_s > now_s:
            return False
        self._interval_s = min(2 * self._interval_s, T2_S)
        self._repeat_s = now_s + self._interval_s
        return True

    @property
    def _give_up_s(self) -> float:
        return self.sent_s + TIMEOUT_S
