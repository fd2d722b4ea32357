"""A call of either direction, as the rest of frontdesk handles it while it is up."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from telephony.leg import LegGoneError
from telephony.sip.commands import CallCommand, Renegotiate, SendRefer
from telephony.sip.errors import LocalProtocolError, RequestRefusedError
from telephony.sip.media import Direction, MediaAgreement
from telephony.sip.outputs import DialogId
from telephony.sip.refer_to import make_refer_to
from telephony.sip.referral import Referral, ReferRequest
from telephony.sip.replaces import Replaces
from telephony.sip.uri import parse_uri
from telephony.sip.user_to_user import UserToUser

if TYPE_CHECKING:
    from telephony.sip.incoming_call import IncomingCall


class CallControl(Protocol):
    """What a call asks of its endpoint; all of it takes effect before the method returns."""

    def ring(self, dialog_id: DialogId) -> None: ...

    def answer(self, dialog_id: DialogId, local_host: str, local_port: int) -> None: ...

    def refuse(self, dialog_id: DialogId, status: int, retry_after_s: int | None) -> None: ...

    def hang_up(self, dialog_id: DialogId) -> None: ...

    def obey(self, dialog_id: DialogId, command: CallCommand) -> None: ...

    def dialog_of(self, dialog_id: DialogId) -> DialogId | None: ...


class LiveCall:
    """What calls of both directions have in common.

    Callbacks are called on the event loop, and never from inside a method of this class.

    Attributes:
        call_id: the Call-ID header field.
        peer: "host:port" of the far end's signalling.
        local_host: the address of ours that this peer reaches: the one to name in SDP.
        on_ended: called exactly once, whoever ended it, with `caller_hangup`, `cancelled`,
            `no_ack`, `server_hangup` (also after `reject`), `refused`, `unreachable`, `lost` or
            `network_error`.
        on_media_changed: the far end renegotiated, or we did: hold, resume, another address or
            codec.
        on_key: a key sent by INFO: one of 0-9 * # A-D.
        on_refer: the far end asks us to call somebody; None declines with 603.
        on_replaced: somebody calls to take the far end's place (RFC 3891): answer that call and
            hang up this one, or reject it; None declines with 603.
    """

    on_ended: Callable[[str], None]
    on_media_changed: Callable[[MediaAgreement], None]
    on_key: Callable[[str], None]
    on_refer: Callable[[ReferRequest], None] | None
    on_replaced: "Callable[[IncomingCall], None] | None"

    def __init__(
        self, control: CallControl, dialog_id: DialogId, *, peer: str, local_host: str
    ) -> None:
        self.call_id = dialog_id.call_id
        self.peer = peer
        self.local_host = local_host
        self._listen_no_more()
        self._control = control
        self._dialog_id = dialog_id
        self._loop = asyncio.get_running_loop()
        self._established: asyncio.Future[MediaAgreement] = self._loop.create_future()
        self._closed = asyncio.Event()
        self._ended: str | None = None
        self._renegotiation: asyncio.Future[int] | None = None
        self._referrals: dict[int, Referral] = {}
        self._referral_count = 0

    def _listen_no_more(self) -> None:
        self.on_ended = lambda reason: None
        self.on_media_changed = lambda agreement: None
        self.on_key = lambda key: None
        self.on_refer = None
        self.on_replaced = None

    @property
    def ended(self) -> str | None:
        """Why the call ended; None while it lives."""
        return self._ended

    @property
    def replaceable(self) -> Replaces:
        """What an INVITE must carry to take our place in this call (RFC 3891).

        Raises:
            LegGoneError: the call has ended.
        """
        dialog_id = self._control.dialog_of(self._dialog_id)
        if dialog_id is None:
            raise LegGoneError(self._ended or "closed")
        return Replaces.of(dialog_id)

    async def renegotiate(self, direction: Direction) -> None:
        """Change who sends, as seen from here; returns when the far end agreed.

        Cancelling the wait does not stop the renegotiation; another waits for it.

        Raises:
            LegGoneError: the call ended first.
            LocalProtocolError: it was not answered yet.
            RequestRefusedError: the far end refused; everything stays as it was.
        """
        while self._renegotiation is not None:
            await asyncio.wait({self._renegotiation})
        self._check_up()
        settled: asyncio.Future[int] = self._loop.create_future()
        self._renegotiation = settled
        try:
            self._control.obey(self._dialog_id, Renegotiate(direction=direction))
        except BaseException:
            self._renegotiation = None
            raise
        status = await asyncio.shield(settled)
        if self._ended is not None:
            raise LegGoneError(self._ended)
        if status >= 300:
            raise RequestRefusedError("the far end did not renegotiate", status=status)

    async def refer(
        self,
        target: str,
        *,
        replaces: Replaces | None = None,
        user_to_user: UserToUser | None = None,
    ) -> Referral:
        """Ask the far end to call `target`, in the place of the call `replaces` if there is one.

        Raises:
            LegGoneError: the call has ended.
            LocalProtocolError: it was not answered yet.
            MalformedValueError: the target is no URI.
        """
        self._check_up()
        refer_to = make_refer_to(parse_uri(target), replaces=replaces, user_to_user=user_to_user)
        self._referral_count += 1
        number = self._referral_count
        referral = self._referrals[number] = Referral()
        try:
            self._control.obey(self._dialog_id, SendRefer(referral=number, refer_to=refer_to))
        except BaseException:
            del self._referrals[number]
            raise
        return referral

    async def hang_up(self) -> None:
        """End the call in whatever state it is; idempotent.

        Unanswered, it is refused with 480 or cancelled; answered, BYE is sent and repeated, and
        this returns when the far end confirmed it or never did (32 s, or twice that when ACK is
        missing too). Cancelling the wait does not stop the BYE.
        """
        self._control.hang_up(self._dialog_id)
        await self._closed.wait()

    def _check_up(self) -> None:
        if self._ended is not None:
            raise LegGoneError(self._ended)
        if not self._established.done():
            raise LocalProtocolError("the call is not up")

    # --- for the endpoint -----------------------------------------------------------------------

    def note_ringing(self) -> None:
        """The far end is being alerted; of interest to whoever calls it."""

    def note_established(self, agreement: MediaAgreement) -> None:
        """The call is up."""
        if not self._established.done():
            self._established.set_result(agreement)

    def note_media_changed(self, agreement: MediaAgreement) -> None:
        """Either side renegotiated."""
        self._loop.call_soon(lambda: self.on_media_changed(agreement))

    def note_renegotiated(self, status: int) -> None:
        """A renegotiation of ours is through."""
        settled, self._renegotiation = self._renegotiation, None
        if settled is not None and not settled.done():
            settled.set_result(status)

    def note_key(self, key: str) -> None:
        """The far end pressed a key."""
        self._loop.call_soon(lambda: self.on_key(key))

    def note_refer(self, request: ReferRequest) -> None:
        """The far end refers us."""
        self._loop.call_soon(self._take_refer, request)

    def note_referral(self, number: int, status: int, *, is_final: bool) -> None:
        """News of a referral of ours."""
        referral = self._referrals.get(number)
        if referral is not None:
            referral.note(status, is_final=is_final)
        if is_final:
            self._referrals.pop(number, None)

    def replace(self, call: "IncomingCall") -> None:
        """Somebody calls to take the far end's place."""
        if self.on_replaced is None or self._ended is not None:
            call.reject(603)
        else:
            self.on_replaced(call)

    def note_ended(self, reason: str, error: Exception | None = None) -> None:
        """The call is over; later notes of the same are ignored."""
        if self._ended is not None:
            return
        self._ended = reason
        self.note_renegotiated(481)
        for number in list(self._referrals):
            self.note_referral(number, 481, is_final=True)
        if not self._established.done():
            self._established.set_exception(error or LegGoneError(reason))
            self._established.exception()  # seen: nobody may be waiting for an answer
        self._loop.call_soon(self._tell_end, reason)

    def _tell_end(self, reason: str) -> None:
        """The last that is told: who listened is let go of, and is free with the call."""
        self.on_ended(reason)
        self._listen_no_more()

    def note_closed(self) -> None:
        """Nothing more will be sent for this call."""
        self._closed.set()

    def _take_refer(self, request: ReferRequest) -> None:
        if self.on_refer is None:
            request.decline()
        else:
            self.on_refer(request)
