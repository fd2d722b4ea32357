"""REFERs of ours within a call, and the NOTIFYs that say how they go (RFC 3515).

A REFER that is taken on subscribes us to its fate, without a SUBSCRIBE: its subscription is named
by the REFER's number and lives until a final status, or until the far end has said nothing for as
long as it promised to.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final

from telephony.sip.call_line import CallLine
from telephony.sip.errors import DialogError, LocalProtocolError, MalformedValueError
from telephony.sip.grammar import Parameters, parse_number, parse_parameters
from telephony.sip.message import Request, Response
from telephony.sip.outputs import ReferProgressed
from telephony.sip.sipfrag import SIPFRAG_TYPE, read_sipfrag
from telephony.sip.transaction import TIMEOUT_S
from telephony.sip.transaction_layer import ClientTransaction, ServerTransaction

MAX_LIFE_S: Final = 600  # of a subscription without news: nobody rings longer


@dataclass(slots=True, kw_only=True)
class _Subscription:
    referral: int
    sequence: int  # of the REFER, which NOTIFYs name it by
    until_s: float | None = None
    last_status: int | None = None


class SentRefers:
    """The referrals of one call that we asked for."""

    def __init__(self, line: CallLine) -> None:
        self._line = line
        self._open: dict[int, _Subscription] = {}  # by referral

    def send(self, referral: int, refer_to: str, now_s: float) -> None:
        """Send REFER.

        Raises:
            LocalProtocolError: the number is in use.
        """
        if referral in self._open:
            raise LocalProtocolError("a referral of that number is under way")
        fields = [("Contact", self._line.dialog.contact), ("Refer-To", refer_to)]
        fields.append(("Referred-By", f"<{_identity(self._line.dialog.local_party)}>"))
        sent = self._line.send(
            "REFER", now_s, fields=fields, on_response=partial(self._answered, referral)
        )
        subscription = _Subscription(referral=referral, sequence=sent.request.cseq.number)
        self._open[referral] = subscription

    def receive(self, transaction: ServerTransaction, now_s: float) -> None:
        """A NOTIFY came; it is answered.

        Raises:
            RemoteProtocolError: it must be refused with the error's status.
        """
        request = transaction.request
        subscription = self._find(request)
        state, parameters = _subscription_state(request)
        status = read_sipfrag(request.body) if request.content_type == SIPFRAG_TYPE else None
        self._line.layer.respond(transaction, 200, now_s)
        subscription.until_s = now_s + _life_s(parameters)
        if status is not None:
            subscription.last_status = status
        if state == "terminated" or (status is not None and status >= 200):
            self._end(subscription, subscription.last_status or 408)
        elif status is not None:
            self._report(subscription, status, is_final=False)

    def end(self) -> None:
        """The call is over, and with it all news of its referrals."""
        for subscription in list(self._open.values()):
            self._end(subscription, 481)

    def next_deadline_s(self) -> float | None:
        return min((s.until_s for s in self._open.values() if s.until_s is not None), default=None)

    def tick(self, now_s: float) -> None:
        """Give up those that nothing was heard of in time."""
        for subscription in list(self._open.values()):
            if subscription.until_s is not None and subscription.until_s <= now_s:
                self._end(subscription, 408)

    # --- inside ---------------------------------------------------------------------------------

    def _answered(
        self,
        referral: int,
        transaction: ClientTransaction,
        response: Response | None,
        now_s: float,
    ) -> None:
        subscription = self._open.get(referral)
        if subscription is None or (response is not None and not response.is_final):
            return
        again = self._line.send_again(transaction, response, now_s)
        if again is not None:
            subscription.sequence = again.request.cseq.number
        elif response is None or response.status >= 300:
            self._end(subscription, 408 if response is None else response.status)
        else:
            if subscription.until_s is None:  # no NOTIFY was faster
                subscription.until_s = now_s + TIMEOUT_S
                self._report(subscription, 202, is_final=False)

    def _find(self, notify: Request) -> _Subscription:
        event, _, rest = (notify.headers.get("Event") or "").partition(";")
        if event.strip().lower() != "refer":
            raise DialogError("no such event package", status=489)
        name = parse_parameters(f";{rest}" if rest else "").get("id")
        for subscription in self._open.values():
            if name is None or name == str(subscription.sequence):
                return subscription
        raise DialogError("no such subscription", status=481)

    def _end(self, subscription: _Subscription, status: int) -> None:
        del self._open[subscription.referral]
        self._report(subscription, status, is_final=True)

    def _report(self, subscription: _Subscription, status: int, *, is_final: bool) -> None:
        self._line.outputs.append(
            ReferProgressed(
                dialog_id=self._line.id,
                referral=subscription.referral,
                status=status,
                is_final=is_final,
            )
        )


def _subscription_state(notify: Request) -> tuple[str, Parameters]:
    state, semicolon, rest = (notify.headers.get("Subscription-State") or "").partition(";")
    if not state.strip():
        raise MalformedValueError("NOTIFY without Subscription-State")
    return state.strip().lower(), parse_parameters(semicolon + rest)


def _life_s(parameters: Parameters) -> int:
    text = parameters.get("expires")
    if text is None:
        return MAX_LIFE_S
    return min(max(parse_number(text, maximum=2**32 - 1), 1), MAX_LIFE_S)


def _identity(party: str) -> str:
    """The URI in a From field of ours."""
    return party[party.index("<") + 1 : party.index(">")]
