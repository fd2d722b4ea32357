"""A real embedded PostgreSQL for tests, usable from any event loop and from none."""

import asyncio
import os
import signal
import threading
from collections.abc import Coroutine
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from server.postgres import EmbeddedPostgres

T = TypeVar("T")


class PostgresForTests:
    """One server for a whole test session, supervised on a loop of its own thread."""

    def __init__(self, data_dir: Path) -> None:
        self.server = EmbeddedPostgres(
            data_dir, settings={"fsync": "off", "full_page_writes": "off"}
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._numbers = count(1)

    def start(self) -> None:
        self._thread.start()
        self._wait(self.server.start())

    def stop(self) -> None:
        self._wait(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    def fresh_database(self) -> str:
        """The URL of an empty database that no other test has seen."""
        return self._wait(self.server.ensure_database(f"test_{next(self._numbers)}"))

    def kill(self) -> None:
        """As a crash does: the postmaster and nothing else; it is started again."""
        assert self.server.pid is not None
        os.kill(self.server.pid, signal.SIGKILL)

    def pause(self) -> None:
        """Stop it in order, to be started again by `resume`."""
        self._wait(self.server.stop())

    def resume(self) -> None:
        self._wait(self.server.start())

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=60)
