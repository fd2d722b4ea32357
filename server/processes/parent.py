"""`./frontdesk serve --processes N`: a parent that owns the ports, and N processes that take calls.

The parent reads the SIP socket and keeps the workers alive; it loads no model and sees no audio.
"""

import json
import logging
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import typer

from server.config import Config
from server.errors import StartError
from server.lifetime import closing
from server.listening import binding, listen
from server.observability import configure_logging
from server.processes.dispatcher import Dispatcher
from server.processes.forking import Forking
from server.processes.portions import check_together
from server.processes.recogniser import recogniser_running
from server.processes.routing import DESK
from server.processes.staff import Estate, ProcessStaff
from server.processes.supervisor import Supervisor
from server.processes.table import Count, LineTable
from server.recognition.sharing import shares_recogniser
from server.stopping import Stop
from server.surroundings import surrounded

_SPARE_LINES: Final = 64  # of a worker in the table, over max_calls: for calls nobody asked about
_LAST_S: Final = 60.0  # for goodbyes, actions in flight, and what is left to write

log = logging.getLogger(__name__)


async def serve_in_processes(config: Config, *, demo_shop: bool, announce: bool) -> None:
    """Run until SIGINT or SIGTERM; then the workers drain, or end at once.

    Raises:
        StartError, PostgresError, ModelError: it cannot start.
    """
    if sys.platform != "linux":
        raise StartError("several processes need Linux: set [serve] processes = 1")
    check_together(config)
    configure_logging(config.log.level, personal=config.log.personal)
    stop = Stop.on_signals()
    async with AsyncExitStack() as parts:
        estate = _estate(parts, config)
        config, database_url = await surrounded(parts, config, demo_shop=demo_shop)
        forking = Forking()
        if estate.recogniser is not None:  # ready before the first worker, gone after the last
            restarted = partial(estate.table.count, Count.RESTARTS)
            recogniser = recogniser_running(
                config, Path(estate.recogniser), forking, on_restart=restarted
            )
            await parts.enter_async_context(recogniser)
        supervisor = await parts.enter_async_context(
            _staffed(config, database_url, estate, forking)
        )
        ready = await supervisor.start()
        _tell(ready, config.serve.count, announce=announce)
        await stop.asked.wait()
        log.info("stopping the processes")
        supervisor.signal(signal.SIGTERM)
        await stop.unless_at_once(supervisor.ended(within_s=config.load.drain_s + _LAST_S))
        supervisor.signal(signal.SIGINT)
        await supervisor.ended(within_s=_LAST_S)


@asynccontextmanager
async def _staffed(
    config: Config, database_url: str, estate: Estate, forking: Forking
) -> AsyncGenerator[Supervisor, None]:
    """Workers, none of them started; whatever happens none is left at the end."""
    desk = DESK if estate.desk is not None else None
    dispatcher = Dispatcher(estate.sip, estate.table, desk=desk)
    staff = ProcessStaff(
        config, database_url, estate=estate, dispatcher=dispatcher, forking=forking
    )
    supervisor = Supervisor(staff, workers=estate.table.workers)
    dispatcher.open()
    try:
        yield supervisor
    finally:
        await supervisor.kill()
        dispatcher.close()


def _estate(parts: AsyncExitStack, config: Config) -> Estate:
    """
    Raises:
        StartError: an address cannot be bound.
        ModelError: the recogniser's is not here.
    """
    shared = shares_recogniser(config)
    folder = tempfile.TemporaryDirectory(prefix="frontdesk-")  # ours alone, mode 0700
    parts.callback(folder.cleanup)
    lines = config.sip.max_calls + _SPARE_LINES
    return Estate(
        sip=closing(parts, _sip_socket(config.sip.host, config.sip.port)),
        http=closing(parts, listen(config.http.host, config.http.port)),
        streams=_streams(parts, config),
        table=closing(parts, LineTable.create(workers=config.serve.count, lines=lines)),
        folder=folder.name,
        recogniser=str(Path(folder.name, "recogniser.sock")) if shared else None,
        desk=str(Path(folder.name, "desk.sock")) if config.handoff.enabled else None,
    )


def _streams(parts: AsyncExitStack, config: Config) -> socket.socket | None:
    host, port = config.streams.host, config.streams.port
    if port is None:
        return None
    with binding("media streams", host, port, setting="[streams] port"):
        return closing(parts, socket.create_server((host, port)))


def _sip_socket(host: str, port: int) -> socket.socket:
    with binding("SIP", host, port, setting="[sip] port or --sip-port"):
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setblocking(False)
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    return bound


def _tell(ready: Mapping[str, Any], count: int, *, announce: bool) -> None:
    if announce:
        print(json.dumps({**ready, "processes": count}), flush=True)
        return
    typer.echo(
        f"frontdesk takes calls at {ready['sip']} in {count} processes;"
        f" health at {ready['http']}/healthz"
    )
