"""Where a transfer can be, and the limits it keeps; the machine is telephony/transfer.py."""

from dataclasses import dataclass
from enum import StrEnum

from telephony.transfer_events import Recovery


class TransferState(StrEnum):
    """The states, in the words of the theory of operation."""

    REQUESTED = "requested"
    QUEUED = "queued"
    RINGING = "ringing"
    BRIEFING = "briefing"
    DECIDING = "deciding"
    JOINED = "joined"
    LOST = "lost"
    REFERRING = "referring"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOptions:
    """The limits of one transfer; times in seconds."""

    ring_s: float = 20.0  # four to five rings; voicemail commonly picks up at 25 s
    connect_s: float = 10.0  # from accepting at the desk to the browser's audio: ICE and DTLS
    brief_s: float = 60.0  # of spoken brief, at the most
    accept_timeout_s: float = 10.0  # to accept once briefed
    reconnect_s: float = 5.0  # for a target lost in the conversation; callers hang up soon after
    refer_s: float = 40.0  # without news of a REFER; over 32 s, when it times out (Timer F)
    total_s: float = 1800.0  # without a conversation, everything together
    max_attempts: int = 5  # targets rung, or lost, for one caller before they are taken back
    recovery: Recovery = Recovery.DIALOG  # for a caller whom all of them turned away

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise ValueError(f"max_attempts is {self.max_attempts}: give at least 1")
