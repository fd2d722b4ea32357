"""What the core hands to its shell: octets to send, and what happened to which call."""

from dataclasses import dataclass
from typing import TypeAlias

from telephony.sip.errors import RemoteProtocolError
from telephony.sip.headers import NameAddress
from telephony.sip.media import MediaAgreement
from telephony.sip.message import Request
from telephony.sip.sdp import SessionDescription

Address: TypeAlias = tuple[str, int]
"""IP address, without brackets, and port."""


@dataclass(frozen=True, slots=True)
class DialogId:
    """Names a dialog, and with it a call, for ever (RFC 3261 §12).

    A call of ours goes by the id it has when it is dialled, without a remote tag, although its
    dialog gets one from whoever answers.
    """

    call_id: str
    local_tag: str
    remote_tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transmit:
    """Send one datagram."""

    data: bytes
    destination: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOffered:
    """Somebody calls; ring, answer or reject."""

    dialog_id: DialogId
    invite: Request
    offer: SessionDescription | None
    peer: Address
    local_host: str
    replaces: DialogId | None = None  # the call of ours whose place it wants to take (RFC 3891)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRinging:
    """Whom we call is being alerted; said again with each 18x response."""

    dialog_id: DialogId
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEstablished:
    """The call is up: both sides know what they agreed on."""

    dialog_id: DialogId
    agreement: MediaAgreement


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaChanged:
    """The stream was renegotiated, by either side."""

    dialog_id: DialogId
    agreement: MediaAgreement


@dataclass(frozen=True, slots=True, kw_only=True)
class RenegotiationEnded:
    """A Renegotiate of ours is through: 200, or the status that refused it."""

    dialog_id: DialogId
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySignalled:
    """The caller pressed a key, said by INFO."""

    dialog_id: DialogId
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferReceived:
    """The far end asks us to call somebody; AcceptRefer or DeclineRefer answers it (RFC 3515)."""

    dialog_id: DialogId
    referral: int
    refer_to: NameAddress
    referred_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferProgressed:
    """What became of a REFER of ours so far.

    status: 202 when the far end takes it on, another refusal of the REFER itself, or what a NOTIFY
    reports; 408: nothing more was heard in time; 481: the call ended first.
    """

    dialog_id: DialogId
    referral: int
    status: int
    is_final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """The call is over for its user, once per call; its dialog may still be closing."""

    dialog_id: DialogId
    reason: str  # caller_hangup, cancelled, no_ack, server_hangup, refused, unreachable, lost
    error: RemoteProtocolError | None = None  # what the far end did to make us hang up
    status: int | None = None  # of the refusal of a call of ours
    phrase: str = ""  # of the same


@dataclass(frozen=True, slots=True, kw_only=True)
class CallClosed:
    """Nothing more will be sent for this call; its dialog is forgotten."""

    dialog_id: DialogId


CallOutput: TypeAlias = (
    CallRinging
    | CallEstablished
    | MediaChanged
    | RenegotiationEnded
    | KeySignalled
    | ReferReceived
    | ReferProgressed
    | CallEnded
    | CallClosed
)
"""What happened to a call that its user knows."""

Output: TypeAlias = Transmit | CallOffered | CallOutput
