"""Processes forked from one that has imported everything and loaded nothing."""

import asyncio
import json
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess
from typing import Any, Final

from server.errors import StartError

_START_S: Final = 90.0  # several load their models from a slow disk at the same time
_STATUS_S: Final = 0.2  # for word of how a process ended
_LONGEST_LINE: Final = 4_096


class ForkedLife:
    """See supervisor.Life."""

    def __init__(self, name: str, process: ForkServerProcess, way: socket.socket) -> None:
        """
        Args:
            name: in errors.
            way: our end of the way to it, on which it says that it is ready.
        """
        assert process.pid is not None
        self.pid = process.pid
        self._name, self._process, self._way = name, process, way
        self._loop = asyncio.get_running_loop()
        self._status: asyncio.Future[int] = self._loop.create_future()
        # Whoever forked it might be gone when it ends; the kernel is there.
        try:
            self._handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            self._status.set_result(self._exit_status())
        else:
            self._loop.add_reader(self._handle, self._ended)

    async def ready(self) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(_START_S):
                line = await self._loop.sock_recv(self._way, _LONGEST_LINE)
        except TimeoutError:
            raise StartError(f"{self._name} was not ready in {_START_S:.0f} s") from None
        if not line:
            status = await self.wait()
            raise StartError(f"{self._name} ended at once with status {status}")
        return json.loads(line)

    async def wait(self) -> int:
        return await asyncio.shield(self._status)

    def send_signal(self, number: int) -> None:
        if not self._status.done():
            signal.pidfd_send_signal(self._handle, number)

    def _ended(self) -> None:
        self._loop.remove_reader(self._handle)
        os.close(self._handle)
        self._status.set_result(self._exit_status())

    def _exit_status(self) -> int:
        """As whoever forked it says, who is told at the same time as we are; -1: nobody says."""
        self._process.join(_STATUS_S)
        status = self._process.exitcode
        return -1 if status is None else status


class Forking:
    """Forks for one parent."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["server.processes.nursery"])
        self._starting = asyncio.Lock()

    async def fork(
        self, name: str, target: Callable[..., None], args: tuple[Any, ...], way: socket.socket
    ) -> ForkedLife:
        """A process that runs `target`; what it needs is pickled, sockets go along.

        Args:
            way: see ForkedLife.

        Raises:
            StartError: it cannot be had.
        """
        process = self._context.Process(target=target, args=args, name=name)
        try:
            async with self._starting:  # the first waits until everything is imported
                await asyncio.to_thread(process.start)
        except (OSError, EOFError) as error:
            raise StartError(f"{name} cannot be forked: {error!r}") from error
        return ForkedLife(name, process, way)


def settle_in() -> None:
    """In a process that was forked, first of all: hear signals as any process does."""
    os.setpgid(0, 0)  # Ctrl-C at a terminal is for the parent, which passes it on
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
