"""Workers as processes, forked from one that has imported everything and loaded nothing."""

import asyncio
import json
import multiprocessing
import os
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from typing import Any, Final

from server.config import Config
from server.errors import StartError
from server.processes.dispatcher import Dispatcher, channel
from server.processes.inheritance import Inheritance
from server.processes.portions import worker_config
from server.processes.table import Count, LineTable

_START_S: Final = 90.0  # several load their models from a slow disk at the same time
_STATUS_S: Final = 0.2  # for word of how a worker ended
_LONGEST_LINE: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """What workers inherit.

    Attributes:
        sip: bound; the parent reads it, all send from it.
        http, streams: listening; all accept from them. None: no media streams are taken.
        folder: of the workers' own sockets.
    """

    sip: socket.socket
    http: socket.socket
    streams: socket.socket | None
    table: LineTable
    folder: str


class WorkerLife:
    """See supervisor.Life."""

    def __init__(self, worker: int, process: ForkServerProcess, way: socket.socket) -> None:
        """
        Args:
            way: our end of the way to it, on which it says that it is ready.
        """
        assert process.pid is not None
        self.pid = process.pid
        self._worker, self._process, self._way = worker, process, way
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
            raise StartError(f"process {self._worker} was not ready in {_START_S:.0f} s") from None
        if not line:
            status = await self.wait()
            raise StartError(f"process {self._worker} ended at once with status {status}")
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


class ProcessStaff:
    """See supervisor.Staff."""

    def __init__(
        self, config: Config, database_url: str, *, estate: Estate, dispatcher: Dispatcher
    ) -> None:
        self._config, self._database_url = config, database_url
        self._estate, self._dispatcher = estate, dispatcher
        self._ways: dict[int, socket.socket] = {}  # our ends of the ways to those not ready
        self._seen: set[int] = set()
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["server.processes.nursery"])
        self._starting = asyncio.Lock()

    async def spawn(self, worker: int) -> WorkerLife:
        ours, theirs = channel()
        self._ways[worker] = ours
        if worker in self._seen:
            self._estate.table.count(Count.RESTARTS)
        self._seen.add(worker)
        config = worker_config(self._config, worker, self._estate.table.workers)
        process = self._context.Process(
            target=_live,
            args=(config, self._database_url, self._inheritance(worker, theirs)),
            name=f"worker {worker}",
        )
        try:
            async with self._starting:  # the first waits until everything is imported
                await asyncio.to_thread(process.start)
        except (OSError, EOFError) as error:
            raise StartError(f"process {worker} cannot be forked: {error!r}") from error
        finally:
            theirs.close()
        return WorkerLife(worker, process, ours)

    def joined(self, worker: int) -> None:
        self._dispatcher.attach(worker, self._ways.pop(worker))

    def left(self, worker: int) -> None:
        self._dispatcher.detach(worker)
        if (way := self._ways.pop(worker, None)) is not None:
            way.close()
        self._estate.table.clear(worker)

    def _inheritance(self, worker: int, parent: socket.socket) -> Inheritance:
        estate = self._estate
        return Inheritance(
            number=worker,
            table=estate.table,
            folder=estate.folder,
            parent=parent,
            sip=estate.sip,
            http=estate.http,
            streams=estate.streams,
        )


def _live(config: Config, database_url: str, given: Inheritance) -> None:
    """In the worker: all that is imported here is there already."""
    from server.processes.worker import serve_share

    os.setpgid(0, 0)  # Ctrl-C at a terminal is for the parent, which passes it on
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    serve_share(config, database_url, given)
