"""Two of our SIP cores that call each other over a network the test controls, in virtual time."""

import heapq
import itertools
import random
from dataclasses import dataclass, field

from telephony.sip.commands import CallCommand
from telephony.sip.digest import Credentials
from telephony.sip.headers import NameAddress
from telephony.sip.message import Request, Response
from telephony.sip.outputs import (
    Address,
    CallEnded,
    CallOffered,
    CallOutput,
    DialogId,
    Output,
    Transmit,
)
from telephony.sip.parser import parse
from telephony.sip.placed_call import Dial
from telephony.sip.registrar import Registrar
from telephony.sip.uri import parse_uri
from telephony.sip.user_agent import UserAgent

A: Address = ("192.0.2.1", 5060)
B: Address = ("192.0.2.2", 5060)


@dataclass
class End:
    """One core: what it said and what happened to it."""

    address: Address
    core: UserAgent
    outputs: list[Output] = field(default_factory=list[Output])
    sent: list[Request | Response] = field(default_factory=list[Request | Response])

    def events(self, *kinds: type[Output]) -> list[Output]:
        return [output for output in self.outputs if isinstance(output, kinds)]

    def happened(self, call: DialogId) -> list[CallOutput | CallOffered]:
        return [o for o in self.outputs if not isinstance(o, Transmit) and o.dialog_id == call]

    @property
    def offered(self) -> list[DialogId]:
        return [o.dialog_id for o in self.outputs if isinstance(o, CallOffered)]

    @property
    def ends(self) -> list[str]:
        return [o.reason for o in self.outputs if isinstance(o, CallEnded)]

    def said(self) -> list[str]:
        """Start lines in short: methods of requests, statuses of responses."""
        return [m.method if isinstance(m, Request) else str(m.status) for m in self.sent]


class Network:
    """Carries datagrams between ends; loses and delays them as `randomness` says."""

    def __init__(self, *, loss: float = 0.0, jitter_s: float = 0.0, seed: int = 0) -> None:
        self.now_s = 0.0
        self.loss = loss
        self.jitter_s = jitter_s
        self._random = random.Random(seed)
        self._count = itertools.count()
        self._flying: list[tuple[float, int, bytes, Address, Address]] = []
        self.ends: dict[Address, End] = {}
        self.drop_next = 0

    def add(self, address: Address, registrar: Registrar | None = None) -> End:
        numbers = itertools.count(1)
        prefix = f"t{len(self.ends)}x"
        core = UserAgent(token=lambda: f"{prefix}{next(numbers)}", registrar=registrar)
        self.ends[address] = End(address, core)
        return self.ends[address]

    def take(self, end: End, outputs: list[Output]) -> None:
        end.outputs += outputs
        for output in outputs:
            if isinstance(output, Transmit):
                end.sent.append(parse(output.data))
                self._send(output, end.address)

    def _send(self, transmit: Transmit, source: Address) -> None:
        if self.drop_next:
            self.drop_next -= 1
            return
        if self._random.random() >= self.loss:
            at_s = self.now_s + 0.01 + self._random.random() * self.jitter_s
            flying = (at_s, next(self._count), transmit.data, source, transmit.destination)
            heapq.heappush(self._flying, flying)

    def run(self, seconds: float) -> None:
        """Let time pass: deliver what arrives, tick what is due."""
        until_s = self.now_s + seconds
        while (at_s := self._next_s()) is not None and at_s <= until_s:
            self.now_s = max(at_s, self.now_s)
            if self._flying and self._flying[0][0] <= self.now_s:
                _, _, data, source, destination = heapq.heappop(self._flying)
                end = self.ends.get(destination)
                if end is not None:
                    core = end.core
                    self.take(end, core.receive_datagram(data, source, destination, self.now_s))
            for end in self.ends.values():
                due_s = end.core.next_deadline_s()
                if due_s is not None and due_s <= self.now_s:
                    self.take(end, end.core.tick(self.now_s))
        self.now_s = until_s

    def _next_s(self) -> float | None:
        times = [end.core.next_deadline_s() for end in self.ends.values()]
        known = [at for at in times if at is not None]
        if self._flying:
            known.append(self._flying[0][0])
        return min(known, default=None)


class Pair(Network):
    """Two ends, a calls b."""

    def __init__(self, *, loss: float = 0.0, jitter_s: float = 0.0, seed: int = 0) -> None:
        super().__init__(loss=loss, jitter_s=jitter_s, seed=seed)
        self.a, self.b = self.add(A), self.add(B)

    def dial(
        self,
        *fields: tuple[str, str],
        credentials: Credentials | None = None,
        caller: End | None = None,
        to: Address = B,
    ) -> DialogId:
        end = caller or self.a
        call, outputs = end.core.dial(
            Dial(
                target=parse_uri(f"sip:bob@{to[0]}:{to[1]}"),
                caller=NameAddress(uri=parse_uri("sip:alice@example.com")),
                destination=to,
                local=end.address,
                media_host=end.address[0],
                media_port=4000,
                fields=fields,
                credentials=credentials,
            ),
            self.now_s,
        )
        self.take(end, outputs)
        return call

    def answer(self, end: End | None = None, index: int = -1) -> DialogId:
        end = end or self.b
        call = end.offered[index]
        self.take(end, end.core.answer(call, end.address[0], 6000, self.now_s))
        return call

    def hang_up(self, end: End, call: DialogId) -> None:
        self.take(end, end.core.hang_up(call, self.now_s))

    def obey(self, end: End, call: DialogId, command: CallCommand) -> None:
        self.take(end, end.core.obey(call, command, self.now_s))

    def established(self) -> tuple[DialogId, DialogId]:
        """A call that is up: what it goes by at a and at b."""
        ours = self.dial()
        self.run(0.1)
        theirs = self.answer()
        self.run(0.1)
        return ours, theirs

    @property
    def is_quiet(self) -> bool:
        """No call, no transaction, nothing to come."""
        ends = self.ends.values()
        return all(e.core.call_count == 0 and e.core.next_deadline_s() is None for e in ends)
