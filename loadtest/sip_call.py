"""One outgoing SIP call over UDP as a sans-I/O machine (RFC 3261 §9, §12, §13, §15, §17.1).

Theory of operation. Bytes and the time go in; datagrams to send and things that happened come out.

    CALLING --1xx--> RINGING --2xx--> TALKING --BYE either way--> OVER
       |                |  \\--hang_up: CANCEL--> LEAVING --487--> OVER
       +--3xx..6xx------+--3xx..6xx, nothing in time--> OVER

Requests we sent are repeated by timers A and E until answered, and given up by B and F. The ACK of
a 2xx is kept and sent again for each repeated 2xx; a 2xx from another fork is acknowledged and hung
up. Requests from the far end are answered by loadtest/sip_requests.py. After OVER the machine still
answers repetitions, so keep feeding it while the socket lingers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import ip_address
from typing import Final, TypeAlias

from loadtest.errors import (
    BadTargetError,
    CallFailedError,
    PeerError,
    RefusedError,
    UnreachableError,
)
from loadtest.sdp import RemoteMedia, read_media
from loadtest.sip_message import Headers, MalformedMessageError, Request, Response, parse
from loadtest.sip_requests import ALLOW, Address, IncomingRequests, Transmit
from loadtest.sip_uri import SipUri, tag_of, uri_of

T1_S: Final = 0.5  # RFC 3261 §17.1.1.1: the estimated round trip
T2_S: Final = 4.0  # the longest interval of a repeated non-INVITE request
TIMER_B_S: Final = 64 * T1_S  # an INVITE without any answer is given up
BYE_TIMEOUT_S: Final = 4.0  # instead of timer F's 32 s: a caller does not wait for a dead peer
USER_AGENT: Final = "frontdesk-loadtest"


class CallState(StrEnum):
    CALLING = "calling"  # INVITE sent, nothing heard
    RINGING = "ringing"  # a provisional answer came
    TALKING = "talking"  # answered and acknowledged
    LEAVING = "leaving"  # CANCEL or BYE sent, waiting for its effect
    OVER = "over"  # no dialog any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Rang:
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    media: RemoteMedia


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaChanged:
    """A re-INVITE or UPDATE was accepted."""

    media: RemoteMedia


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """There is no call; `error` says whose fault it is."""

    error: CallFailedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    by: str  # caller, frontdesk, network
    reason: str


Output: TypeAlias = Transmit | Rang | Answered | MediaChanged | Failed | Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSetup:
    """Everything a call needs to know before it dials."""

    target: SipUri
    destination: Address  # where the target's host resolved to
    local: Address  # of our SIP socket
    caller: str  # user part of From and Contact
    offer: bytes  # SDP
    answer_offer: Callable[[RemoteMedia], bytes]  # our SDP for a re-INVITE
    token: Callable[[], str]  # a fresh random word: tags, branches, Call-ID
    ring_timeout_s: float = TIMER_B_S  # CANCEL when nobody answers by then


@dataclass(slots=True, kw_only=True)
class _Pending:
    """A request of ours that awaits its final answer."""

    request: Request
    to: Address
    interval_s: float
    longest_s: float
    next_s: float
    give_up_s: float

    @property
    def key(self) -> tuple[str, str]:
        return self.request.branch, self.request.method


class OutgoingCall:
    """See the module's docstring; all methods return what to do, in order."""

    def __init__(self, setup: CallSetup) -> None:
        self._setup = setup
        self.state = CallState.CALLING
        self._call_id = f"{setup.token()}@{setup.local[0]}"
        self._local_tag = setup.token()
        self._remote_tag = ""
        self._remote_target = setup.target.text
        self._routes: tuple[str, ...] = ()
        self._cseq = 0
        self._dialled_s = 0.0
        self._pending: dict[tuple[str, str], _Pending] = {}
        self._invite: Request | None = None
        self._acks: dict[str, Transmit] = {}  # by the To tag of the 2xx
        self._leaving = False  # hang_up was asked for before the call was answered
        self._why_leaving = "hung up"
        self._requests = IncomingRequests(
            call_id=self._call_id,
            contact=self._contact,
            tag=self._local_tag,
            answer_offer=setup.answer_offer,
        )

    @property
    def _contact(self) -> str:
        host, port = self._setup.local
        return f"<sip:{self._setup.caller}@{host}:{port}>"

    # --- what the owner does ----------------------------------------------------------------------

    def dial(self, now_s: float) -> list[Output]:
        """Send the INVITE."""
        self._dialled_s = now_s
        extra = (
            ("Allow", ALLOW),
            ("Accept", "application/sdp"),
            ("Content-Type", "application/sdp"),
        )
        self._invite = self._request("INVITE", extra, self._setup.offer)
        return [self._send(self._invite, now_s, give_up_s=min(TIMER_B_S, self._ring_s))]

    def hang_up(self, now_s: float, reason: str = "hung up") -> list[Output]:
        """End the call: BYE when answered, CANCEL when ringing; idempotent."""
        self._why_leaving = reason
        match self.state:
            case CallState.TALKING:
                self.state = CallState.LEAVING
                return [self._send(self._request("BYE"), now_s, give_up_s=BYE_TIMEOUT_S)]
            case CallState.RINGING:
                self._leaving = True
                self.state = CallState.LEAVING
                return [self._cancel(now_s)]
            case CallState.CALLING:
                self._leaving = True  # no CANCEL before a provisional answer (§9.1)
                return []
            case CallState.LEAVING | CallState.OVER:
                return []

    def receive(self, data: bytes, source: Address, now_s: float) -> list[Output]:
        """Take a datagram; whatever is not for this call is dropped."""
        try:
            message = parse(data)
        except MalformedMessageError:
            return []
        if isinstance(message, Request):
            return self._receive_request(message, source, now_s)
        if message.call_id != self._call_id:
            return []
        method = message.cseq[1]
        if method == "INVITE":
            return self._receive_invite_answer(message, now_s)
        if message.status >= 200 and self._pending.pop((message.branch, method), None):
            return self._over("caller", self._why_leaving) if method == "BYE" else []
        return []

    @property
    def idle(self) -> bool:
        """Whether time alone brings nothing, until something is received or asked of us."""
        return not self._pending and self._requests.idle

    def tick(self, now_s: float) -> list[Output]:
        """Repeat and give up what is due; call at least every 100 ms unless idle."""
        outputs: list[Output] = list(self._requests.tick(now_s))
        for pending in list(self._pending.values()):
            if now_s >= pending.give_up_s:
                del self._pending[pending.key]
                outputs += self._given_up(pending, now_s)
            elif now_s >= pending.next_s:
                pending.interval_s = min(2 * pending.interval_s, pending.longest_s)
                pending.next_s = now_s + pending.interval_s
                outputs.append(Transmit(data=pending.request.to_bytes(), to=pending.to))
        return outputs

    def connection_refused(self) -> list[Output]:
        """The network says that nothing listens at the target (ICMP port unreachable)."""
        if self.state is CallState.OVER:
            return []
        answered = self.state is CallState.TALKING
        host, port = self._setup.destination
        if answered or self._leaving:
            return self._over("network", "the far end's SIP port is closed")
        self._finish()
        return [Failed(error=UnreachableError(f"nothing listens at {host}:{port} (UDP)"))]

    # --- answers to our INVITE --------------------------------------------------------------------

    def _receive_invite_answer(self, response: Response, now_s: float) -> list[Output]:
        invite = self._invite
        if invite is None or response.branch != invite.branch:
            return []
        if response.status < 200:
            return self._progress(response, now_s)
        if response.status < 300:
            return self._accepted(response, now_s)
        return self._refused(invite, response)

    def _progress(self, response: Response, now_s: float) -> list[Output]:
        pending = next((p for p in self._pending.values() if p.request is self._invite), None)
        if pending is None:
            return []
        pending.next_s = float("inf")  # §17.1.1.2: provisional answers stop timer A
        if self.state is CallState.CALLING:
            self.state = CallState.RINGING
            pending.give_up_s = self._dialled_s + self._ring_s
            if self._leaving:
                return self.hang_up(now_s, self._why_leaving)
        return [Rang(status=response.status)]

    def _accepted(self, response: Response, now_s: float) -> list[Output]:
        tag = tag_of(response.first("to"))
        if tag in self._acks:  # our ACK was lost
            return [self._acks[tag]]
        if self._remote_tag:
            return self._refuse_fork(response, tag, now_s)
        self._remote_tag = tag
        self._forget_invite()
        self._learn_dialog(response)
        ack = self._acks[tag] = self._ack()
        if self._leaving:  # answered while our CANCEL was on its way (§15)
            self.state = CallState.TALKING
            return [ack, *self.hang_up(now_s, self._why_leaving)]
        self.state = CallState.TALKING
        try:
            media = read_media(response.body)
        except PeerError as error:
            return [ack, *self.hang_up(now_s, "unusable answer"), Failed(error=error)]
        return [ack, Answered(media=media)]

    def _refuse_fork(self, response: Response, tag: str, now_s: float) -> list[Output]:
        """A second phone answered the forked INVITE: acknowledge it and hang it up."""
        kept = self._remote_tag, self._remote_target, self._routes
        self._remote_tag = tag
        self._learn_dialog(response)
        ack = self._acks[tag] = self._ack()
        bye = self._request("BYE")
        self._remote_tag, self._remote_target, self._routes = kept
        return [ack, Transmit(data=bye.to_bytes(), to=ack.to)]

    def _refused(self, invite: Request, response: Response) -> list[Output]:
        copied: Headers = tuple(
            (name, value) for name, value in invite.headers if name in _ACK_COPIES
        )
        headers: Headers = (
            *copied,
            ("To", response.first("to")),
            ("CSeq", f"{invite.cseq[0]} ACK"),
        )
        ack = Request(method="ACK", uri=invite.uri, headers=headers)
        outputs: list[Output] = [Transmit(data=ack.to_bytes(), to=self._setup.destination)]
        if self.state is CallState.OVER:
            return outputs  # a repetition: our ACK was lost
        if self._leaving:
            return [*outputs, *self._over("caller", self._why_leaving)]
        self._finish()
        reason = response.reason or "no reason given"
        error = RefusedError(response.status, reason, retry_after_s=response.retry_after_s)
        return [*outputs, Failed(error=error)]

    def _given_up(self, pending: _Pending, now_s: float) -> list[Output]:
        match pending.request.method, self.state:
            case "INVITE", CallState.CALLING:
                self._finish()
                host, port = self._setup.destination
                error = UnreachableError(f"no SIP answer from {host}:{port} over UDP")
                return [Failed(error=error)]
            case "INVITE", CallState.RINGING:
                error = UnreachableError(f"nobody answered within {self._ring_s:.0f} s")
                return [*self.hang_up(now_s, "nobody answered"), Failed(error=error)]
            case _, CallState.LEAVING:
                return self._over("caller", f"{self._why_leaving}; the far end did not confirm")
            case _:
                return []

    # --- requests from the far end ----------------------------------------------------------------

    def _receive_request(self, request: Request, source: Address, now_s: float) -> list[Output]:
        reply = self._requests.receive(
            request, source, now_s, remote_tag=self._remote_tag, live=self._live
        )
        outputs: list[Output] = list(reply.transmits)
        if reply.media is not None:
            outputs.append(MediaChanged(media=reply.media))
        if reply.contact:
            self._remote_target = uri_of(reply.contact)  # a target refresh (§12.2.2)
        if reply.hung_up:
            outputs += self._over("frontdesk", reply.reason)
        return outputs

    # --- requests of ours -------------------------------------------------------------------------

    @property
    def _live(self) -> bool:
        return self.state in {CallState.TALKING, CallState.LEAVING}

    @property
    def _ring_s(self) -> float:
        return self._setup.ring_timeout_s

    def _request(
        self, method: str, extra: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> Request:
        """A request of this dialog with a branch of its own; ACK keeps the INVITE's CSeq."""
        if method != "ACK":
            self._cseq += 1
        host, port = self._setup.local
        to = f"<{self._setup.target.text}>"
        headers: list[tuple[str, str]] = [
            ("Via", f"SIP/2.0/UDP {host}:{port};branch=z9hG4bK{self._setup.token()};rport"),
            ("Max-Forwards", "70"),
            *(("Route", route) for route in self._routes),
            ("From", f"<sip:{self._setup.caller}@{host}>;tag={self._local_tag}"),
            ("To", f"{to};tag={self._remote_tag}" if self._remote_tag else to),
            ("Call-ID", self._call_id),
            ("CSeq", f"{self._cseq} {method}"),
            ("Contact", self._contact),
            ("User-Agent", USER_AGENT),
        ]
        return Request(
            method=method, uri=self._remote_target, headers=(*headers, *extra), body=body
        )

    def _ack(self) -> Transmit:
        """The ACK of the INVITE's 2xx, whose CSeq number is 1, the first of this call."""
        ack = self._request("ACK")
        headers = tuple((n, "1 ACK" if n == "CSeq" else v) for n, v in ack.headers)
        return Transmit(data=replace(ack, headers=headers).to_bytes(), to=self._next_hop)

    def _cancel(self, now_s: float) -> Output:
        """CANCEL carries the INVITE's own branch and CSeq number (§9.1)."""
        assert self._invite is not None
        headers = tuple((n, v) for n, v in self._invite.headers if n in _CANCEL_COPIES)
        number = self._invite.cseq[0]
        cancel = Request(
            method="CANCEL",
            uri=self._invite.uri,
            headers=(*headers, ("CSeq", f"{number} CANCEL")),
        )
        return self._send(cancel, now_s, give_up_s=BYE_TIMEOUT_S)

    def _send(self, request: Request, now_s: float, *, give_up_s: float) -> Transmit:
        to = self._next_hop
        pending = _Pending(
            request=request,
            to=to,
            interval_s=T1_S,
            longest_s=float("inf") if request.method == "INVITE" else T2_S,
            next_s=now_s + T1_S,
            give_up_s=now_s + give_up_s,
        )
        self._pending[pending.key] = pending
        return Transmit(data=request.to_bytes(), to=to)

    @property
    def _next_hop(self) -> Address:
        """Where requests go: the first route, else the remote target, if its host is an address.

        A host name, or an address nobody can reach, is passed over for the one that answered.
        """
        uri = uri_of(self._routes[0]) if self._routes else self._remote_target
        try:
            parsed = SipUri.parse(uri)
            reachable = not ip_address(parsed.host).is_unspecified
        except (BadTargetError, ValueError):
            return self._setup.destination
        return (parsed.host, parsed.port) if reachable else self._setup.destination

    def _learn_dialog(self, response: Response) -> None:
        contact = response.first("contact")
        self._remote_target = uri_of(contact) if contact else self._setup.target.text
        self._routes = tuple(reversed(response.all("record-route")))

    def _forget_invite(self) -> None:
        if self._invite is not None:
            self._pending.pop((self._invite.branch, "INVITE"), None)

    def _over(self, by: str, reason: str) -> list[Output]:
        if self.state is CallState.OVER:
            return []
        self._finish()
        return [Ended(by=by, reason=reason)]

    def _finish(self) -> None:
        self.state = CallState.OVER
        self._pending.clear()


_CANCEL_COPIES: Final = frozenset({"Via", "Max-Forwards", "Route", "From", "To", "Call-ID"})
_ACK_COPIES: Final = frozenset({"Via", "Max-Forwards", "Route", "From", "Call-ID"})
