"""One call that came in, as the rest of frontdesk handles it."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from telephony.leg import LegGoneError
from telephony.sip.errors import LocalProtocolError, RemoteProtocolError
from telephony.sip.media import MediaAgreement
from telephony.sip.message import Headers
from telephony.sip.outputs import CallOffered, DialogId
from telephony.sip.sdp import SessionDescription


class CallControl(Protocol):
    """What a call asks of its endpoint; all of it takes effect before the method returns."""

    def ring(self, dialog_id: DialogId) -> None: ...

    def answer(self, dialog_id: DialogId, local_host: str, local_port: int) -> None: ...

    def refuse(self, dialog_id: DialogId, status: int, retry_after_s: int | None) -> None: ...

    def hang_up(self, dialog_id: DialogId) -> None: ...


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

    on_ended: Callable[[str], None]
    on_media_changed: Callable[[MediaAgreement], None]
    on_key: Callable[[str], None]

    def __init__(self, control: CallControl, offered: CallOffered) -> None:
        invite = offered.invite
        self.call_id = invite.call_id
        self.from_uri = invite.from_.uri.identity
        self.to_uri = invite.to.uri.identity
        self.peer = f"{offered.peer[0]}:{offered.peer[1]}"
        self.local_host = offered.local_host
        self.headers: Headers = invite.headers
        self.offer: SessionDescription | None = offered.offer
        self.on_ended = lambda reason: None
        self.on_media_changed = lambda agreement: None
        self.on_key = lambda key: None
        self._control = control
        self._dialog_id = offered.dialog_id
        self._loop = asyncio.get_running_loop()
        self._established: asyncio.Future[MediaAgreement] = self._loop.create_future()
        self._closed = asyncio.Event()
        self._ended: str | None = None

    @property
    def ended(self) -> str | None:
        """Why the call ended; None while it lives."""
        return self._ended

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
        return await self._established

    def reject(self, status: int, *, retry_after_s: int | None = None) -> None:
        """Refuse with a final status, 300 to 699. Does nothing once the call has ended.

        Raises:
            LocalProtocolError: the call was answered before, or the status is not final.
        """
        if not 300 <= status <= 699:
            raise LocalProtocolError(f"not a refusal: {status}")
        if self._ended is None:
            self._control.refuse(self._dialog_id, status, retry_after_s)

    async def hang_up(self) -> None:
        """End the call in whatever state it is; idempotent.

        Unanswered, it is refused with 480; answered, BYE is sent and repeated, and this returns
        when the caller confirmed it or never did (32 s, or twice that when ACK is missing too).
        Cancelling the wait does not stop the BYE.
        """
        self._control.hang_up(self._dialog_id)
        await self._closed.wait()

    # --- for the endpoint -----------------------------------------------------------------------

    def note_established(self, agreement: MediaAgreement) -> None:
        """The caller acknowledged."""
        if not self._established.done():
            self._established.set_result(agreement)

    def note_media_changed(self, agreement: MediaAgreement) -> None:
        """The caller renegotiated."""
        self._loop.call_soon(lambda: self.on_media_changed(agreement))

    def note_key(self, key: str) -> None:
        """The caller pressed a key."""
        self._loop.call_soon(lambda: self.on_key(key))

    def note_ended(self, reason: str, error: RemoteProtocolError | None = None) -> None:
        """The call is over; later notes of the same are ignored."""
        if self._ended is not None:
            return
        self._ended = reason
        if not self._established.done():
            self._established.set_exception(error or LegGoneError(reason))
            self._established.exception()  # seen: nobody may be waiting for an answer
        self._loop.call_soon(lambda: self.on_ended(reason))

    def note_closed(self) -> None:
        """Nothing more will be sent for this call."""
        self._closed.set()
