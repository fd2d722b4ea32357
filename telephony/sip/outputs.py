"""What the core hands to its shell: octets to send, and what happened to which call."""

from dataclasses import dataclass
from typing import TypeAlias

from telephony.sip.errors import RemoteProtocolError
from telephony.sip.media import MediaAgreement
from telephony.sip.message import Request
from telephony.sip.sdp import SessionDescription

Address: TypeAlias = tuple[str, int]
"""IP address, without brackets, and port."""


@dataclass(frozen=True, slots=True)
class DialogId:
    """Names a dialog, and with it a call, for ever (RFC 3261 §12)."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEstablished:
    """The caller acknowledged our 200: both sides know what they agreed on."""

    dialog_id: DialogId
    agreement: MediaAgreement


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaChanged:
    """The caller renegotiated the stream."""

    dialog_id: DialogId
    agreement: MediaAgreement


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySignalled:
    """The caller pressed a key, said by INFO."""

    dialog_id: DialogId
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """The call is over for its user, once per call; its dialog may still be closing."""

    dialog_id: DialogId
    reason: str  # caller_hangup, cancelled, no_ack, server_hangup
    error: RemoteProtocolError | None = None  # what the caller did to make us hang up


@dataclass(frozen=True, slots=True, kw_only=True)
class CallClosed:
    """Nothing more will be sent for this call; its dialog is forgotten."""

    dialog_id: DialogId


Output: TypeAlias = (
    Transmit | CallOffered | CallEstablished | MediaChanged | KeySignalled | CallEnded | CallClosed
)
