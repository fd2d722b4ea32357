"""Workers as processes."""

import socket
from dataclasses import dataclass

from server.config import Config
from server.processes.dispatcher import Dispatcher, channel
from server.processes.forking import ForkedLife, Forking, settle_in
from server.processes.inheritance import Inheritance
from server.processes.portions import worker_config
from server.processes.table import Count, LineTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """What workers inherit.

    Attributes:
        sip: bound; the parent reads it, all send from it.
        http, streams: listening; all accept from them. None: no media streams are taken.
        folder: of the workers' own sockets.
        recogniser: the socket of the recogniser that they share; None: each has its own.
        desk: the socket of the worker with the desk; None: callers are not handed to people.
    """

    sip: socket.socket
    http: socket.socket
    streams: socket.socket | None
    table: LineTable
    folder: str
    recogniser: str | None
    desk: str | None


class ProcessStaff:
    """See supervisor.Staff."""

    def __init__(
        self,
        config: Config,
        database_url: str,
        *,
        estate: Estate,
        dispatcher: Dispatcher,
        forking: Forking,
    ) -> None:
        self._config, self._database_url = config, database_url
        self._estate, self._dispatcher, self._forking = estate, dispatcher, forking
        self._ways: dict[int, socket.socket] = {}  # our ends of the ways to those not ready
        self._seen: set[int] = set()

    async def spawn(self, worker: int) -> ForkedLife:
        ours, theirs = channel()
        self._ways[worker] = ours
        if worker in self._seen:
            self._estate.table.count(Count.RESTARTS)
        self._seen.add(worker)
        config = worker_config(self._config, worker, self._estate.table.workers)
        given = self._inheritance(worker, theirs)
        try:
            return await self._forking.fork(
                f"process {worker}", _live, (config, self._database_url, given), ours
            )
        finally:
            theirs.close()

    def joined(self, worker: int) -> None:
        self._dispatcher.attach(worker, self._ways.pop(worker))

    def silent_s(self, worker: int) -> float:
        return self._dispatcher.silent_s(worker)

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
            recogniser=estate.recogniser,
            desk=estate.desk,
        )


def _live(config: Config, database_url: str, given: Inheritance) -> None:
    """In the worker: all that is imported here is there already."""
    from server.processes.worker import serve_share

    settle_in()
    serve_share(config, database_url, given)
