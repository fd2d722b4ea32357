"""Which worker a datagram is for; pure.

Theory of operation. Everything with a Call-ID that is known goes to the worker that has the call:
re-INVITE, ACK, CANCEL and BYE, whichever address they come from. A first INVITE goes to the worker
with the fewest calls, which may give it back when it has no headroom or is about to stop; then the
next is asked, and when all have given it back the first must refuse it, so that the caller gets its
answer, with Retry-After. Calls of a worker's own carry its number in their Call-ID.

A Call-ID is remembered until 32 s (64*T1) after the last sign of it: a datagram, or a worker's
report of the calls it has, which comes every few seconds. So what is remembered needs no message
when a call ends, and a report that is lost is made good by the next.

Two tables bound the memory. Call-IDs that no worker has reported yet are as many as the network
likes to send: the oldest go when there are too many. Those that were reported are as many as there
are lines, and whatever the network sends never displaces one.

Agents and their phones belong to one worker, who has the desk. So all registrations go there, and
what a phone that has registered calls: to whom the agent wants to give a caller, say.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from server.processes.glance import Glance, Kind, placed_by

REMEMBERED_S: Final = 32.0  # 64*T1: after that no request of an ended dialog comes again
REPORT_S: Final = 8.0  # between two reports: three may be lost
MOST_NEW: Final = 16_384  # Call-IDs, about 5 MB: 500 new calls a second for 32 s
_UNSEEN_S: Final = 1.0  # until when a worker has counted a call that it was given
_MOST_GIVEN: Final = 1_024  # that are looked back at
_MOST_PHONES: Final = 4_096

DESK: Final = 0
"""The worker that has the desk, where callers are handed to people: the first to be started."""


@dataclass(slots=True)
class _Owner:
    worker: int
    heard_s: float


@dataclass(frozen=True, slots=True)
class Way:
    """Where to.

    Attributes:
        may_decline: the worker may give it back.
    """

    worker: int
    may_decline: bool = False


class Router:
    """The table."""

    def __init__(
        self,
        calls: Callable[[int], int],
        *,
        desk: int | None = None,
        most_new: int = MOST_NEW,
    ) -> None:
        """
        Args:
            calls: how many a worker has.
            desk: the worker that agents are on, if they are.
            most_new: Call-IDs that no worker has reported yet.
        """
        self._calls_of, self._desk, self._most_new = calls, desk, most_new
        self._phones: OrderedDict[bytes, None] = OrderedDict()  # longest unheard of first
        self._up: set[int] = set()
        self._new: OrderedDict[bytes, _Owner] = OrderedDict()  # longest unheard of first
        self._reported: OrderedDict[bytes, _Owner] = OrderedDict()  # likewise
        self._given: dict[int, deque[float]] = {}  # when each worker was given its latest calls

    def __len__(self) -> int:
        """Call-IDs remembered."""
        return len(self._new) + len(self._reported)

    # --- workers --------------------------------------------------------------------------------

    def came_up(self, worker: int) -> None:
        self._up.add(worker)
        self._given[worker] = deque(maxlen=_MOST_GIVEN)

    def went_down(self, worker: int) -> None:
        """Its calls are gone: whoever asks for one is told so by another worker."""
        self._up.discard(worker)
        for table in (self._new, self._reported):
            for call_id in [key for key, owner in table.items() if owner.worker == worker]:
                del table[call_id]

    def reported(self, worker: int, call_ids: Iterable[bytes], now_s: float) -> None:
        """These calls live, and are this worker's."""
        for call_id in call_ids:
            self._new.pop(call_id, None)
            self._reported[call_id] = _Owner(worker, now_s)
            self._reported.move_to_end(call_id)

    # --- datagrams ------------------------------------------------------------------------------

    def way(self, seen: Glance, now_s: float) -> Way | None:
        """For whom this is; None: for nobody, it is dropped."""
        self._forget(now_s)
        owner = self._find(seen.call_id, now_s)
        if owner is not None:
            is_unsettled = seen.kind is Kind.INVITE and seen.call_id in self._new
            return Way(owner.worker, may_decline=is_unsettled)
        if seen.kind is Kind.INVITE:
            return self._place(seen, now_s)
        if seen.kind is Kind.REGISTER and self._desk is not None:
            return self._to_desk(seen)
        own = placed_by(seen.call_id)
        if own in self._up:
            return Way(own)
        if seen.kind is Kind.RESPONSE or not self._up:
            return None
        if seen.kind is Kind.OPTIONS:  # the answer an INVITE would get (§11.2)
            return self._next(0, now_s)
        return Way(min(self._up))

    def way_after(self, seen: Glance, asked: int, now_s: float) -> Way | None:
        """For whom this is, now that it was given back.

        Args:
            asked: by whom, a bit each.
        """
        owner = self._find(seen.call_id, now_s)
        if owner is not None and not asked >> owner.worker & 1:
            return Way(owner.worker, may_decline=True)  # it came twice, and went on the first time
        way = self._next(asked, now_s)
        if way is not None and owner is not None:
            owner.worker = way.worker
        return way

    def _place(self, invite: Glance, now_s: float) -> Way | None:
        replaced = invite.replaces and self._owner_of(invite.replaces)
        if isinstance(replaced, int):
            way = Way(replaced)
        elif invite.sender in self._phones and self._desk is not None and self._desk in self._up:
            way = Way(self._desk)
        else:
            way = self._next(0, now_s)
        if way is not None and invite.call_id:
            if len(self._new) >= self._most_new:
                self._new.popitem(last=False)
            self._new[invite.call_id] = _Owner(way.worker, now_s)
        return way

    def _to_desk(self, register: Glance) -> Way | None:
        """Nobody else knows agents; while the desk is not there, phones ask again."""
        if self._desk is None or self._desk not in self._up:
            return None
        if register.sender is not None:
            self._phones[register.sender] = None
            self._phones.move_to_end(register.sender)
            if len(self._phones) > _MOST_PHONES:
                self._phones.popitem(last=False)
        return Way(self._desk)

    def _next(self, asked: int, now_s: float) -> Way | None:
        """The worker with the most room of those not asked; when all were, one must answer."""
        if not self._up:
            return None
        left = [worker for worker in self._up if not asked >> worker & 1]
        chosen = min(left or self._up, key=lambda worker: self._rank(worker, now_s))
        self._given[chosen].append(now_s)
        return Way(chosen, may_decline=bool(left))

    def _rank(self, worker: int, now_s: float) -> tuple[int, bool, int]:
        """The lowest gets the next call; of equals the desk last, which has other work."""
        return self._load(worker, now_s), worker == self._desk, worker

    def _load(self, worker: int, now_s: float) -> int:
        """Its calls, with those on their way to it."""
        given = self._given[worker]
        while given and given[0] <= now_s - _UNSEEN_S:
            given.popleft()
        return self._calls_of(worker) + len(given)

    # --- memory ---------------------------------------------------------------------------------

    def _find(self, call_id: bytes, now_s: float) -> _Owner | None:
        for table in (self._reported, self._new):
            owner = table.get(call_id)
            if owner is not None:
                owner.heard_s = now_s
                table.move_to_end(call_id)
                return owner
        return None

    def _owner_of(self, call_id: bytes) -> int | None:
        owner = self._reported.get(call_id) or self._new.get(call_id)
        own = placed_by(call_id)
        if owner is not None:
            return owner.worker
        return own if own in self._up else None

    def _forget(self, now_s: float) -> None:
        for table in (self._new, self._reported):
            while table:
                call_id, owner = next(iter(table.items()))
                if owner.heard_s > now_s - REMEMBERED_S:
                    break
                del table[call_id]
