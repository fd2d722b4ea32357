"""What the parts of a call share: its dialog, the way to the far end, and the way to its user."""

from collections.abc import Callable, Iterable
from zlib import crc32

from telephony.sip.dialog import Dialog
from telephony.sip.digest import Credentials, DigestClient
from telephony.sip.message import Request, Response
from telephony.sip.outputs import DialogId, Output
from telephony.sip.transaction_layer import (
    ClientTransaction,
    OnResponse,
    TransactionLayer,
    ignore_response,
)


class CallLine:
    """One call's line.

    Attributes:
        id: what the call goes by for its user, for ever.
        dialog: replaced when a call of ours is answered.
        layer: answers requests.
        outputs: shared with everybody; what happens to the call goes there.
    """

    def __init__(
        self,
        dialog: Dialog,
        *,
        layer: TransactionLayer,
        outputs: list[Output],
        token: Callable[[], str],
        credentials: Credentials | None = None,
    ) -> None:
        self.id: DialogId = dialog.id
        self.dialog = dialog
        self.layer = layer
        self.outputs = outputs
        self.token = token
        self._auth = DigestClient(credentials, token)

    def send(
        self,
        method: str,
        now_s: float,
        *,
        fields: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        on_response: OnResponse = ignore_response,
    ) -> ClientTransaction:
        """Send the next request in the dialog; ACK and CANCEL are not for this."""
        request = self.dialog.make_request(method, branch=self.token(), fields=fields, body=body)
        return self._send(request, now_s, on_response, attempt=0)

    def send_again(
        self, transaction: ClientTransaction, response: Response | None, now_s: float
    ) -> ClientTransaction | None:
        """Send a request again with credentials, if the response asks for some that we have."""
        if response is None or not self._auth.challenged(response, transaction.attempt):
            return None
        request = self.dialog.renew(transaction.request, branch=self.token())
        return self._send(request, now_s, transaction.on_response, attempt=transaction.attempt + 1)

    def acknowledge(self, transaction: ClientTransaction, dialog: Dialog) -> None:
        """ACK a 2xx to an INVITE of ours that opened, or came in, this dialog."""
        ack = dialog.make_ack(transaction.request, branch=self.token())
        self.layer.acknowledge(transaction, ack, dialog.next_hop)

    def pick(self, below: int) -> int:
        """A number from 0 that nobody can foresee."""
        return crc32(self.token().encode()) % below

    def _send(
        self, request: Request, now_s: float, on_response: OnResponse, *, attempt: int
    ) -> ClientTransaction:
        return self.layer.send_request(
            self._auth.sign(request),
            self.dialog.next_hop,
            now_s,
            owner=self.id,
            on_response=on_response,
            attempt=attempt,
        )
