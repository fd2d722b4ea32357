"""Workers as operating system processes that inherit the server's sockets."""

import asyncio
import os
import socket
import sys
from dataclasses import dataclass

from server.config import Config
from server.processes.dispatcher import Dispatcher, channel
from server.processes.inheritance import Inheritance
from server.processes.portions import media_ports, recognition_threads
from server.processes.table import Count, LineTable


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


class ProcessStaff:
    """See supervisor.Staff."""

    def __init__(
        self, config: Config, database_url: str, *, estate: Estate, dispatcher: Dispatcher
    ) -> None:
        self._config, self._database_url = config, database_url
        self._estate, self._dispatcher = estate, dispatcher
        self._waiting: dict[int, socket.socket] = {}  # our ends of the ways to those not ready
        self._seen: set[int] = set()

    async def spawn(self, worker: int) -> asyncio.subprocess.Process:
        ours, theirs = channel()
        self._waiting[worker] = ours
        if worker in self._seen:
            self._estate.table.count(Count.RESTARTS)
        self._seen.add(worker)
        inheritance = self._inheritance(worker, theirs)
        try:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "server.processes.worker", inheritance.to_json()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, **self._environment(worker)},
                pass_fds=inheritance.descriptors,
                process_group=0,  # Ctrl-C at a terminal is for the parent, which passes it on
            )
        finally:
            theirs.close()

    def joined(self, worker: int) -> None:
        self._dispatcher.attach(worker, self._waiting.pop(worker))

    def left(self, worker: int) -> None:
        self._dispatcher.detach(worker)
        if (waiting := self._waiting.pop(worker, None)) is not None:
            waiting.close()
        self._estate.table.clear(worker)

    def _inheritance(self, worker: int, parent: socket.socket) -> Inheritance:
        estate = self._estate
        return Inheritance(
            number=worker,
            workers=estate.table.workers,
            lines=estate.table.lines,
            folder=estate.folder,
            parent=parent.fileno(),
            sip=estate.sip.fileno(),
            table=estate.table.fd,
            http=estate.http.fileno(),
            streams=None if estate.streams is None else estate.streams.fileno(),
        )

    def _environment(self, worker: int) -> dict[str, str]:
        """What is not in the configuration that both read: the rest, and a worker's own part."""
        config, workers = self._config, self._estate.table.workers
        first, last = media_ports(config.rtp, worker, workers)
        backend = config.backend
        token = backend.token
        return {
            "DATABASE_URL": self._database_url,
            "FRONTDESK_SERVE__PROCESSES": str(workers),
            "FRONTDESK_RTP__PORT_MIN": str(first),
            "FRONTDESK_RTP__PORT_MAX": str(last),
            "FRONTDESK_SPEECH__THREADS": str(recognition_threads(config, workers)),
            "FRONTDESK_BACKEND__URL": backend.url,
            **({} if token is None else {"FRONTDESK_BACKEND__TOKEN": token.get_secret_value()}),
        }
