"""A worker's view of the lines that all workers share."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from server.processes.table import LineTable, digest_of


class SharedLines:
    """server/admission.py: Lines, over a table of all workers.

    A line that is `hold` is taken at once, so that no other worker can be promised it. Whoever
    asked takes the call before the event loop goes on, or does not want it: then it is free again.
    """

    def __init__(self, table: LineTable, worker: int) -> None:
        self._table, self._worker = table, worker
        self._held: tuple[int, int] | None = None

    @property
    def taken(self) -> int:
        return self._table.calls

    def of_trunk(self, trunk: str) -> int:
        return self._table.of_trunk(digest_of(trunk))

    def of_number(self, number: str) -> int:
        return self._table.of_number(digest_of(number))

    @contextmanager
    def claiming(self) -> Generator[None, None, None]:
        self._let_go()
        with self._table.locked():
            yield

    def hold(self, trunk: str, number: str) -> None:
        self._held = digest_of(trunk), digest_of(number)
        self._table.add(self._worker, *self._held)
        asyncio.get_running_loop().call_soon(self._let_go)

    def enter(self, trunk: str, number: str) -> None:
        call = digest_of(trunk), digest_of(number)
        if self._held == call:
            self._held = None
            return
        with self._table.locked():
            self._table.add(self._worker, *call)

    def leave(self, trunk: str, number: str) -> None:
        with self._table.locked():
            self._table.remove(self._worker, digest_of(trunk), digest_of(number))

    def _let_go(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            with self._table.locked():
                self._table.remove(self._worker, *held)
