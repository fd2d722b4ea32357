"""Who is to be woken when: a heap of deadlines that may be moved and withdrawn."""

from collections.abc import Hashable, Iterator
from heapq import heapify, heappop, heappush
from typing import Final, Generic, TypeVar

Owner = TypeVar("Owner", bound=Hashable)

_SLACK: Final = 64  # withdrawn entries that are not worth sweeping up


class Deadlines(Generic[Owner]):
    """At most one deadline per owner, in monotonic seconds.

    Moved and withdrawn deadlines stay in the heap until they surface, or until they outnumber the
    valid ones.
    """

    def __init__(self) -> None:
        self._current: dict[Owner, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, Owner]] = []
        self._count = 0  # breaks ties, so that owners need no order

    def set(self, owner: Owner, deadline_s: float | None) -> None:
        """Move the owner's deadline; None withdraws it."""
        if deadline_s is None:
            self._current.pop(owner, None)
            return
        current = self._current.get(owner)
        if current is not None and current[0] == deadline_s:
            return
        self._count += 1
        self._current[owner] = (deadline_s, self._count)
        heappush(self._heap, (deadline_s, self._count, owner))
        if len(self._heap) > 2 * len(self._current) + _SLACK:
            self._heap = [(at, count, who) for who, (at, count) in self._current.items()]
            heapify(self._heap)

    def next_s(self) -> float | None:
        """The earliest deadline."""
        while self._heap and not self._is_valid(self._heap[0]):
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now_s: float) -> Iterator[Owner]:
        """Take out all owners whose deadline has come, earliest first."""
        while (deadline_s := self.next_s()) is not None and deadline_s <= now_s:
            owner = heappop(self._heap)[2]
            del self._current[owner]
            yield owner

    def __len__(self) -> int:
        return len(self._current)

    def _is_valid(self, entry: tuple[float, int, Owner]) -> bool:
        return self._current.get(entry[2]) == (entry[0], entry[1])
