"""All RTP sessions of a process, served together on every tick.

Call by call, everything that a call needs goes through the processor's caches between two packets
that are read, and the same work takes half as long again. So each step is done for all calls before
the next: on a tick `take_in` reads every socket that has something, puts what came into the jitter
buffers, and decodes a frame of each; `send_out`, when the calls have said what they have to say,
encodes all of it and sends it in one go, so that no packet waits for the ears of another call. In a
busy process it is held until the same phase of every tick (telephony/rtp/phase.py).

Which sockets have something, epoll tells at once for all; where there is none, each is asked.
"""

import logging
import select
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from telephony.media_clock import Lateness
from telephony.rtp.datagrams import RECEIVES, Receiver
from telephony.rtp.inbox import MOST_AT_ONCE, MOST_BYTES, Datagram, Inbox
from telephony.rtp.latch import Address
from telephony.rtp.phase import SendingPhase
from voice.codec import Codec, decode_frames, encode_frames
from voice.frames import FRAME_S, Pcm

logger = logging.getLogger(__name__)

_SEATS: Final = 64  # at a table; an L2 cache of 1 MB holds what a hundred calls need
_RESTED_S: Final = 5 * FRAME_S  # without a packet of ours: the next is not late, but the first


class Pace(Protocol):
    """By which packets can be held; see MediaClock."""

    @property
    def due_s(self) -> float:
        """When the tick being served was due, by the exchange's clock."""
        ...

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Call back after so many seconds, on the thread of the ticks."""
        ...


class Party(Protocol):
    """A session, as the exchange sees it. What raises costs this session its frame, no other."""

    inbox: Inbox

    def handle(self, datagram: Datagram) -> None:
        """Take a datagram; never raises."""
        ...

    @property
    def wants_frame(self) -> bool:
        """Whether the frame before was taken, so that another one is of use."""
        ...

    def next_payload(self) -> tuple[Codec, bytes] | None:
        """The next 20 ms to be decoded, 160 octets; None: a frame is there without."""
        ...

    def give(self, pcm: Pcm) -> None:
        """That payload as a frame, shape (160,)."""
        ...

    def transmit(self, packet: bytes, destination: Address) -> None:
        """Send a packet now; never raises for the network's sake."""
        ...


class _Table:
    """Some of the sessions: so few that what they need stays in the processor's nearer caches."""

    def __init__(self, receiver: Receiver | None) -> None:
        self.parties: dict[int, Party] = {}  # by file descriptor
        self._receiver = receiver
        self._epoll = select.epoll() if hasattr(select, "epoll") else None

    def join(self, descriptor: int, party: Party) -> None:
        self.parties[descriptor] = party
        if self._epoll is not None:
            self._epoll.register(descriptor, select.EPOLLIN)

    def leave(self, descriptor: int) -> None:
        del self.parties[descriptor]
        if self._epoll is not None:
            self._epoll.unregister(descriptor)

    def close(self) -> None:
        self.parties.clear()
        if self._epoll is not None:
            self._epoll.close()
            self._epoll = None

    def take_in(self) -> None:
        """Read what has come, and have a frame ready for everyone who takes one a tick."""
        for party, datagram in self._arrived():
            party.handle(datagram)
        waiting: dict[Codec, tuple[list[Party], list[bytes]]] = {}
        for party in self.parties.values():
            if not party.wants_frame:
                continue
            try:
                due = party.next_payload()
            except Exception:
                logger.exception("A frame of RTP was not to be had")
                continue
            if due is not None:
                parties, payloads = waiting.setdefault(due[0], ([], []))
                parties.append(party)
                payloads.append(due[1])
        for codec, (parties, payloads) in waiting.items():
            for party, frame in zip(parties, decode_frames(codec, payloads), strict=True):
                party.give(frame)

    def _arrived(self) -> list[tuple[Party, Datagram]]:
        """All that has come, at most MOST_AT_ONCE datagrams for each."""
        arrived: list[tuple[Party, Datagram]] = []
        if self._epoll is None:
            for party in self.parties.values():
                arrived += [(party, datagram) for datagram in party.inbox.take()]
            return arrived
        # A datagram of each, then another of those that have more: to ask a socket that has none
        # costs as much as to read one that has.
        for _ in range(MOST_AT_ONCE):
            readable = self._epoll.poll(0, len(self.parties) or 1)
            if not readable:
                break
            for descriptor, _ in readable:
                party = self.parties[descriptor]
                if (datagram := party.inbox.next(self._receiver)) is not None:
                    arrived.append((party, datagram))
        return arrived


class RtpExchange:
    """One process's. Call `take_in` at the beginning of each tick and `send_out` at its end.

    Attributes:
        jitter: how far the time from one sending to the next was from 20 ms.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, pace: Pace | None = None
    ) -> None:
        """
        Args:
            clock: monotonic seconds.
            pace: None: packets always leave as soon as they are ready.
        """
        self.jitter = Lateness()
        self._clock = clock
        self._receiver = Receiver(MOST_BYTES) if RECEIVES else None
        self._tables: list[_Table] = []
        self._table_of: dict[int, _Table] = {}  # by file descriptor
        self._outgoing: dict[Codec, list[tuple[Party, bytes, Address, Pcm]]] = {}
        self._sent_at_s = float("-inf")
        self._pace, self._phase = pace, SendingPhase()
        self._held: list[tuple[Party, bytes, Address]] = []
        self._holding = 0  # how often packets were held

    def __len__(self) -> int:
        return len(self._table_of)

    def join(self, party: Party) -> None:
        """Serve this session, whose socket is open, from now on."""
        descriptor = party.inbox.fileno()
        table = next((each for each in self._tables if len(each.parties) < _SEATS), None)
        if table is None:
            table = _Table(self._receiver)
            self._tables.append(table)
        table.join(descriptor, party)
        self._table_of[descriptor] = table

    def leave(self, party: Party) -> None:
        """Serve it no more; call it before its socket is closed. Idempotent."""
        descriptor = party.inbox.fileno()
        table = self._table_of.get(descriptor)
        if table is not None and table.parties[descriptor] is party:
            del self._table_of[descriptor]
            table.leave(descriptor)

    def close(self) -> None:
        """Serve nobody any more."""
        self._table_of.clear()
        for table in self._tables:
            table.close()
        self._tables.clear()

    def take_in(self, now_s: float) -> None:
        """Read what has come, and have a frame ready for everyone who takes one a tick."""
        for table in self._tables:
            table.take_in()

    # --- out --------------------------------------------------------------------------------------

    def queue(
        self, party: Party, codec: Codec, header: bytes, destination: Address, pcm: Pcm
    ) -> None:
        """Send this frame, int16, shape (160,), behind this header at the end of the tick."""
        self._outgoing.setdefault(codec, []).append((party, header, destination, pcm))

    def send_out(self, now_s: float) -> None:
        """Send what was queued, now or, in a busy process, at this tick's phase."""
        self._let_go()  # ticks are being made up for: these are late
        outgoing, self._outgoing = self._outgoing, {}
        for codec, packets in outgoing.items():
            payloads = encode_frames(codec, [pcm for _, _, _, pcm in packets])
            for (party, header, destination, _), payload in zip(packets, payloads, strict=True):
                self._held.append((party, header + payload, destination))
        if self._held and self._pace is not None:
            hold_s = self._phase.hold_s(self._clock() - self._pace.due_s)
            if hold_s > 0.0:
                self._holding += 1
                self._pace.later(hold_s, partial(self._let_go_of, self._holding))
                return
        self._let_go()

    def _let_go_of(self, holding: int) -> None:
        if holding == self._holding:  # or these have left, and the next are held
            self._let_go()

    def _let_go(self) -> None:
        held, self._held = self._held, []
        if held:
            self._note_sending()
        for party, packet, destination in held:
            party.transmit(packet, destination)

    def _note_sending(self) -> None:
        before_s, self._sent_at_s = self._sent_at_s, self._clock()
        apart_s = self._sent_at_s - before_s
        if apart_s < _RESTED_S:
            self.jitter.record(abs(apart_s - FRAME_S) * 1000)
