"""Which message belongs to which transaction, and what the machines' actions put on the wire.

Matching is by branch and sent-by (RFC 3261 §17.1.3, §17.2.3); requests of RFC 2543 clients, whose
branch lacks the magic cookie, are matched by everything that makes them what they are.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from telephony.sip.deadlines import Deadlines
from telephony.sip.headers import MAGIC_COOKIE, CSeq
from telephony.sip.message import (
    MAX_FORWARDS,
    Headers,
    Request,
    Response,
    respond,
    serialise,
)
from telephony.sip.outputs import Address, DialogId, Output, Transmit
from telephony.sip.statistics import EndpointStatistics
from telephony.sip.transaction import Action, Event, Kind, State, Timer, Transaction, Trigger

Key: TypeAlias = tuple[object, ...]

_MERGEABLE: Final = ("ACK", "CANCEL")  # never merged: they belong to another request


@dataclass(slots=True, kw_only=True, eq=False)
class ServerTransaction:
    """A request we have to answer."""

    machine: Transaction
    request: Request  # with its real source in the top Via
    source: Address
    local: Address  # ours, as this peer reaches it
    keys: list[Key] = field(default_factory=list[Key])
    merge_key: Key | None = None
    last: bytes | None = None

    @property
    def is_answered(self) -> bool:
        """A final response was sent."""
        return self.machine.state not in (State.TRYING, State.PROCEEDING)


@dataclass(slots=True, kw_only=True, eq=False)
class ClientTransaction:
    """A request of ours."""

    machine: Transaction
    request: Request
    destination: Address
    key: Key
    last: bytes
    owner: DialogId | None = None  # the call it was sent for
    on_response: "OnResponse"
    attempt: int = 0  # how many times it was sent before with other credentials
    acks: dict[str, Transmit] = field(default_factory=dict[str, Transmit])  # of 2xx, by their tags

    @property
    def is_open(self) -> bool:
        """No final response has come."""
        return self.machine.state in (State.CALLING, State.TRYING, State.PROCEEDING)


OnResponse: TypeAlias = Callable[[ClientTransaction, Response | None, float], None]
"""Called with each response that is news, and the time; None: nothing came in time."""

AnyTransaction: TypeAlias = ServerTransaction | ClientTransaction


def ignore_response(
    _transaction: ClientTransaction, _response: Response | None, _now_s: float
) -> None:
    """For requests whose fate changes nothing."""


class TransactionLayer:
    """All transactions of one endpoint.

    What is to be sent is appended to `outputs`, which the layer shares with its user.
    """

    def __init__(
        self,
        *,
        outputs: list[Output],
        statistics: EndpointStatistics,
        server_fields: Iterable[tuple[str, str]] = (),
        use_sent_by: bool = False,
    ) -> None:
        """
        Args:
            server_fields: header fields for every response, such as Server.
            use_sent_by: answer to the port a Via names unless it asks for rport, as RFC 3261
                §18.2.2 has it. Otherwise answers go where the request came from, which is what
                gets through NATs, and is the same for all others.
        """
        self._outputs = outputs
        self._statistics = statistics
        self._server_fields = tuple(server_fields)
        self._use_sent_by = use_sent_by
        self._servers: dict[Key, ServerTransaction] = {}
        self._merging: dict[Key, ServerTransaction] = {}
        self._clients: dict[Key, ClientTransaction] = {}
        self._deadlines: Deadlines[AnyTransaction] = Deadlines()

    def __len__(self) -> int:
        return len(self._servers) + len(self._clients)

    # --- requests from the network --------------------------------------------------------------

    def receive_request(
        self, request: Request, source: Address, local: Address, now_s: float
    ) -> ServerTransaction | Request | None:
        """Sort a request into its transaction.

        Returns:
            a new transaction to be answered; or an ACK that is its user's business; or None: it
            was a repetition, and has been dealt with.
        """
        is_ack = request.method == "ACK"
        known = self._servers.get(server_key(request, "INVITE" if is_ack else request.method))
        if known is not None:
            self._statistics.absorbed += not is_ack
            actions = self._step(known, Event.ACK if is_ack else Event.REQUEST, now_s)
            return request if Action.DELIVER in actions else None
        if is_ack:
            return request
        return self._open_server(request, source, local, now_s)

    def _open_server(
        self, request: Request, source: Address, local: Address, now_s: float
    ) -> ServerTransaction:
        kind = Kind.INVITE_SERVER if request.method == "INVITE" else Kind.SERVER
        transaction = ServerTransaction(
            machine=Transaction(kind, now_s=now_s),
            request=request.with_source(*source),
            source=source,
            local=local,
        )
        self._register(transaction, server_key(request, request.method))
        merge_key = _merge_key(request)
        if merge_key is not None and merge_key not in self._merging:
            transaction.merge_key = merge_key
            self._merging[merge_key] = transaction
        return transaction

    def is_merged(self, transaction: ServerTransaction) -> bool:
        """The same request came before, by another way (§8.2.2.2)."""
        merge_key = _merge_key(transaction.request)
        return merge_key is not None and self._merging.get(merge_key) is not transaction

    def find_invite(self, cancel: Request) -> ServerTransaction | None:
        """The transaction that a CANCEL means (§9.2)."""
        return self._servers.get(server_key(cancel, "INVITE"))

    def respond(
        self,
        transaction: ServerTransaction,
        status: int,
        now_s: float,
        *,
        to_tag: str | None = None,
        fields: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Transmit:
        """Answer a request.

        Returns:
            what was appended to the outputs, for whoever has to repeat it.

        Raises:
            LocalProtocolError: a final response was given before; nothing changed.
        """
        response = respond(
            transaction.request,
            status,
            to_tag=to_tag,
            fields=(*fields, *self._server_fields),
            body=body,
        )
        data = serialise(response)
        self._step(transaction, _sending(status), now_s, data)
        if transaction.machine.kind is Kind.INVITE_SERVER and _is_old(transaction.request):
            # §17.2.3: the ACK carries the tag that this response puts into To.
            self._register(transaction, _old_key(transaction.request, "INVITE", response.to_tag))
        return Transmit(data=data, destination=self.destination(transaction))

    def destination(self, transaction: ServerTransaction) -> Address:
        """Where the responses of a transaction go."""
        via = transaction.request.via
        if self._use_sent_by and "rport" not in via.parameters:
            return transaction.source[0], via.sent_by[1]
        return transaction.source

    # --- our own requests -----------------------------------------------------------------------

    def send_request(
        self,
        request: Request,
        destination: Address,
        now_s: float,
        *,
        owner: DialogId | None = None,
        on_response: OnResponse = ignore_response,
        attempt: int = 0,
    ) -> ClientTransaction:
        """Open a client transaction; ACK is not for this."""
        kind = Kind.INVITE_CLIENT if request.method == "INVITE" else Kind.CLIENT
        transaction = ClientTransaction(
            machine=Transaction(kind, now_s=now_s),
            request=request,
            destination=destination,
            key=(request.via.branch, request.method),
            last=serialise(request),
            owner=owner,
            on_response=on_response,
            attempt=attempt,
        )
        self._clients[transaction.key] = transaction
        self._deadlines.set(transaction, transaction.machine.next_deadline_s())
        self._transmit(transaction.last, destination)
        return transaction

    def receive_response(self, response: Response, now_s: float) -> ClientTransaction | None:
        """Sort a response into its transaction.

        Returns:
            the transaction, when the response is news for its user.
        """
        transaction = self._clients.get((response.via.branch, response.cseq.method))
        if transaction is None or len(response.vias) > 1:  # §18.1.2: more than ours is no answer
            self._statistics.stray += 1
            return None
        actions = self._step(transaction, _receiving(response.status), now_s)
        ack = transaction.acks.get(response.to_tag or "") if response.status < 300 else None
        if ack is not None and response.is_final:  # §13.2.2.4: the 2xx again, so the ACK again
            self._statistics.retransmitted += 1
            self._outputs.append(ack)
            return None
        if Action.ACKNOWLEDGE in actions:
            self._transmit(
                serialise(refusal_ack(transaction.request, response)), transaction.destination
            )
        return transaction if Action.DELIVER in actions else None

    def acknowledge(self, transaction: ClientTransaction, ack: Request, hop: Address) -> None:
        """Send the ACK for a 2xx to an INVITE, and again whenever that 2xx comes again."""
        transmit = Transmit(data=serialise(ack), destination=hop)
        transaction.acks[ack.to_tag or ""] = transmit
        self._outputs.append(transmit)

    def abandon(self, transaction: ClientTransaction) -> None:
        """Wait no longer for responses (§9.1)."""
        self._forget(transaction)

    # --- time -----------------------------------------------------------------------------------

    def next_deadline_s(self) -> float | None:
        return self._deadlines.next_s()

    def tick(self, now_s: float) -> Iterator[AnyTransaction]:
        """Fire all timers that are due.

        Yields:
            the transactions that timed out.
        """
        for transaction in self._deadlines.due(now_s):
            timer = transaction.machine.due(now_s)
            if timer is None:
                continue
            if Action.TIME_OUT in self._step(transaction, timer, now_s):
                yield transaction

    # --- inside ---------------------------------------------------------------------------------

    def _step(
        self, transaction: AnyTransaction, trigger: Trigger, now_s: float, data: bytes | None = None
    ) -> tuple[Action, ...]:
        actions = transaction.machine.step(trigger, now_s)
        if data is not None and Action.SEND in actions:
            transaction.last = data
            self._send_last(transaction)
        if Action.REPEAT in actions and transaction.last is not None:
            self._statistics.retransmitted += isinstance(trigger, Timer)
            self._send_last(transaction)
        if transaction.machine.state is State.TERMINATED:
            self._forget(transaction)
        else:
            self._deadlines.set(transaction, transaction.machine.next_deadline_s())
        return actions

    def _send_last(self, transaction: AnyTransaction) -> None:
        if transaction.last is None:
            return
        match transaction:
            case ServerTransaction():
                self._transmit(transaction.last, self.destination(transaction))
            case ClientTransaction():
                self._transmit(transaction.last, transaction.destination)

    def _transmit(self, data: bytes, destination: Address) -> None:
        self._outputs.append(Transmit(data=data, destination=destination))

    def _register(self, transaction: ServerTransaction, key: Key) -> None:
        transaction.keys.append(key)
        self._servers[key] = transaction

    def _forget(self, transaction: AnyTransaction) -> None:
        self._deadlines.set(transaction, None)
        match transaction:
            case ServerTransaction():
                for key in transaction.keys:
                    self._servers.pop(key, None)
                if transaction.merge_key is not None:
                    self._merging.pop(transaction.merge_key, None)
            case ClientTransaction():
                self._clients.pop(transaction.key, None)


def server_key(request: Request, method: str) -> Key:
    """What a request has in common with its repetitions, and with ACK and CANCEL for it.

    Args:
        method: of the transaction: INVITE for an ACK, and for a CANCEL's target.
    """
    if _is_old(request):
        return _old_key(request, method, request.to_tag)
    return (request.via.branch, *request.via.sent_by, method)


def _is_old(request: Request) -> bool:
    return not (request.via.branch or "").startswith(MAGIC_COOKIE)


def _old_key(request: Request, method: str, to_tag: str | None) -> Key:
    return (
        *("RFC 2543", method, str(request.uri), to_tag, request.from_tag),
        *(request.call_id, request.cseq.number, request.via.sent_by, request.via.branch),
    )


def _merge_key(request: Request) -> Key | None:
    if request.to_tag is not None or request.method in _MERGEABLE:
        return None
    return (request.from_tag, request.call_id, request.cseq)


def _sending(status: int) -> Event:
    if status < 200:
        return Event.SEND_1XX
    return Event.SEND_2XX if status < 300 else Event.SEND_REFUSAL


def _receiving(status: int) -> Event:
    if status < 200:
        return Event.RECEIVE_1XX
    return Event.RECEIVE_2XX if status < 300 else Event.RECEIVE_REFUSAL


def refusal_ack(invite: Request, response: Response) -> Request:
    """The ACK for a refusal of an INVITE: part of its transaction (§17.1.1.3)."""
    fields = [("Via", str(invite.via))]
    fields += [("Route", value) for value in invite.headers.get_all("Route")]
    fields += [("Max-Forwards", MAX_FORWARDS), ("From", invite.headers.get("From") or "")]
    fields += [("To", response.headers.get("To") or ""), ("Call-ID", invite.call_id)]
    fields.append(("CSeq", str(CSeq(number=invite.cseq.number, method="ACK"))))
    return Request(method="ACK", uri=invite.uri, headers=Headers(fields))


def make_cancel(invite: Request) -> Request:
    """The CANCEL for an INVITE: its own transaction, but with the INVITE's branch (§9.1)."""
    cancel = refusal_ack(invite, respond(invite, 100))
    number = CSeq(number=invite.cseq.number, method="CANCEL")
    fields = ((n, str(number) if n == "CSeq" else v) for n, v in cancel.headers)
    return Request(method="CANCEL", uri=invite.uri, headers=Headers(fields))
