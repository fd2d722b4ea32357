"""The parent's side of the recogniser that its workers share: a process beside them.

Its socket is the parent's, so that workers can be connected before it is there, and stay so while
it is started again.
"""

import signal
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from server.config import Config
from server.processes.dispatcher import channel
from server.processes.forking import ForkedLife, Forking, settle_in
from server.processes.supervisor import Supervisor
from server.recognition.inheritance import NAME, Inheritance

_FIRST_PAUSE_S: Final = 0.1  # before one that died is started again: everybody waits for it
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
    with _listening(path) as listener:
        staff = _Staff(config, listener, path, forking, on_restart)
        supervisor = Supervisor(staff, workers=1, first_pause_s=_FIRST_PAUSE_S, kind=NAME)
        try:
            await supervisor.start()
            yield
            supervisor.signal(signal.SIGINT)
            await supervisor.ended(within_s=_LAST_S)
        finally:
            await supervisor.kill()


@contextmanager
def _listening(path: Path) -> Generator[socket.socket, None, None]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen()
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


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
        pass

    def left(self, worker: int) -> None:
        way, self._way = self._way, None
        if way is not None:
            way.close()


def _live(config: Config, given: Inheritance) -> None:
    """In its process: all that is imported here is there already."""
    from server.recognition.serving import recognise_for_all

    settle_in()
    recognise_for_all(config, given)
