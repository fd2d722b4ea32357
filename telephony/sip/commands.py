"""What the user of a call may ask of it while it is up."""

from dataclasses import dataclass
from typing import TypeAlias

from telephony.sip.media import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Renegotiate:
    """Change who sends, by re-INVITE; RenegotiationEnded says how it went."""

    direction: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRefer:
    """Ask the far end to call somebody (RFC 3515); ReferProgressed says how it goes.

    referral: a number of the user's choice, new in this call.
    """

    referral: int
    refer_to: str  # the whole field, as refer_to.py makes it


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptRefer:
    """Take on what ReferReceived asked for; ReportRefer must follow, up to a final status."""

    referral: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclineRefer:
    referral: int
    status: int = 603


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRefer:
    """Tell the far end what became of its REFER; a final status is the last thing told."""

    referral: int
    status: int


CallCommand: TypeAlias = Renegotiate | SendRefer | AcceptRefer | DeclineRefer | ReportRefer
