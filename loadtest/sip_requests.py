"""What a caller answers to the requests it gets during its call (RFC 3261 §8.2, §12.2.2, §15.1.2).

Sans-I/O. BYE ends the call, re-INVITE and UPDATE move the media, OPTIONS is told what we can do,
and whatever a plain phone does not do is refused with the list of what it does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from loadtest.errors import PeerError
from loadtest.sdp import RemoteMedia, read_media
from loadtest.sip_message import Request, respond
from loadtest.sip_uri import tag_of

Address: TypeAlias = tuple[str, int]

ALLOW: Final = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE"
_T1_S: Final = 0.5
_T2_S: Final = 4.0
_TIMER_H_S: Final = 32.0  # a 200 of ours without an ACK is given up
_KEPT_ANSWERS: Final = 32  # more than one call's worth of requests in 32 s


@dataclass(frozen=True, slots=True, kw_only=True)
class Transmit:
    """Send this datagram."""

    data: bytes
    to: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a request led to."""

    transmits: tuple[Transmit, ...] = ()
    media: RemoteMedia | None = None  # the media moved
    contact: str = ""  # the far end's new Contact, when it refreshed it
    hung_up: bool = False
    reason: str = ""


@dataclass(slots=True, kw_only=True)
class _Unacknowledged:
    """Our 200 to a re-INVITE, repeated until its ACK (§13.3.1.4)."""

    transmit: Transmit
    interval_s: float
    next_s: float
    give_up_s: float


class IncomingRequests:
    def __init__(
        self,
        *,
        call_id: str,
        contact: str,
        tag: str,
        answer_offer: Callable[[RemoteMedia], bytes],
    ) -> None:
        self._call_id = call_id
        self._contact = contact
        self._tag = tag
        self._answer_offer = answer_offer
        self._answered: dict[tuple[str, str], Transmit] = {}  # by branch and method
        self._highest_cseq = -1
        self._unacknowledged: _Unacknowledged | None = None

    def receive(
        self, request: Request, source: Address, now_s: float, *, remote_tag: str, live: bool
    ) -> Reply:
        """Answer a request.

        Args:
            source: where it came from and its answer goes (RFC 3581).
            remote_tag: the far end's tag in our dialog, empty before the call is answered.
            live: whether the dialog stands.
        """
        if request.method == "ACK":
            self._unacknowledged = None
            return Reply()
        key = request.branch, request.method
        if key in self._answered:  # a repetition
            return Reply(transmits=(self._answered[key],))
        return self._answer(request, source, now_s, self._in_dialog(request, remote_tag, live))

    @property
    def idle(self) -> bool:
        """Whether there is nothing to repeat, so that time alone brings nothing."""
        return self._unacknowledged is None

    def tick(self, now_s: float) -> list[Transmit]:
        """The 200 to repeat, if one is due (timers G and H)."""
        waiting = self._unacknowledged
        if waiting is None or now_s < waiting.next_s:
            return []
        if now_s >= waiting.give_up_s:
            self._unacknowledged = None
            return []
        waiting.interval_s = min(2 * waiting.interval_s, _T2_S)
        waiting.next_s = now_s + waiting.interval_s
        return [waiting.transmit]

    def _in_dialog(self, request: Request, remote_tag: str, live: bool) -> bool:
        return (
            live
            and request.call_id == self._call_id
            and tag_of(request.first("to")) == self._tag
            and tag_of(request.first("from")) == remote_tag
        )

    def _answer(self, request: Request, source: Address, now_s: float, known: bool) -> Reply:
        match request.method:
            case "OPTIONS":
                return self._reply(request, source, 200, "OK")
            case "BYE" | "INVITE" | "UPDATE" if known:
                return self._answer_in_dialog(request, source, now_s)
            case "INVITE" if not tag_of(request.first("to")):
                return self._reply(request, source, 486, "Busy Here")
            case "BYE" | "INVITE" | "UPDATE" | "CANCEL":
                return self._reply(request, source, 481, "Call/Transaction Does Not Exist")
            case _:
                return self._reply(request, source, 405, "Method Not Allowed")

    def _answer_in_dialog(self, request: Request, source: Address, now_s: float) -> Reply:
        number = request.cseq[0]
        if number <= self._highest_cseq:  # out of order (§12.2.2)
            return self._reply(request, source, 500, "Server Internal Error")
        self._highest_cseq = number
        if request.method == "BYE":
            reply = self._reply(request, source, 200, "OK")
            reason = request.first("reason") or "hung up"
            return Reply(transmits=reply.transmits, hung_up=True, reason=reason)
        if not request.body:  # a session refresh; an INVITE without an offer we do not take up
            if request.method == "INVITE":
                return self._reply(request, source, 488, "Not Acceptable Here")
            return self._reply(request, source, 200, "OK")
        return self._move_media(request, source, now_s)

    def _move_media(self, request: Request, source: Address, now_s: float) -> Reply:
        try:
            media = read_media(request.body)
        except PeerError:
            return self._reply(request, source, 488, "Not Acceptable Here")
        reply = self._reply(request, source, 200, "OK", body=self._answer_offer(media))
        if request.method == "INVITE":
            self._unacknowledged = _Unacknowledged(
                transmit=reply.transmits[0],
                interval_s=_T1_S,
                next_s=now_s + _T1_S,
                give_up_s=now_s + _TIMER_H_S,
            )
        return Reply(transmits=reply.transmits, media=media, contact=request.first("contact"))

    def _reply(
        self, request: Request, source: Address, status: int, reason: str, *, body: bytes = b""
    ) -> Reply:
        extra = [("Contact", self._contact), ("Allow", ALLOW)]
        if request.method == "OPTIONS":
            extra.append(("Accept", "application/sdp"))
        if body:
            extra.append(("Content-Type", "application/sdp"))
        response = respond(request, status, reason, to_tag=self._tag, extra=extra, body=body)
        transmit = Transmit(data=response.to_bytes(), to=source)
        self._answered[request.branch, request.method] = transmit
        if len(self._answered) > _KEPT_ANSWERS:
            del self._answered[next(iter(self._answered))]
        return Reply(transmits=(transmit,))
