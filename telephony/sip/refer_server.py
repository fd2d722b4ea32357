"""REFERs that come in a call (RFC 3515 §2.4): taken on or declined by the call's user.

Whoever refers is told how it goes by NOTIFYs, one at a time and in order, from 100 to the first
final status.
"""

from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from telephony.sip.call_line import CallLine
from telephony.sip.errors import LocalProtocolError, MalformedValueError
from telephony.sip.headers import parse_name_address
from telephony.sip.message import Response
from telephony.sip.outputs import ReferReceived
from telephony.sip.sipfrag import SIPFRAG_TYPE, make_sipfrag
from telephony.sip.transaction_layer import ClientTransaction, ServerTransaction

DECISION_S: Final = 10.0  # for the user to decide: the referrer gives up after 32 s
LIFE_S: Final = 300  # of a subscription, longer than anybody rings


@dataclass(slots=True, kw_only=True)
class _Referral:
    number: int  # the REFER's
    transaction: ServerTransaction
    decide_by_s: float | None
    waiting: deque[int] = field(default_factory=deque[int])  # statuses to tell; one per change
    is_telling: bool = False
    is_final: bool = False


class ReceivedRefers:
    """The referrals of one call that the far end asked for."""

    def __init__(self, line: CallLine) -> None:
        self._line = line
        self._open: dict[int, _Referral] = {}

    def receive(self, transaction: ServerTransaction, now_s: float) -> None:
        """A REFER came; ReferReceived tells the user.

        Raises:
            RemoteProtocolError: it must be refused with the error's status.
        """
        headers = transaction.request.headers
        targets = headers.get_all("Refer-To")
        if len(targets) != 1:
            raise MalformedValueError("REFER needs one Refer-To")  # §2.4.1
        refer_to = parse_name_address(targets[0])
        number = transaction.request.cseq.number
        self._open[number] = _Referral(
            number=number, transaction=transaction, decide_by_s=now_s + DECISION_S
        )
        self._line.outputs.append(
            ReferReceived(
                dialog_id=self._line.id,
                referral=number,
                refer_to=refer_to,
                referred_by=headers.get("Referred-By"),
            )
        )

    def accept(self, number: int, now_s: float) -> None:
        """Send 202 and the first NOTIFY.

        Raises:
            LocalProtocolError: it was decided before.
        """
        referral = self._undecided(number)
        referral.decide_by_s = None
        contact = ("Contact", self._line.dialog.contact)
        self._line.layer.respond(referral.transaction, 202, now_s, fields=[contact])
        self._tell(referral, 100, now_s)

    def decline(self, number: int, status: int, now_s: float) -> None:
        """Refuse with a final status.

        Raises:
            LocalProtocolError: it was decided before, or the status is no refusal.
        """
        if not 300 <= status <= 699:
            raise LocalProtocolError(f"not a refusal: {status}")
        referral = self._undecided(number)
        del self._open[number]
        self._line.layer.respond(referral.transaction, status, now_s)

    def report(self, number: int, status: int, now_s: float) -> None:
        """NOTIFY of a status; nothing happens after a final one, or when nobody listens."""
        referral = self._open.get(number)
        if referral is None or referral.decide_by_s is not None or referral.is_final:
            return
        referral.is_final = status >= 200
        self._tell(referral, status, now_s)

    def tell_last(self, now_s: float) -> None:
        """Tell what waits behind a NOTIFY without an answer yet: BYE follows, and no NOTIFY may."""
        for referral in self._open.values():
            if referral.waiting:
                self._notify(referral, referral.waiting[-1], now_s)
                referral.waiting.clear()

    def end(self, now_s: float) -> None:
        """The call is over."""
        for referral in list(self._open.values()):
            if referral.decide_by_s is not None:
                self.decline(referral.number, 603, now_s)
        self._open.clear()

    def next_deadline_s(self) -> float | None:
        undecided = (r.decide_by_s for r in self._open.values())
        return min((at for at in undecided if at is not None), default=None)

    def tick(self, now_s: float) -> None:
        """Decline what the user did not decide on."""
        for referral in list(self._open.values()):
            if referral.decide_by_s is not None and referral.decide_by_s <= now_s:
                self.decline(referral.number, 603, now_s)

    # --- inside ---------------------------------------------------------------------------------

    def _undecided(self, number: int) -> _Referral:
        referral = self._open.get(number)
        if referral is None or referral.decide_by_s is None:
            raise LocalProtocolError("no such referral waits for a decision")
        return referral

    def _tell(self, referral: _Referral, status: int, now_s: float) -> None:
        referral.waiting.append(status)
        if not referral.is_telling:
            self._tell_next(referral, now_s)

    def _tell_next(self, referral: _Referral, now_s: float) -> None:
        referral.is_telling = True
        self._notify(referral, referral.waiting.popleft(), now_s)

    def _notify(self, referral: _Referral, status: int, now_s: float) -> None:
        state = f"active;expires={LIFE_S}" if status < 200 else "terminated;reason=noresource"
        fields = [("Contact", self._line.dialog.contact), ("Event", f"refer;id={referral.number}")]
        fields += [("Subscription-State", state), ("Content-Type", f"{SIPFRAG_TYPE};version=2.0")]
        self._line.send(
            "NOTIFY",
            now_s,
            fields=fields,
            body=make_sipfrag(status),
            on_response=partial(self._told, referral),
        )

    def _told(
        self,
        referral: _Referral,
        transaction: ClientTransaction,
        response: Response | None,
        now_s: float,
    ) -> None:
        if response is not None and not response.is_final:
            return
        if self._line.send_again(transaction, response, now_s) is not None:
            return
        referral.is_telling = False
        if response is None or response.status >= 300:
            self._open.pop(referral.number, None)  # nobody listens (RFC 6665 §4.2.2)
        elif referral.waiting and referral.number in self._open:
            self._tell_next(referral, now_s)
        elif referral.is_final:
            self._open.pop(referral.number, None)
