"""One call that came in, as the rest of frontdesk handles it."""

from collections.abc import Callable

from telephony.sip.media import MediaAgreement
from telephony.sip.message import Headers
from telephony.sip.sdp import SessionDescription


class IncomingCall:
    """A call from its INVITE to its end.

    It is handed to `on_call` of the endpoint, on the event loop. Set the three callbacks there,
    before returning: they are called on the event loop from then on, and never from inside a
    method of this class. A call that nobody answers, rejects or hangs up stays offered until the
    caller cancels it.

    Attributes:
        call_id: the Call-ID header field.
        from_uri: the caller's URI, "sip:alice@example.com"; stated, not proven.
        to_uri: the URI that was called.
        peer: "host:port" the INVITE came from.
        local_host: the address of ours that this peer reaches: the one to name in SDP.
        headers: all header fields of the INVITE; `headers.get("User-to-User")` and the like.
        offer: the caller's session description, None when the INVITE had none.
        on_ended: called exactly once, whoever ended it, with `caller_hangup`, `cancelled`,
            `no_ack`, `server_hangup` (also after `reject`) or `network_error`.
        on_media_changed: the caller renegotiated: hold, resume, another address or codec.
        on_key: a key sent by INFO: one of 0-9 * # A-D.
    """

    call_id: str
    from_uri: str
    to_uri: str
    peer: str
    local_host: str
    headers: Headers
    offer: SessionDescription | None
    on_ended: Callable[[str], None]
    on_media_changed: Callable[[MediaAgreement], None]
    on_key: Callable[[str], None]

    @property
    def ended(self) -> str | None:
        """Why the call ended; None while it lives."""
        raise NotImplementedError

    def ring(self) -> None:
        """Send 180 Ringing. Does nothing once the call is answered or has ended."""
        raise NotImplementedError

    async def answer(self, local_host: str, local_port: int) -> MediaAgreement:
        """Accept with 200 and our session description; resolves when the caller acknowledged.

        Args:
            local_host: IP address our RTP is received at, `self.local_host` unless configured.
            local_port: UDP port of the same.

        Raises:
            LegGoneError: the caller cancelled, hung up, never acknowledged, or the call had ended.
            MalformedSdpError: the ACK had no usable answer to our offer; the call has been ended.
            NoCommonCodecError: likewise.
            LocalProtocolError: the call was answered before.
        """
        raise NotImplementedError

    def reject(self, status: int, *, retry_after_s: int | None = None) -> None:
        """Refuse with a final status, 300 to 699. Does nothing once the call has ended.

        Raises:
            LocalProtocolError: the call was answered before, or the status is not final.
        """
        raise NotImplementedError

    async def hang_up(self) -> None:
        """End the call in whatever state it is; idempotent.

        Unanswered, it is refused with 480; answered, BYE is sent and repeated, and this returns
        when the caller confirmed it or never did (32 s).
        """
        raise NotImplementedError
