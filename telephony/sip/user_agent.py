"""The sans-I/O core of the endpoint: datagrams and the time in, datagrams and call events out.

What arrives is parsed, sorted into its transaction, screened, and given to its call. Every method
that takes `now_s` returns what is to be done, in order; the shell carries it out and calls `tick`
at `next_deadline_s`. Other transports would add their own ways to carry Transmit out.
"""

from collections.abc import Callable, Iterable

from telephony.sip.call_book import CallBook
from telephony.sip.call_line import CallLine
from telephony.sip.commands import CallCommand
from telephony.sip.dialog import Dialog
from telephony.sip.digest import Credentials
from telephony.sip.errors import (
    AnswerableMessageError,
    DialogError,
    LocalProtocolError,
    MalformedMessageError,
    MalformedValueError,
    RemoteProtocolError,
)
from telephony.sip.malformed import refuse_malformed
from telephony.sip.message import Request, Response, serialise
from telephony.sip.negotiation import read_offer
from telephony.sip.offer_answer import check_offer
from telephony.sip.outputs import (
    Address,
    CallEstablished,
    CallOffered,
    DialogId,
    Output,
    Transmit,
)
from telephony.sip.parser import parse
from telephony.sip.placed_call import Dial, PlacedCall
from telephony.sip.received_call import ReceivedCall
from telephony.sip.registrar import Registrar
from telephony.sip.replaces import Replaces, read_replaces
from telephony.sip.screening import ALLOW_FIELD, CAPABILITIES, screen
from telephony.sip.sdp import SessionDescription
from telephony.sip.statistics import EndpointStatistics
from telephony.sip.transaction_layer import ClientTransaction, ServerTransaction, TransactionLayer


class UserAgent:
    """All calls of one endpoint.

    Attributes:
        statistics: counts, live.
    """

    def __init__(
        self,
        *,
        token: Callable[[], str],
        admit: Callable[[str, Address], int | None] = lambda caller, source: None,
        busy: Callable[[Address], int | None] = lambda source: None,
        user_agent: str = "frontdesk",
        use_sent_by: bool = False,
        registrar: Registrar | None = None,
        call_id_prefix: str = "",
    ) -> None:
        """
        Args:
            token: makes text that never repeats and nobody can guess, letters and digits only; for
                tags and branches.
            admit: asked before each new call, with the caller's URI as stated and where the INVITE
                came from: None admits it, a number is the Retry-After, in seconds, of its 503.
            busy: the same for whoever only asks (OPTIONS), and counts as no call.
            user_agent: the product name in the Server field.
            use_sent_by: see TransactionLayer.
            registrar: serves REGISTER; None: phones cannot register.
            call_id_prefix: what the Call-IDs of our own calls begin with.
        """
        self.statistics = EndpointStatistics()
        self._token = token
        self._admit, self._busy = admit, busy
        self._registrar, self._call_id_prefix = registrar, call_id_prefix
        self._server_fields = (("Server", user_agent),) if user_agent else ()
        self._outputs: list[Output] = []
        self._layer = TransactionLayer(
            outputs=self._outputs,
            statistics=self.statistics,
            server_fields=self._server_fields,
            use_sent_by=use_sent_by,
        )
        self._calls = CallBook()

    @property
    def call_count(self) -> int:
        """Calls whose dialog lives, those on their way out included."""
        return len(self._calls)

    # --- for the shell --------------------------------------------------------------------------

    def receive_datagram(
        self, data: bytes, source: Address, local: Address, now_s: float
    ) -> list[Output]:
        """Take in one datagram; any octets will do.

        Args:
            local: our address as the source reaches it.
        """
        self.statistics.received += 1
        if not data.strip(b"\r\n"):
            return []  # a keep-alive (RFC 5626 §3.5.1)
        try:
            message = parse(data)
        except MalformedMessageError as error:
            self.statistics.malformed += 1
            self._answer_malformed(error, source)
            return self._drain()
        match message:
            case Request():
                self._receive_request(message, source, local, now_s)
            case Response():
                self._receive_response(message, now_s)
        return self._drain()

    def next_deadline_s(self) -> float | None:
        """When `tick` is wanted next; None: not until something else happens."""
        deadlines = (self._layer.next_deadline_s(), self._calls.next_deadline_s())
        return min((at for at in deadlines if at is not None), default=None)

    def tick(self, now_s: float) -> list[Output]:
        """Do all that is due."""
        for transaction in self._layer.tick(now_s):
            if isinstance(transaction, ClientTransaction):
                self._tell(transaction, None, now_s)
        for call in self._calls.due(now_s):
            self.statistics.retransmitted += call.tick(now_s)
            self._calls.update(call)
        return self._drain()

    def dial(self, dial: Dial, now_s: float) -> tuple[DialogId, list[Output]]:
        """Call somebody: CallRinging may follow, then CallEstablished or CallEnded.

        Returns:
            what the call goes by, and what is to be done.

        Raises:
            LocalProtocolError: a header field of the caller's is none.
        """
        tag = self._token()
        dialog = Dialog.calling(
            id=DialogId(f"{self._call_id_prefix}{self._token()}@{dial.local[0]}", tag, ""),
            local_party=f"{dial.caller};tag={tag}",
            target=dial.target,
            routes=dial.routes,
            destination=dial.destination,
            local=dial.local,
        )
        dialog.through = dial.destination if dial.through else None
        call = PlacedCall(self._line(dialog, dial.credentials), dial, now_s)
        self._calls.add(call)
        self.statistics.placed += 1
        return call.id, self._drain()

    def obey(self, dialog_id: DialogId, command: CallCommand, now_s: float) -> list[Output]:
        """Do something to a call that is up.

        Raises:
            LocalProtocolError: it is not up, or the command does not fit; nothing changed.
        """
        call = self._calls.get(dialog_id)
        if call is None:
            raise LocalProtocolError("there is no such call")
        call.obey(command, now_s)
        self._calls.update(call)
        return self._drain()

    def dialog_of(self, dialog_id: DialogId) -> DialogId | None:
        """The dialog that a call stands on now: what Replaces must name."""
        call = self._calls.get(dialog_id)
        return None if call is None else call.dialog.id

    def replaced_by(self, replaces: Replaces) -> DialogId:
        """What the call of ours goes by that is to be replaced.

        Raises:
            DialogError: there is none (481), or it must not be.
        """
        return self._calls.replaced_by(replaces)

    def ring(self, dialog_id: DialogId, now_s: float) -> list[Output]:
        """Send 180 for an offered call."""
        call = self._calls.get(dialog_id)
        if isinstance(call, ReceivedCall):
            call.ring(now_s)
            self._calls.update(call)
        return self._drain()

    def answer(
        self, dialog_id: DialogId, local_host: str, local_port: int, now_s: float
    ) -> list[Output]:
        """Send 200 for an offered call.

        Raises:
            LocalProtocolError: there is no such call waiting; nothing changed.
        """
        call = self._offered(dialog_id)
        call.answer(local_host, local_port, now_s)
        self._calls.update(call)
        return self._drain()

    def refuse(
        self, dialog_id: DialogId, status: int, now_s: float, *, retry_after_s: int | None = None
    ) -> list[Output]:
        """Refuse an offered call.

        Raises:
            LocalProtocolError: there is no such call waiting, or the status is no refusal.
        """
        call = self._offered(dialog_id)
        call.refuse(status, now_s, retry_after_s=retry_after_s)
        self._calls.update(call)
        return self._drain()

    def hang_up(self, dialog_id: DialogId, now_s: float) -> list[Output]:
        """End a call in any state; CallClosed follows when its BYE is settled."""
        call = self._calls.get(dialog_id)
        if call is not None:
            call.hang_up(now_s)
            self._calls.update(call)
        return self._drain()

    # --- requests -------------------------------------------------------------------------------

    def _receive_request(
        self, request: Request, source: Address, local: Address, now_s: float
    ) -> None:
        arrival = self._layer.receive_request(request, source, local, now_s)
        match arrival:
            case None:
                pass
            case Request():
                self._receive_ack(arrival, now_s)
            case ServerTransaction():
                self._serve(arrival, now_s)

    def _receive_ack(self, ack: Request, now_s: float) -> None:
        call = self._calls.of_request(ack)
        if call is None or not call.acknowledge(ack, now_s):
            self.statistics.stray += 1
            return
        self._calls.update(call)

    def _serve(self, transaction: ServerTransaction, now_s: float) -> None:
        request = transaction.request
        refusal = screen(request, registers=self._registrar is not None)
        if refusal is not None:
            self._respond(transaction, refusal.status, now_s, refusal.fields)
        elif request.method == "CANCEL":
            self._serve_cancel(transaction, now_s)
        elif request.to_tag is not None:
            self._serve_in_dialog(transaction, now_s)
        elif self._layer.is_merged(transaction):
            self._respond(transaction, 482, now_s)
        elif request.method == "INVITE":
            self._serve_invite(transaction, now_s)
        elif request.method == "REGISTER":
            self._serve_register(transaction, now_s)
        elif request.method == "OPTIONS":
            self._serve_options(transaction, now_s)
        else:
            self._respond(transaction, 481, now_s)

    def _serve_options(self, transaction: ServerTransaction, now_s: float) -> None:
        """§11.2: the answer that an INVITE would get; dispatchers probe with it."""
        retry_after_s = self._busy(transaction.source)
        if retry_after_s is None:
            self._respond(transaction, 200, now_s, CAPABILITIES)
        else:
            self._respond(transaction, 503, now_s, [("Retry-After", str(retry_after_s))])

    def _serve_register(self, transaction: ServerTransaction, now_s: float) -> None:
        if self._registrar is None:
            self._respond(transaction, 405, now_s, [ALLOW_FIELD])
            return
        try:
            answer = self._registrar.serve(transaction.request, transaction.source, now_s)
        except MalformedValueError as error:
            self._respond(transaction, error.status, now_s)
        else:
            self._respond(transaction, answer.status, now_s, answer.fields)

    def _serve_invite(self, transaction: ServerTransaction, now_s: float) -> None:
        request = transaction.request
        try:
            replaces = read_replaces(request)
            replaced = None if replaces is None else self._calls.replaced_by(replaces)
            offer = read_offer(request)
            if offer is not None:
                check_offer(offer)
        except RemoteProtocolError as error:
            self._respond(transaction, error.status, now_s)
            return
        # Whoever takes the place of a call that is up adds none.
        caller = request.from_.uri.identity
        retry_after_s = self._admit(caller, transaction.source) if replaced is None else None
        if retry_after_s is not None:
            self.statistics.refused += 1
            self._respond(transaction, 503, now_s, [("Retry-After", str(retry_after_s))])
            return
        self._layer.respond(transaction, 100, now_s)
        self._open_call(transaction, offer, replaced)

    def _open_call(
        self,
        transaction: ServerTransaction,
        offer: SessionDescription | None,
        replaced: DialogId | None,
    ) -> None:
        dialog = Dialog.from_invite(
            transaction.request,
            local_tag=self._token(),
            source=transaction.source,
            local=transaction.local,
        )
        call = ReceivedCall(transaction, self._line(dialog), offer=offer)
        self._calls.add(call)
        self.statistics.offered += 1
        self._outputs.append(
            CallOffered(
                dialog_id=dialog.id,
                invite=transaction.request,
                offer=offer,
                peer=transaction.source,
                local_host=transaction.local[0],
                replaces=replaced,
            )
        )

    def _serve_cancel(self, transaction: ServerTransaction, now_s: float) -> None:
        """§9.2: 200 when the request it means is known, whether or not that still helps."""
        invite = self._layer.find_invite(transaction.request)
        if invite is None:
            self._respond(transaction, 481, now_s)
            return
        call = self._calls.of_invite(invite)
        tag = self._token() if call is None else call.dialog.id.local_tag
        self._layer.respond(transaction, 200, now_s, to_tag=tag)
        if call is not None:
            call.cancel(now_s)
            self._calls.update(call)

    def _serve_in_dialog(self, transaction: ServerTransaction, now_s: float) -> None:
        call = self._calls.of_request(transaction.request)
        if call is None:
            self._respond(transaction, 481, now_s)
            return
        try:
            call.receive(transaction, transaction.source, now_s)
        except DialogError as error:
            retry = error.retry_after_s
            fields = () if retry is None else (("Retry-After", str(retry)),)
            self._respond(transaction, error.status, now_s, fields)
        except RemoteProtocolError as error:
            self._respond(transaction, error.status, now_s)
        self._calls.update(call)

    # --- responses ------------------------------------------------------------------------------

    def _receive_response(self, response: Response, now_s: float) -> None:
        transaction = self._layer.receive_response(response, now_s)
        if transaction is not None:
            self._tell(transaction, response, now_s)

    def _tell(
        self, transaction: ClientTransaction, response: Response | None, now_s: float
    ) -> None:
        transaction.on_response(transaction, response, now_s)
        call = None if transaction.owner is None else self._calls.get(transaction.owner)
        if call is not None:
            self._calls.update(call)

    # --- inside ---------------------------------------------------------------------------------

    def _line(self, dialog: Dialog, credentials: Credentials | None = None) -> CallLine:
        return CallLine(
            dialog,
            layer=self._layer,
            outputs=self._outputs,
            token=self._token,
            credentials=credentials,
        )

    def _offered(self, dialog_id: DialogId) -> ReceivedCall:
        call = self._calls.get(dialog_id)
        if not isinstance(call, ReceivedCall):
            raise LocalProtocolError("there is no such call")
        return call

    def _respond(
        self,
        transaction: ServerTransaction,
        status: int,
        now_s: float,
        fields: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._layer.respond(transaction, status, now_s, to_tag=self._token(), fields=fields)

    def _answer_malformed(self, error: MalformedMessageError, source: Address) -> None:
        if isinstance(error, AnswerableMessageError):
            data = serialise(refuse_malformed(error, source, self._server_fields))
            self._outputs.append(Transmit(data=data, destination=source))

    def _drain(self) -> list[Output]:
        outputs = self._outputs.copy()
        self._outputs.clear()
        for output in outputs:
            self.statistics.sent += isinstance(output, Transmit)
            self.statistics.established += isinstance(output, CallEstablished)
        return outputs
