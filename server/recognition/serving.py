"""The process of a recogniser that others share, from its first instruction to its last.

It ends when its parent says so, who waits for the workers' last call; SIGTERM it does not hear,
which a service manager sends to every process at once. Whoever's parent is gone goes on for the
workers that are still there, who end their calls.
"""

import asyncio
import gc
import json
import logging
import signal
import socket
from collections.abc import Coroutine
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from models.pool import RecognitionPool
from server.config import Config
from server.engines import load_stt
from server.errors import told_in_one_line
from server.observability import RecogniserMetrics, configure_logging
from server.precedence import take_precedence
from server.recognition.inheritance import NAME, Inheritance
from server.recognition.service import RecognitionService

_BEAT_S: Final = 5.0
_STUCK_S: Final = 15.0  # for one batch; whoever asked has long given up

log = logging.getLogger(__name__)


def recognise_for_all(config: Config, given: Inheritance) -> None:
    """Recognise until told to end; what is wrong with the model is one line, status 2."""
    configure_logging(config.log.level, personal=config.log.personal, process=NAME)
    try:
        with told_in_one_line():
            asyncio.run(_serve(config, given))
    finally:
        logging.shutdown()


async def _serve(config: Config, given: Inheritance) -> None:
    loop, ended, alone = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, lambda: None)
    loop.add_signal_handler(signal.SIGINT, ended.set)
    engine = await asyncio.to_thread(load_stt, config.speech)
    pool = RecognitionPool(
        engine,
        threads=config.speech.threads,
        most_waiting=max(256, 2 * config.sip.max_calls),  # a guess and a turn of each call
    )
    with closing(pool):
        service = RecognitionService(pool, exposition=RecogniserMetrics(pool).exposition)
        async with service.answering(given.listener):
            gc.collect()
            gc.freeze()
            if config.rtp.precedence:
                take_precedence(as_helper=True)
            loop.add_reader(given.parent, _note_end, given.parent, alone)
            given.parent.send(json.dumps({"event": "ready"}).encode())
            beating = asyncio.create_task(_beat(given.parent, pool), name="signs of life")
            await _first(ended.wait(), _deserted(alone, service, given.path))
            beating.cancel()
            loop.remove_reader(given.parent)
            log.info("stopping")


async def _beat(parent: socket.socket, pool: RecognitionPool) -> None:
    """Tell the parent that we live, unless the engine hangs: that is no life."""
    while True:
        if pool.busy_s < _STUCK_S:
            with suppress(OSError):
                parent.send(b"alive")
        await asyncio.sleep(_BEAT_S)


def _note_end(parent: socket.socket, alone: asyncio.Event) -> None:
    """The parent says nothing on this way, but that it is gone."""
    with suppress(OSError):
        if parent.recv(1):
            return
    asyncio.get_running_loop().remove_reader(parent)
    alone.set()


async def _deserted(alone: asyncio.Event, service: RecognitionService, path: str) -> None:
    """Wait until neither a parent nor a worker is left, and clear up what the parent did not."""
    await alone.wait()
    await service.deserted()
    _clear_up(Path(path))


def _clear_up(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
        path.parent.rmdir()


async def _first(*awaited: Coroutine[None, None, object]) -> None:
    """Wait for one of them; the others are given up."""
    tasks = [asyncio.ensure_future(one) for one in awaited]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
