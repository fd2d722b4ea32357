"""One call that came in: from its INVITE to the last BYE (RFC 3261 §13-§15, as the called side).

The call stands on its dialog, which knows addresses and sequence, and on the transaction layer,
which repeats and absorbs. What is left is here: the caller is offered, then refused, or accepted
with a 200 that is repeated until ACK; a call that is up is renegotiated by re-INVITE and UPDATE
and ended by BYE of either side. call_state.py says what may happen when. For its user the call ends
once, with CallEnded; CallClosed follows when nothing more will be sent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from telephony.sip.call_state import TRANSITIONS, CallEvent, CallState
from telephony.sip.dialog import Dialog
from telephony.sip.errors import DialogError, LocalProtocolError, RemoteProtocolError
from telephony.sip.info_keys import KEY_TYPES, read_key
from telephony.sip.media import MediaAgreement
from telephony.sip.message import Request
from telephony.sip.negotiation import Negotiation, read_offer
from telephony.sip.outputs import (
    Address,
    CallClosed,
    CallEnded,
    CallEstablished,
    KeySignalled,
    MediaChanged,
    Output,
    Transmit,
)
from telephony.sip.screening import ALLOW_FIELD, CAPABILITIES, SDP_TYPE
from telephony.sip.sdp import SessionDescription
from telephony.sip.transaction import T1_S, T2_S, TIMEOUT_S
from telephony.sip.transaction_layer import ServerTransaction, TransactionLayer

PROVISIONAL_S: Final = 60.0  # proxies drop an INVITE that is silent for three minutes (§13.3.1.1)
MAX_RETRY_S: Final = 10  # ceiling of the Retry-After of §14.2


@dataclass(slots=True, kw_only=True)
class _Acceptance:
    """A 200 to an INVITE, repeated until its ACK (§13.3.1.4)."""

    repeat: Transmit
    sequence: int
    own_offer: SessionDescription | None  # then the ACK brings the answer
    give_up_s: float
    repeat_s: float
    interval_s: float = T1_S


class Call:
    """A call from the side that was called.

    Attributes:
        invite: the transaction that opened it.
        dialog: its dialog.
        state: where it is.
        agreement: what was last agreed about the stream; None before.
    """

    def __init__(
        self,
        invite: ServerTransaction,
        dialog: Dialog,
        *,
        offer: SessionDescription | None,
        layer: TransactionLayer,
        outputs: list[Output],
        token: Callable[[], str],
    ) -> None:
        self.dialog = dialog
        self.state = CallState.OFFERED
        self.agreement: MediaAgreement | None = None
        self.invite = invite
        self._offer = offer
        self._layer = layer
        self._outputs = outputs
        self._token = token
        self._acceptance: _Acceptance | None = None
        self._negotiation: Negotiation | None = None
        self._provisional_s: float | None = None
        self._is_reported = False

    # --- what our side wants --------------------------------------------------------------------

    def ring(self, now_s: float) -> None:
        """Send 180, and again each minute. Does nothing when the call is past that."""
        if self.state is not CallState.OFFERED:
            return
        self._layer.respond(
            self.invite,
            180,
            now_s,
            to_tag=self.dialog.id.local_tag,
            fields=(*self._record_routes(), ("Contact", self.dialog.contact), ALLOW_FIELD),
        )
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
        self._report("server_hangup")

    def hang_up(self, now_s: float) -> None:
        """End the call in any state: 480 before it is answered, BYE after."""
        match self.state:
            case CallState.OFFERED:
                self.refuse(480, now_s)
            case CallState.ACCEPTED:
                self._step(CallEvent.HANG_UP)
                self._report("server_hangup")
            case CallState.CONFIRMED:
                self._step(CallEvent.HANG_UP)
                self._send_bye(now_s)
                self._report("server_hangup")
            case CallState.CLOSING | CallState.ENDING | CallState.ENDED:
                pass

    # --- what the caller sends ------------------------------------------------------------------

    def cancel(self, now_s: float) -> None:
        """A CANCEL for the INVITE came; without effect once it is answered (§9.2)."""
        if self.state is CallState.OFFERED:
            self._step(CallEvent.CANCEL)
            self._refuse_invite(487, now_s)
            self._report("cancelled")

    def acknowledge(self, ack: Request, now_s: float) -> bool:
        """An ACK came in this dialog.

        Returns:
            whether it was one we waited for.
        """
        acceptance = self._acceptance
        if acceptance is None or ack.cseq.number != acceptance.sequence:
            return False
        self._acceptance = None
        if self.state is CallState.CLOSING:
            self._step(CallEvent.ACK)
            self._send_bye(now_s)
            return True
        before = self.agreement
        if acceptance.own_offer is not None and self._negotiation is not None:
            try:
                self.agreement = self._negotiation.settle(acceptance.own_offer, ack.body)
            except RemoteProtocolError as error:
                self._abandon(error, now_s)
                return True
        self._confirm(before)
        return True

    def receive(self, transaction: ServerTransaction, source: Address, now_s: float) -> None:
        """A request came in this dialog, other than ACK and CANCEL; it is answered.

        Raises:
            RemoteProtocolError: it must be refused with the error's status; the call goes on.
        """
        request = transaction.request
        if self.state is CallState.ENDING and request.method != "BYE":
            raise DialogError("the call is over", status=481)
        self.dialog.receive(request, source)
        match request.method:
            case "BYE":
                self._receive_bye(transaction, now_s)
            case "INVITE":
                self._receive_invite(transaction, now_s)
            case "UPDATE":
                self._receive_update(transaction, now_s)
            case "INFO":
                self._receive_info(transaction, now_s)
            case _:
                self._layer.respond(transaction, 200, now_s, fields=CAPABILITIES)

    def settle(self) -> None:
        """Our BYE was answered, or nobody is there to answer it."""
        if self.state is CallState.ENDING:
            self._step(CallEvent.SETTLE)
            self._close_when_ended()

    # --- time -----------------------------------------------------------------------------------

    def next_deadline_s(self) -> float | None:
        if self._acceptance is not None:
            return min(self._acceptance.repeat_s, self._acceptance.give_up_s)
        return self._provisional_s

    def tick(self, now_s: float) -> int:
        """Do what is due.

        Returns:
            how many messages were repeated.
        """
        if self._provisional_s is not None and self._provisional_s <= now_s:
            self.ring(now_s)
            return 1
        acceptance = self._acceptance
        if acceptance is None:
            return 0
        if acceptance.give_up_s <= now_s:
            self._give_up(now_s)
            return 0
        if acceptance.repeat_s > now_s:
            return 0
        acceptance.interval_s = min(2 * acceptance.interval_s, T2_S)
        acceptance.repeat_s = now_s + acceptance.interval_s
        self._outputs.append(acceptance.repeat)
        return 1

    # --- inside ---------------------------------------------------------------------------------

    def _receive_bye(self, transaction: ServerTransaction, now_s: float) -> None:
        if not self.invite.is_answered:  # §15.1.2: the INVITE is answered before its BYE
            self._refuse_invite(487, now_s)
        self._layer.respond(transaction, 200, now_s)
        self._step(CallEvent.BYE)
        self._report("caller_hangup")

    def _receive_invite(self, transaction: ServerTransaction, now_s: float) -> None:
        negotiation = self._ready_negotiation(is_invite=True)
        offer = read_offer(transaction.request)
        if offer is None:
            description = negotiation.offer()
            self._accept(transaction, description, description, now_s)
        else:
            agreement, description = negotiation.answer(offer)
            self._accept(transaction, description, None, now_s)
            self._change(agreement)
        self.dialog.refresh_target(transaction.request)

    def _receive_update(self, transaction: ServerTransaction, now_s: float) -> None:
        """RFC 3311: an offer outside INVITE, or none to keep the session fresh."""
        offer = read_offer(transaction.request)
        fields = [("Contact", self.dialog.contact), ALLOW_FIELD]
        if offer is None:
            self._layer.respond(transaction, 200, now_s, fields=fields)
        else:
            negotiation = self._ready_negotiation(is_invite=False)
            agreement, description = negotiation.answer(offer)
            fields.append(("Content-Type", SDP_TYPE))
            self._layer.respond(transaction, 200, now_s, fields=fields, body=bytes(description))
            self._change(agreement)
        self.dialog.refresh_target(transaction.request)

    def _receive_info(self, transaction: ServerTransaction, now_s: float) -> None:
        request = transaction.request
        self._layer.respond(transaction, 200, now_s)
        key = read_key(request.body) if request.content_type in KEY_TYPES else None
        if key is not None:
            self._outputs.append(KeySignalled(dialog_id=self.dialog.id, key=key))

    def _ready_negotiation(self, *, is_invite: bool) -> Negotiation:
        """The negotiation, when no other offer or INVITE is open.

        Raises:
            DialogError: 500 before the call is answered (§14.2, RFC 3311 §5.2), 491 while an INVITE
                waits for its ACK.
        """
        if self._negotiation is None:
            retry_after_s = crc32(self._token().encode()) % (MAX_RETRY_S + 1)
            raise DialogError("not answered yet", status=500, retry_after_s=retry_after_s)
        acceptance = self._acceptance
        if acceptance is not None and (is_invite or acceptance.own_offer is not None):
            raise DialogError("an INVITE is under way", status=491)
        return self._negotiation

    def _accept(
        self,
        transaction: ServerTransaction,
        description: SessionDescription,
        own_offer: SessionDescription | None,
        now_s: float,
    ) -> None:
        fields = [*self._record_routes(), ("Contact", self.dialog.contact)]
        fields += [ALLOW_FIELD, ("Content-Type", SDP_TYPE)]
        repeat = self._layer.respond(
            transaction,
            200,
            now_s,
            to_tag=self.dialog.id.local_tag,
            fields=fields,
            body=bytes(description),
        )
        self._acceptance = _Acceptance(
            repeat=repeat,
            sequence=transaction.request.cseq.number,
            own_offer=own_offer,
            give_up_s=now_s + TIMEOUT_S,
            repeat_s=now_s + T1_S,
        )

    def _confirm(self, before: MediaAgreement | None) -> None:
        assert self.agreement is not None  # by the offer in the INVITE, or the answer in the ACK
        if self.state is CallState.ACCEPTED:
            self._step(CallEvent.ACK)
            self._outputs.append(
                CallEstablished(dialog_id=self.dialog.id, agreement=self.agreement)
            )
        elif before != self.agreement:
            self._outputs.append(MediaChanged(dialog_id=self.dialog.id, agreement=self.agreement))

    def _change(self, agreement: MediaAgreement) -> None:
        if agreement != self.agreement:
            self.agreement = agreement
            self._outputs.append(MediaChanged(dialog_id=self.dialog.id, agreement=agreement))

    def _give_up(self, now_s: float) -> None:
        """No ACK in 64*T1: the call is of no use (§13.3.1.4)."""
        self._acceptance = None
        self._step(CallEvent.NO_ACK)
        self._send_bye(now_s)
        self._report("no_ack")

    def _abandon(self, error: RemoteProtocolError, now_s: float) -> None:
        """The ACK's answer cannot be used; there is no way to say so but BYE (§13.3.1.4)."""
        if self.state is CallState.ACCEPTED:
            self._step(CallEvent.ACK)
        self._step(CallEvent.HANG_UP)
        self._send_bye(now_s)
        self._report("server_hangup", error)

    def _refuse_invite(
        self, status: int, now_s: float, fields: list[tuple[str, str]] | None = None
    ) -> None:
        self._layer.respond(
            self.invite, status, now_s, to_tag=self.dialog.id.local_tag, fields=fields or ()
        )

    def _send_bye(self, now_s: float) -> None:
        bye = self.dialog.make_request("BYE", branch=self._token())
        self._layer.send_request(bye, self.dialog.next_hop, now_s)

    def _record_routes(self) -> list[tuple[str, str]]:
        """Copied into what opens the dialog (§12.1.1)."""
        values = self.invite.request.headers.get_all("Record-Route")
        return [("Record-Route", value) for value in values]

    def _step(self, event: CallEvent) -> None:
        state = TRANSITIONS[self.state].get(event)
        if state is None:
            raise LocalProtocolError(f"{event} in state {self.state} of a call")
        self.state = state

    def _report(self, reason: str, error: RemoteProtocolError | None = None) -> None:
        """Tell the user that the call is over, once, and stop what was for the user's sake."""
        self._provisional_s = None
        if self.state is not CallState.CLOSING:
            self._acceptance = None
        if not self._is_reported:
            self._is_reported = True
            self._outputs.append(CallEnded(dialog_id=self.dialog.id, reason=reason, error=error))
        self._close_when_ended()

    def _close_when_ended(self) -> None:
        if self.state is CallState.ENDED:
            self._outputs.append(CallClosed(dialog_id=self.dialog.id))
