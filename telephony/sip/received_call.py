"""A call that came in, up to its answer (RFC 3261 §13.3).

The caller is offered to our user, then refused, or accepted with a 200 that is repeated until ACK.
"""

from typing import Final
from zlib import crc32

from telephony.sip.call import Call
from telephony.sip.call_line import CallLine
from telephony.sip.call_state import CallEvent, CallState
from telephony.sip.errors import LocalProtocolError
from telephony.sip.negotiation import Negotiation
from telephony.sip.screening import ALLOW_FIELD
from telephony.sip.sdp import SessionDescription
from telephony.sip.transaction_layer import ServerTransaction

PROVISIONAL_S: Final = 60.0  # proxies drop an INVITE that is silent for three minutes (§13.3.1.1)


class ReceivedCall(Call):
    """A call from the side that was called.

    Attributes:
        invite: the transaction that opened it.
    """

    def __init__(
        self, invite: ServerTransaction, line: CallLine, *, offer: SessionDescription | None
    ) -> None:
        super().__init__(line, CallState.OFFERED, is_ours=False)
        self.invite = invite
        self._offer = offer
        self._provisional_s: float | None = None

    # --- what our side wants --------------------------------------------------------------------

    def ring(self, now_s: float) -> None:
        """Send 180, and again each minute. Does nothing when the call is past that."""
        if self.state is not CallState.OFFERED:
            return
        routes = self.invite.request.headers.get_all("Record-Route")  # §12.1.1
        fields = [*(("Record-Route", route) for route in routes)]
        fields += [("Contact", self.dialog.contact), ALLOW_FIELD]
        tag = self.dialog.id.local_tag
        self._line.layer.respond(self.invite, 180, now_s, to_tag=tag, fields=fields)
        self._provisional_s = now_s + PROVISIONAL_S

    def answer(self, local_host: str, local_port: int, now_s: float) -> None:
        """Send 200 with our description; CallEstablished follows with the ACK.

        Raises:
            LocalProtocolError: the call is not waiting for an answer; nothing changed.
        """
        self._step(CallEvent.ANSWER)
        session_id = str(crc32(self.dialog.id.local_tag.encode()))
        self._negotiation = Negotiation(local_host, local_port, session_id)
        self._provisional_s = None
        if self._offer is not None:
            self.agreement, description = self._negotiation.answer(self._offer)
            self._accept(self.invite, description, None, now_s)
        else:
            description = self._negotiation.offer()
            self._accept(self.invite, description, description, now_s)

    def refuse(self, status: int, now_s: float, *, retry_after_s: int | None = None) -> None:
        """Send a refusal.

        Raises:
            LocalProtocolError: the call is not waiting for an answer, or the status is none of
                300 to 699; nothing changed.
        """
        if not 300 <= status <= 699:
            raise LocalProtocolError(f"not a refusal: {status}")
        self._step(CallEvent.REFUSE)
        fields = [] if retry_after_s is None else [("Retry-After", str(retry_after_s))]
        self._refuse_invite(status, now_s, fields)
        self._end_offer("server_hangup", now_s)

    def hang_up(self, now_s: float) -> None:
        """End the call in any state: 480 before it is answered, BYE after."""
        match self.state:
            case CallState.OFFERED:
                self.refuse(480, now_s)
            case CallState.ACCEPTED:
                self._step(CallEvent.HANG_UP)
                self._report("server_hangup", now_s)
            case CallState.CONFIRMED:
                self._step(CallEvent.HANG_UP)
                self._send_bye(now_s)
                self._report("server_hangup", now_s)
            case _:
                pass

    # --- what the caller sends ------------------------------------------------------------------

    def cancel(self, now_s: float) -> None:
        """A CANCEL for the INVITE came; without effect once it is answered (§9.2)."""
        if self.state is CallState.OFFERED:
            self._step(CallEvent.CANCEL)
            self._refuse_invite(487, now_s)
            self._end_offer("cancelled", now_s)

    def _receive_bye(self, transaction: ServerTransaction, now_s: float) -> None:
        if not self.invite.is_answered:  # §15.1.2: the INVITE is answered before its BYE
            self._refuse_invite(487, now_s)
        self._provisional_s = None
        super()._receive_bye(transaction, now_s)

    # --- time -----------------------------------------------------------------------------------

    def next_deadline_s(self) -> float | None:
        return super().next_deadline_s() if self._provisional_s is None else self._provisional_s

    def tick(self, now_s: float) -> int:
        if self._provisional_s is not None and self._provisional_s <= now_s:
            self.ring(now_s)
            return 1
        return super().tick(now_s)

    # --- inside ---------------------------------------------------------------------------------

    def _refuse_invite(
        self, status: int, now_s: float, fields: list[tuple[str, str]] | None = None
    ) -> None:
        tag = self.dialog.id.local_tag
        self._line.layer.respond(self.invite, status, now_s, to_tag=tag, fields=fields or ())

    def _end_offer(self, reason: str, now_s: float) -> None:
        self._provisional_s = None
        self._report(reason, now_s)
