"""One call that came in, as the rest of frontdesk handles it."""

import asyncio

from telephony.leg import LegGoneError
from telephony.sip.errors import LocalProtocolError
from telephony.sip.live_call import CallControl, LiveCall
from telephony.sip.media import MediaAgreement
from telephony.sip.message import Headers
from telephony.sip.outputs import CallOffered
from telephony.sip.sdp import SessionDescription


class IncomingCall(LiveCall):
    """A call from its INVITE to its end.

    It is handed to `on_call` of the endpoint, on the event loop. Set the callbacks there, before
    returning: they are called on the event loop from then on, and never from inside a method of
    this class. A call that nobody answers, rejects or hangs up stays offered until the caller
    cancels it.

    Attributes:
        from_uri: the caller's URI, "sip:alice@example.com"; stated, not proven.
        to_uri: the URI that was called.
        headers: all header fields of the INVITE; `headers.get("User-to-User")` and the like.
        offer: the caller's session description, None when the INVITE had none.
    """

    def __init__(self, control: CallControl, offered: CallOffered) -> None:
        invite = offered.invite
        peer = f"{offered.peer[0]}:{offered.peer[1]}"
        super().__init__(control, offered.dialog_id, peer=peer, local_host=offered.local_host)
        self.from_uri = invite.from_.uri.identity
        self.to_uri = invite.to.uri.identity
        self.headers: Headers = invite.headers
        self.offer: SessionDescription | None = offered.offer

    def ring(self) -> None:
        """Send 180 Ringing. Does nothing once the call is answered or has ended."""
        self._control.ring(self._dialog_id)

    async def answer(self, local_host: str, local_port: int) -> MediaAgreement:
        """Accept with 200 and our session description; resolves when the caller acknowledged.

        Cancelling the wait leaves the call as it is; `hang_up` ends it.

        Args:
            local_host: IP address our RTP is received at, `self.local_host` unless configured.
            local_port: UDP port of the same.

        Raises:
            LegGoneError: the caller cancelled, hung up, never acknowledged, or the call had ended.
            MalformedSdpError: the ACK had no usable answer to our offer; the call has been ended.
            NoCommonCodecError: likewise.
            LocalProtocolError: the call was answered before.
        """
        if self._ended is not None:
            raise LegGoneError(self._ended)
        self._control.answer(self._dialog_id, local_host, local_port)
        return await asyncio.shield(self._established)

    def reject(self, status: int, *, retry_after_s: int | None = None) -> None:
        """Refuse with a final status, 300 to 699. Does nothing once the call has ended.

        Raises:
            LocalProtocolError: the call was answered before, or the status is not final.
        """
        if not 300 <= status <= 699:
            raise LocalProtocolError(f"not a refusal: {status}")
        if self._ended is None:
            self._control.refuse(self._dialog_id, status, retry_after_s)
