"""Memory that parent and workers share: who has which calls, and what the parent has counted.

A file without a name, mapped by all. Each worker has a region that only it writes, under a lock
that the kernel releases when its holder dies; the parent empties the region of a worker that died,
so that no line stays taken. Calls are kept by 64-bit digests of their trunk and their number: what
limits count by, and nothing that names anybody.

    parent's counters | worker 0: calls, trunk of each, number of each | worker 1: …
"""

import fcntl
import mmap
import os
from collections.abc import Generator
from contextlib import contextmanager
from enum import IntEnum
from hashlib import blake2b
from multiprocessing import reduction
from typing import Any, Final

_WORD: Final = 8  # octets


class Count(IntEnum):
    """The parent's counters, by their place."""

    PASSED = 0  # datagrams that went to a worker
    ASKED_AGAIN = 1  # that were given back, and passed to another
    NO_SIP = 2  # dropped: no SIP message, or a response that nobody waits for
    NO_ROOM = 3  # dropped: the worker's queue was full, or no worker was there
    REMEMBERED = 4  # Call-IDs, now
    RESTARTS = 5  # workers that were started again
    UP = 6  # workers that take calls, now


class LineTable:
    """One mapping of the table.

    Args:
        fd: of the file; it is kept, and must not be opened a second time by this process: closing
            any descriptor of it would release the lock.
        workers: how many there are.
        lines: calls that a worker has at most.
    """

    def __init__(self, fd: int, *, workers: int, lines: int) -> None:
        self.fd, self.workers, self.lines = fd, workers, lines
        self._map = mmap.mmap(fd, _size(workers, lines))
        self._words = memoryview(self._map).cast("Q")

    @classmethod
    def create(cls, *, workers: int, lines: int) -> "LineTable":
        """An empty one; children that inherit its descriptor map it too."""
        fd = os.memfd_create("frontdesk-lines", os.MFD_CLOEXEC)
        os.ftruncate(fd, _size(workers, lines))
        return cls(fd, workers=workers, lines=lines)

    def close(self) -> None:
        self._words.release()
        self._map.close()
        os.close(self.fd)

    def __reduce__(self) -> tuple[Any, ...]:
        """It goes along to a process that is started, which gets a descriptor of its own."""
        return _inherited, (reduction.DupFd(self.fd), self.workers, self.lines)

    @contextmanager
    def locked(self) -> Generator[None, None, None]:
        """Nobody else changes it meanwhile; not to be nested, and for microseconds only."""
        fcntl.lockf(self.fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self.fd, fcntl.LOCK_UN)

    # --- calls ----------------------------------------------------------------------------------

    def calls_of(self, worker: int) -> int:
        return self._words[self._region(worker)]

    @property
    def calls(self) -> int:
        """Of all workers."""
        return sum(map(self.calls_of, range(self.workers)))

    def of_trunk(self, digest: int) -> int:
        return sum(self._column(worker, 0).count(digest) for worker in range(self.workers))

    def of_number(self, digest: int) -> int:
        return sum(self._column(worker, 1).count(digest) for worker in range(self.workers))

    def add(self, worker: int, trunk: int, number: int) -> None:
        """Count a call; under the lock.

        Raises:
            ValueError: the worker has as many as it can.
        """
        at = self._region(worker)
        count = self._words[at]
        if count >= self.lines:
            raise ValueError("every line of this worker is taken")
        self._words[at + 1 + count] = trunk
        self._words[at + 1 + self.lines + count] = number
        self._words[at] = count + 1

    def remove(self, worker: int, trunk: int, number: int) -> None:
        """Forget a call that was added; under the lock.

        Raises:
            ValueError: it was not.
        """
        at = self._region(worker)
        calls = list(zip(self._column(worker, 0), self._column(worker, 1), strict=True))
        place, last = calls.index((trunk, number)), len(calls) - 1
        self._words[at + 1 + place], self._words[at + 1 + self.lines + place] = calls[last]
        self._words[at] = last

    def clear(self, worker: int) -> None:
        """The worker is gone, and its calls with it."""
        with self.locked():
            self._words[self._region(worker)] = 0

    # --- the parent's counters ------------------------------------------------------------------

    def count(self, what: Count, by: int = 1) -> None:
        self._words[what] += by

    def set(self, what: Count, value: int) -> None:
        self._words[what] = value

    def counted(self, what: Count) -> int:
        return self._words[what]

    # --- inside ---------------------------------------------------------------------------------

    def _region(self, worker: int) -> int:
        """The place of a worker's count; its trunks and numbers follow."""
        return len(Count) + worker * (1 + 2 * self.lines)

    def _column(self, worker: int, column: int) -> list[int]:
        at = self._region(worker)
        start = at + 1 + column * self.lines
        return self._words[start : start + self._words[at]].tolist()


def _inherited(descriptor: Any, workers: int, lines: int) -> LineTable:
    return LineTable(descriptor.detach(), workers=workers, lines=lines)


def digest_of(text: str) -> int:
    """64 bits of a digest; 0 for nothing."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) if text else 0


def _size(workers: int, lines: int) -> int:
    return _WORD * (len(Count) + workers * (1 + 2 * lines))
