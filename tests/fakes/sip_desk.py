"""The sans-I/O SIP core at a desk, with a caller that speaks to it in octets."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from telephony.sip.media import Direction
from telephony.sip.message import Request, Response, respond, serialise
from telephony.sip.outputs import (
    Address,
    CallClosed,
    CallEnded,
    CallOffered,
    DialogId,
    MediaChanged,
    Output,
    Transmit,
)
from telephony.sip.parser import parse
from telephony.sip.registrar import Registrar
from telephony.sip.user_agent import UserAgent

CALLER = ("192.0.2.1", 5062)
LOCAL = ("192.0.2.9", 5060)
OFFER = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 6000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)
SDP = "Content-Type: application/sdp"


@dataclass
class Desk:
    """The core under test, and a caller that speaks to it in octets."""

    retry_after_s: int | None = None
    registrar: Registrar | None = None
    now_s: float = 0.0
    outputs: list[Output] = field(default_factory=list[Output])
    asked: list[tuple[str, Address]] = field(default_factory=list[tuple[str, Address]])

    def __post_init__(self) -> None:
        numbers: Iterator[int] = itertools.count(1)
        self.agent = UserAgent(
            token=lambda: f"desk{next(numbers)}",
            admit=self._admit,
            busy=lambda source: self.retry_after_s,
            registrar=self.registrar,
        )
        self._branches = itertools.count(1)

    def _admit(self, caller: str, source: Address) -> int | None:
        self.asked.append((caller, source))
        return self.retry_after_s

    # --- the caller

    def request(
        self,
        method: str,
        *lines: str,
        number: int = 1,
        body: str = "",
        to_tag: str | None = None,
        branch: str | None = None,
        uri: str = "sip:desk@192.0.2.9",
    ) -> list[Response]:
        """Send a request; the responses, in order."""
        tag = "" if to_tag is None else f";tag={to_tag}"
        branch = branch or f"z9hG4bKcaller{next(self._branches)}"
        head = (
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP 192.0.2.1:5062;branch={branch}",
            "From: <sip:caller@example.com>;tag=caller",
            f"To: <sip:desk@192.0.2.9>{tag}",
            "Call-ID: call",
            f"CSeq: {number} {method}",
            "Contact: <sip:caller@192.0.2.1:5062>",
            "Max-Forwards: 70",
            *lines,
        )
        return self.send("\r\n".join(head) + "\r\n\r\n" + body)

    def send(self, text: str) -> list[Response]:
        mark = len(self.outputs)
        self.outputs += self.agent.receive_datagram(text.encode(), CALLER, LOCAL, self.now_s)
        return responses(self.outputs[mark:])

    def invite(self, *lines: str, body: str = OFFER, branch: str = "z9hG4bKinvite") -> list[int]:
        lines = (*lines, SDP) if body else lines
        return statuses(self.request("INVITE", *lines, body=body, branch=branch))

    def ack(self, *lines: str, number: int = 1, body: str = "") -> list[Response]:
        return self.request("ACK", *lines, number=number, body=body, to_tag=self.tag)

    def in_dialog(self, method: str, *lines: str, number: int = 2, body: str = "") -> Response:
        answers = self.request(method, *lines, number=number, body=body, to_tag=self.tag)
        assert len(answers) == 1
        return answers[0]

    def respond(self, asked: Request, status: int) -> None:
        self.send(serialise(respond(asked, status)).decode())

    # --- our side

    @property
    def dialog_id(self) -> DialogId:
        return next(o.dialog_id for o in self.outputs if isinstance(o, CallOffered))

    @property
    def tag(self) -> str:
        return self.dialog_id.local_tag

    def ring(self) -> list[int]:
        return self._statuses(self.agent.ring(self.dialog_id, self.now_s))

    def answer(self) -> list[int]:
        return self._statuses(self.agent.answer(self.dialog_id, "192.0.2.9", 4000, self.now_s))

    def refuse(self, status: int) -> list[int]:
        return self._statuses(self.agent.refuse(self.dialog_id, status, self.now_s))

    def hang_up(self) -> list[Request]:
        outputs = self.agent.hang_up(self.dialog_id, self.now_s)
        self.outputs += outputs
        return requests(outputs)

    def pass_time(self, until_s: float) -> list[tuple[float, bytes]]:
        """Let the clock run; what was sent, and when."""
        sent: list[tuple[float, bytes]] = []
        while (at_s := self.agent.next_deadline_s()) is not None and at_s <= until_s:
            outputs = self.agent.tick(at_s)
            self.outputs += outputs
            sent += [(at_s, output.data) for output in outputs if isinstance(output, Transmit)]
        self.now_s = until_s
        return sent

    def establish(self) -> None:
        self.invite()
        self.answer()
        self.ack()

    # --- what came of it

    def events(self, *kinds: type[Output]) -> list[Output]:
        return [output for output in self.outputs if isinstance(output, kinds)]

    @property
    def endings(self) -> list[str]:
        return [o.reason for o in self.outputs if isinstance(o, CallEnded)]

    @property
    def is_closed(self) -> bool:
        return bool(self.events(CallClosed)) and self.agent.call_count == 0

    @property
    def changes(self) -> list[Direction]:
        return [o.agreement.direction for o in self.outputs if isinstance(o, MediaChanged)]

    def _statuses(self, outputs: list[Output]) -> list[int]:
        self.outputs += outputs
        return statuses(responses(outputs))


def responses(outputs: list[Output]) -> list[Response]:
    parsed = [parse(output.data) for output in outputs if isinstance(output, Transmit)]
    return [message for message in parsed if isinstance(message, Response)]


def requests(outputs: list[Output]) -> list[Request]:
    parsed = [parse(output.data) for output in outputs if isinstance(output, Transmit)]
    return [message for message in parsed if isinstance(message, Request)]


def statuses(answers: list[Response]) -> list[int]:
    return [response.status for response in answers]
