"""A call that is up, whoever made it, and its end (RFC 3261 §12-§15).

The call stands on its line: the dialog, which knows addresses and sequence, and the transaction
layer, which repeats and absorbs. What is left is here: a call is renegotiated by re-INVITE and
UPDATE of either side, referred, and ended by BYE of either side. How it gets up is told in
received_call.py and placed_call.py; call_state.py says what may happen when. For its user the call
ends once, with CallEnded; CallClosed follows when nothing more will be sent.
"""

import weakref
from abc import ABC, abstractmethod
from typing import Final, assert_never, cast

from telephony.sip.acceptance import Acceptance
from telephony.sip.call_line import CallLine
from telephony.sip.call_state import TRANSITIONS, CallEvent, CallState
from telephony.sip.commands import (
    AcceptRefer,
    CallCommand,
    DeclineRefer,
    Renegotiate,
    ReportRefer,
    SendRefer,
)
from telephony.sip.dialog import Dialog
from telephony.sip.errors import DialogError, LocalProtocolError, RemoteProtocolError
from telephony.sip.info_keys import KEY_TYPES, read_key
from telephony.sip.media import MediaAgreement
from telephony.sip.message import Request, Response
from telephony.sip.negotiation import Negotiation, read_offer
from telephony.sip.outputs import (
    Address,
    CallClosed,
    CallEnded,
    CallEstablished,
    DialogId,
    KeySignalled,
    MediaChanged,
)
from telephony.sip.refer_client import SentRefers
from telephony.sip.refer_server import ReceivedRefers
from telephony.sip.renegotiation import Renegotiation
from telephony.sip.screening import ALLOW_FIELD, CAPABILITIES, SDP_TYPE, SUPPORTED_FIELD
from telephony.sip.sdp import SessionDescription
from telephony.sip.transaction_layer import ClientTransaction, ServerTransaction

MAX_RETRY_S: Final = 10  # ceiling of the Retry-After of §14.2


class Call(ABC):
    """What calls of both directions have in common.

    Attributes:
        state: where it is.
        agreement: what was last agreed about the stream; None before.
    """

    def __init__(self, line: CallLine, state: CallState, *, is_ours: bool) -> None:
        own = cast(Call, weakref.proxy(self))  # what we own does not own us: see voice/session.py
        self.state = state
        self.agreement: MediaAgreement | None = None
        self._line = line
        self._acceptance: Acceptance | None = None
        self._negotiation: Negotiation | None = None
        self._renegotiation = Renegotiation(
            line,
            owns_call_id=is_ours,
            on_agreement=lambda agreement: own._change(agreement),
            on_lost=lambda now_s: own._lose(now_s),
            on_useless=lambda error, now_s: own._abandon(error, now_s),
        )
        self._sent_refers = SentRefers(line)
        self._received_refers = ReceivedRefers(line)
        self._is_reported = False

    @property
    def id(self) -> DialogId:
        """What the call goes by for its user."""
        return self._line.id

    @property
    def dialog(self) -> Dialog:
        return self._line.dialog

    # --- what our side wants --------------------------------------------------------------------

    @abstractmethod
    def hang_up(self, now_s: float) -> None:
        """End the call in any state."""

    def obey(self, command: CallCommand, now_s: float) -> None:
        """Do what the user of a call that is up wants.

        Raises:
            LocalProtocolError: it is not up, or the command does not fit; nothing changed.
        """
        if self.state is not CallState.CONFIRMED:
            raise LocalProtocolError("the call is not up")
        match command:
            case Renegotiate(direction=direction):
                self._renegotiation.want(direction)
                self._proceed(now_s)
            case SendRefer(referral=referral, refer_to=refer_to):
                self._sent_refers.send(referral, refer_to, now_s)
            case AcceptRefer(referral=referral):
                self._received_refers.accept(referral, now_s)
            case DeclineRefer(referral=referral, status=status):
                self._received_refers.decline(referral, status, now_s)
            case ReportRefer(referral=referral, status=status):
                self._received_refers.report(referral, status, now_s)
            case _:
                assert_never(command)

    # --- what the far end sends -----------------------------------------------------------------

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
        self._proceed(now_s)
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
            case "REFER":
                self._receive_refer(transaction, now_s)
            case "NOTIFY":
                self._sent_refers.receive(transaction, now_s)
            case _:
                self._line.layer.respond(transaction, 200, now_s, fields=CAPABILITIES)

    # --- time -----------------------------------------------------------------------------------

    def next_deadline_s(self) -> float | None:
        """When `tick` is wanted next."""
        deadlines = (
            None if self._acceptance is None else self._acceptance.next_deadline_s(),
            self._renegotiation.next_deadline_s(),
            self._sent_refers.next_deadline_s(),
            self._received_refers.next_deadline_s(),
        )
        return min((at for at in deadlines if at is not None), default=None)

    def tick(self, now_s: float) -> int:
        """Do what is due.

        Returns:
            how many messages were repeated.
        """
        self._sent_refers.tick(now_s)
        self._received_refers.tick(now_s)
        if self._renegotiation.is_due(now_s):
            self._proceed(now_s)
        acceptance = self._acceptance
        if acceptance is None:
            return 0
        if acceptance.is_hopeless(now_s):
            self._acceptance = None
            self._lose(now_s, reason="no_ack")
            return 0
        if not acceptance.is_due(now_s):
            return 0
        self._line.outputs.append(acceptance.repeat)
        return 1

    # --- requests within the call ---------------------------------------------------------------

    def _receive_bye(self, transaction: ServerTransaction, now_s: float) -> None:
        self._line.layer.respond(transaction, 200, now_s)
        self._step(CallEvent.BYE)
        self._report("caller_hangup", now_s)

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
            self._line.layer.respond(transaction, 200, now_s, fields=fields)
        else:
            negotiation = self._ready_negotiation(is_invite=False)
            agreement, description = negotiation.answer(offer)
            fields.append(("Content-Type", SDP_TYPE))
            body = bytes(description)
            self._line.layer.respond(transaction, 200, now_s, fields=fields, body=body)
            self._change(agreement)
        self.dialog.refresh_target(transaction.request)

    def _receive_info(self, transaction: ServerTransaction, now_s: float) -> None:
        request = transaction.request
        self._line.layer.respond(transaction, 200, now_s)
        key = read_key(request.body) if request.content_type in KEY_TYPES else None
        if key is not None:
            self._line.outputs.append(KeySignalled(dialog_id=self.id, key=key))

    def _receive_refer(self, transaction: ServerTransaction, now_s: float) -> None:
        if self.state is not CallState.CONFIRMED:
            raise DialogError("not answered yet", status=603)
        self._received_refers.receive(transaction, now_s)

    def _ready_negotiation(self, *, is_invite: bool) -> Negotiation:
        """The negotiation, when no other offer or INVITE is open.

        Raises:
            DialogError: 500 before the call is answered (§14.2, RFC 3311 §5.2), 491 while an INVITE
                waits for its ACK or, being ours, for its answer.
        """
        if self._negotiation is None:
            retry_after_s = self._line.pick(MAX_RETRY_S + 1)
            raise DialogError("not answered yet", status=500, retry_after_s=retry_after_s)
        acceptance = self._acceptance
        has_other = acceptance is not None and (is_invite or acceptance.own_offer is not None)
        if has_other or self._renegotiation.is_open:
            raise DialogError("an INVITE is under way", status=491)
        return self._negotiation

    def _accept(
        self,
        transaction: ServerTransaction,
        description: SessionDescription,
        own_offer: SessionDescription | None,
        now_s: float,
    ) -> None:
        routes = transaction.request.headers.get_all("Record-Route")  # §12.1.1
        fields = [*(("Record-Route", route) for route in routes)]
        fields += [("Contact", self.dialog.contact), ALLOW_FIELD, SUPPORTED_FIELD]
        fields.append(("Content-Type", SDP_TYPE))
        repeat = self._line.layer.respond(
            transaction,
            200,
            now_s,
            to_tag=self.dialog.id.local_tag,
            fields=fields,
            body=bytes(description),
        )
        self._acceptance = Acceptance(
            repeat=repeat,
            sequence=transaction.request.cseq.number,
            own_offer=own_offer,
            sent_s=now_s,
        )

    # --- inside ---------------------------------------------------------------------------------

    def _proceed(self, now_s: float) -> None:
        """Renegotiate, if that is wanted and nothing is in the way."""
        ready = self.state is CallState.CONFIRMED and self._acceptance is None
        if ready and self._negotiation is not None:
            self._renegotiation.proceed(self._negotiation, now_s)

    def _confirm(self, before: MediaAgreement | None) -> None:
        assert self.agreement is not None  # by the offer in the INVITE, or the answer in the ACK
        if self.state is CallState.ACCEPTED:
            self._step(CallEvent.ACK)
            self._establish()
        elif before != self.agreement:
            self._line.outputs.append(MediaChanged(dialog_id=self.id, agreement=self.agreement))

    def _establish(self) -> None:
        assert self.agreement is not None
        self._line.outputs.append(CallEstablished(dialog_id=self.id, agreement=self.agreement))

    def _change(self, agreement: MediaAgreement) -> None:
        if agreement != self.agreement:
            self.agreement = agreement
            self._line.outputs.append(MediaChanged(dialog_id=self.id, agreement=agreement))

    def _lose(self, now_s: float, reason: str = "lost") -> None:
        """Nobody is there: the call is of no use (§12.2.1.2, §13.3.1.4)."""
        self._step(CallEvent.NO_ACK)
        self._send_bye(now_s)
        self._report(reason, now_s)

    def _abandon(self, error: RemoteProtocolError, now_s: float) -> None:
        """An answer cannot be used; there is no way to say so but BYE (§13.3.1.4)."""
        if self.state is CallState.ACCEPTED:
            self._step(CallEvent.ACK)
        self._step(CallEvent.HANG_UP)
        self._send_bye(now_s)
        self._report("server_hangup", now_s, error=error)

    def _send_bye(self, now_s: float) -> None:
        self._received_refers.tell_last(now_s)
        self._line.send("BYE", now_s, on_response=self._bye_answered)

    def _bye_answered(
        self, transaction: ClientTransaction, response: Response | None, now_s: float
    ) -> None:
        if response is not None and not response.is_final:
            return
        if self._line.send_again(transaction, response, now_s) is not None:
            return
        if self.state is CallState.ENDING:
            self._step(CallEvent.SETTLE)
            self._close_when_ended()

    def _step(self, event: CallEvent) -> None:
        state = TRANSITIONS[self.state].get(event)
        if state is None:
            raise LocalProtocolError(f"{event} in state {self.state} of a call")
        self.state = state

    def _report(
        self,
        reason: str,
        now_s: float,
        *,
        error: RemoteProtocolError | None = None,
        status: int | None = None,
        phrase: str = "",
    ) -> None:
        """Tell the user that the call is over, once, and stop what was for the user's sake."""
        if self.state is not CallState.CLOSING:
            self._acceptance = None
        self._renegotiation.stop()
        if not self._is_reported:
            self._is_reported = True
            self._sent_refers.end()
            self._received_refers.end(now_s)
            self._line.outputs.append(
                CallEnded(
                    dialog_id=self.id, reason=reason, error=error, status=status, phrase=phrase
                )
            )
        self._close_when_ended()

    def _close_when_ended(self) -> None:
        if self.state is CallState.ENDED:
            self._line.outputs.append(CallClosed(dialog_id=self.id))
