"""The parent's side of the recogniser that its workers share: a process beside them.

Its socket is the parent's, so that workers can be connected before it is there, and stay so while
it is started again.
"""

import asyncio
import signal
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from server.config import Config
from server.listening import unix_listener
from server.processes.dispatcher import channel
from server.processes.forking import ForkedLife, Forking, settle_in
from server.processes.supervisor import Supervisor
from server.recognition.inheritance import NAME, Inheritance

_FIRST_PAUSE_S: Final = 0.1  # before one that died is started again: everybody waits for it
_BEAT_OCTETS: Final = 64
_LAST_S: Final = 10.0  # for an utterance that it has begun


@asynccontextmanager
async def recogniser_running(
    config: Config, path: Path, forking: Forking, *, on_restart: Callable[[], None]
) -> AsyncGenerator[None, None]:
    """A recogniser meanwhile; it is ready, and started again when it dies.

    Args:
        path: of its socket, in a folder that nobody else enters.
        on_restart: told each time.

    Raises:
        StartError: it does not start.
    """
    with unix_listener(path) as listener:
        staff = _Staff(config, listener, path, forking, on_restart)
        supervisor = Supervisor(staff, workers=1, first_pause_s=_FIRST_PAUSE_S, kind=NAME)
        try:
            await supervisor.start()
            yield
            supervisor.signal(signal.SIGINT)
            await supervisor.ended(within_s=_LAST_S)
        finally:
            await supervisor.kill()


class _Staff:
    """See supervisor.Staff; it has one member."""

    def __init__(
        self,
        config: Config,
        listener: socket.socket,
        path: Path,
        forking: Forking,
        on_restart: Callable[[], None],
    ) -> None:
        self._config, self._listener, self._path = config, listener, path
        self._forking, self._on_restart = forking, on_restart
        self._way: socket.socket | None = None  # as long as it is open it has a parent
        self._began = False
        self._loop = asyncio.get_running_loop()
        self._heard_s: float | None = None

    async def spawn(self, worker: int) -> ForkedLife:
        ours, theirs = channel()
        self._way = ours
        if self._began:
            self._on_restart()
        self._began = True
        given = Inheritance(parent=theirs, listener=self._listener, path=str(self._path))
        try:
            return await self._forking.fork("the recogniser", _live, (self._config, given), ours)
        finally:
            theirs.close()

    def joined(self, worker: int) -> None:
        assert self._way is not None
        self._heard_s = self._loop.time()
        self._loop.add_reader(self._way, self._heard, self._way)

    def silent_s(self, worker: int) -> float:
        return 0.0 if self._heard_s is None else self._loop.time() - self._heard_s

    def left(self, worker: int) -> None:
        way, self._way, self._heard_s = self._way, None, None
        if way is not None:
            self._loop.remove_reader(way)
            way.close()

    def _heard(self, way: socket.socket) -> None:
        """A sign of life; whoever started it notices its end."""
        with suppress(OSError):
            if way.recv(_BEAT_OCTETS):
                self._heard_s = self._loop.time()
                return
        self._loop.remove_reader(way)


def _live(config: Config, given: Inheritance) -> None:
    """In its process: all that is imported here is there already."""
    from server.recognition.serving import recognise_for_all

    settle_in()
    recognise_for_all(config, given)
