"""A call of ours, up to its answer (RFC 3261 §9.1, §13.2).

INVITE goes out with our offer. Whoever answers first has the call; others whom a proxy rang too,
and who answered as well, are thanked and hung up on. A call that is given up before anybody
answered is cancelled, which must wait for the first sign of the far end, and may come too late:
then the answer is acknowledged and BYE follows.
"""

from dataclasses import dataclass
from typing import Final
from zlib import crc32

from telephony.sip.call import Call
from telephony.sip.call_line import CallLine
from telephony.sip.call_state import CallEvent, CallState
from telephony.sip.digest import Credentials
from telephony.sip.errors import RemoteProtocolError
from telephony.sip.headers import NameAddress
from telephony.sip.message import Response
from telephony.sip.negotiation import Negotiation
from telephony.sip.outputs import Address, CallRinging
from telephony.sip.screening import ALLOW_FIELD, SDP_TYPE, SUPPORTED_FIELD
from telephony.sip.sdp import SessionDescription
from telephony.sip.transaction import TIMEOUT_S
from telephony.sip.transaction_layer import ClientTransaction, make_cancel
from telephony.sip.uri import Uri

RINGING_S: Final = 180.0  # proxies give up at three minutes at the latest (timer C, §16.6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """A call to be made.

    Attributes:
        target: whom to call.
        caller: who calls, for From; without a tag.
        destination: where the INVITE is sent: the target, or a proxy.
        local: our signalling address as that destination reaches it.
        media_host, media_port: where we receive RTP.
        routes: proxies to go through, as Route fields.
        through: the target is reached at `destination`, whatever its Contact says.
        fields: more header fields of the INVITE.
        credentials: for whoever asks.
    """

    target: Uri
    caller: NameAddress
    destination: Address
    local: Address
    media_host: str
    media_port: int
    routes: tuple[NameAddress, ...] = ()
    through: bool = False
    fields: tuple[tuple[str, str], ...] = ()
    credentials: Credentials | None = None


class PlacedCall(Call):
    """A call from the side that calls."""

    def __init__(self, line: CallLine, dial: Dial, now_s: float) -> None:
        """Sends the INVITE."""
        super().__init__(line, CallState.CALLING, is_ours=True)
        session_id = str(crc32(line.id.local_tag.encode()))
        self._negotiation = Negotiation(dial.media_host, dial.media_port, session_id)
        self._offer: SessionDescription = self._negotiation.offer()
        fields = [("Contact", self.dialog.contact), ALLOW_FIELD, SUPPORTED_FIELD, *dial.fields]
        fields.append(("Content-Type", SDP_TYPE))
        self._give_up_s: float | None = now_s + RINGING_S
        self._is_heard = False  # a response came, so that CANCEL may be sent
        self._invited = self.dialog  # from which the dialog of each answer is made
        self._invite = line.send(
            "INVITE",
            now_s,
            fields=fields,
            body=bytes(self._offer),
            on_response=self._invite_answered,
        )

    # --- what our side wants --------------------------------------------------------------------

    def hang_up(self, now_s: float) -> None:
        """End the call in any state: CANCEL before it is answered, BYE after."""
        match self.state:
            case CallState.CALLING:
                self._cancel(now_s)
                self._report("server_hangup", now_s)
            case CallState.CONFIRMED:
                self._step(CallEvent.HANG_UP)
                self._send_bye(now_s)
                self._report("server_hangup", now_s)
            case _:
                pass

    # --- time -----------------------------------------------------------------------------------

    def next_deadline_s(self) -> float | None:
        return super().next_deadline_s() if self._give_up_s is None else self._give_up_s

    def tick(self, now_s: float) -> int:
        if self._give_up_s is None or self._give_up_s > now_s:
            return super().tick(now_s)
        if self.state is CallState.CALLING:
            self._cancel(now_s)
            self._report("refused", now_s, status=408, phrase="nobody answered")
        else:  # §9.1: no answer to the INVITE, although it was cancelled
            self._line.layer.abandon(self._invite)
            self._end_unanswered("server_hangup", now_s)
        return 0

    # --- inside ---------------------------------------------------------------------------------

    def _invite_answered(
        self, transaction: ClientTransaction, response: Response | None, now_s: float
    ) -> None:
        if response is None:
            self._end_unanswered("unreachable", now_s, status=408, phrase="no response")
        elif response.status < 200:
            self._take_progress(response, now_s)
        elif response.status < 300:
            self._take_answer(transaction, response, now_s)
        else:
            self._take_refusal(transaction, response, now_s)

    def _take_progress(self, response: Response, now_s: float) -> None:
        first, self._is_heard = not self._is_heard, True
        if self.state is CallState.CANCELLING and first:
            self._send_cancel(now_s)
        elif self.state is CallState.CALLING and response.status in (180, 183):
            self._line.outputs.append(CallRinging(dialog_id=self.id, status=response.status))

    def _take_answer(
        self, transaction: ClientTransaction, response: Response, now_s: float
    ) -> None:
        dialog = self._invited.answered_by(response)
        self._line.acknowledge(transaction, dialog)
        match self.state:
            case CallState.CALLING:
                self._line.dialog = dialog
                self._give_up_s = None
                self._step(CallEvent.ANSWERED)
                self._settle(response, now_s)
            case CallState.CANCELLING:
                self._line.dialog = dialog
                self._give_up_s = None
                self._step(CallEvent.ANSWERED)
                self._send_bye(now_s)
            case _:  # §13.2.2.4: somebody else was faster
                bye = dialog.make_request("BYE", branch=self._line.token())
                self._line.layer.send_request(bye, dialog.next_hop, now_s)

    def _settle(self, response: Response, now_s: float) -> None:
        assert self._negotiation is not None
        try:
            self.agreement = self._negotiation.settle(self._offer, response.body)
        except RemoteProtocolError as error:
            self._abandon(error, now_s)
        else:
            self._establish()

    def _take_refusal(
        self, transaction: ClientTransaction, response: Response, now_s: float
    ) -> None:
        if self.state is CallState.CALLING:
            again = self._line.send_again(transaction, response, now_s)
            if again is not None:
                self._invite, self._is_heard = again, False
                return
        self._end_unanswered("refused", now_s, status=response.status, phrase=response.reason)

    def _end_unanswered(
        self, reason: str, now_s: float, *, status: int | None = None, phrase: str = ""
    ) -> None:
        self._give_up_s = None
        self._step(CallEvent.REFUSED)
        self._report(reason, now_s, status=status, phrase=phrase)

    def _cancel(self, now_s: float) -> None:
        self._step(CallEvent.HANG_UP)
        # Not heard yet, timer B ends the INVITE.
        self._give_up_s = None
        if self._is_heard:
            self._send_cancel(now_s)

    def _send_cancel(self, now_s: float) -> None:
        self._give_up_s = now_s + TIMEOUT_S
        cancel = make_cancel(self._invite.request)
        self._line.layer.send_request(cancel, self._invite.destination, now_s)
