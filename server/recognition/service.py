"""The recogniser's side of what workers ask: one line for all of them, and their answers.

A worker that hangs up takes its utterances out of the line. One that does not read is told nothing
new of the line until it does; its answers are no more than the utterances it asked about.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

from models.errors import ModelError
from models.pool import RecognitionPool
from models.transcript import Transcript
from server.lifetime import background
from server.recognition.messages import (
    Asked,
    Failed,
    Heard,
    Look,
    Message,
    Shown,
    State,
    Withdrawn,
    pack,
)
from server.recognition.stream import read

STATE_S: Final = 0.25  # as often as workers judge their load
_UNREAD: Final = 65_536  # octets that a worker has not read: it is told of the line later

log = logging.getLogger(__name__)


class RecognitionService:
    """Answers workers. Made for one event loop."""

    def __init__(self, pool: RecognitionPool, *, exposition: Callable[[], str]) -> None:
        """
        Args:
            pool: the caller's to close, after this.
            exposition: our metrics, for whoever wants to see them.
        """
        self._pool, self._exposition = pool, exposition
        self._visits: set[_Visit] = set()
        self._deserted = asyncio.Event()
        self._deserted.set()

    @asynccontextmanager
    async def answering(self, listener: socket.socket) -> AsyncGenerator[None, None]:
        """Answer whoever connects meanwhile; the socket is ours from now on."""
        async with AsyncExitStack() as parts:
            server = await asyncio.start_unix_server(self._attend, sock=listener)
            parts.callback(server.close)
            parts.callback(self._hang_up)
            await background(parts, self._keep_telling(), "state of the line")
            yield

    async def deserted(self) -> None:
        """Wait until no worker is connected."""
        await self._deserted.wait()

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = _Visit(self._pool, writer, self._exposition)
        self._visits.add(visit)
        self._deserted.clear()
        try:
            visit.tell(self._state())
            while True:
                visit.take(await read(reader))
        except (OSError, asyncio.IncompleteReadError):
            pass
        except ValueError:
            log.exception("a process says what nobody understands")
        finally:
            visit.end()
            self._visits.discard(visit)
            if not self._visits:
                self._deserted.set()

    async def _keep_telling(self) -> None:
        while True:
            await asyncio.sleep(STATE_S)
            state = self._state()
            for visit in self._visits:
                visit.tell(state)

    def _state(self) -> State:
        return State(waiting=self._pool.waiting, wait_s=self._pool.wait_s)

    def _hang_up(self) -> None:
        for visit in self._visits:
            visit.end()


class _Visit:
    """One connection."""

    def __init__(
        self, pool: RecognitionPool, writer: asyncio.StreamWriter, exposition: Callable[[], str]
    ) -> None:
        self._pool, self._writer, self._exposition = pool, writer, exposition
        self._loop = asyncio.get_running_loop()
        self._asked: dict[int, Future[Transcript]] = {}

    def tell(self, state: State) -> None:
        if self._writer.transport.get_write_buffer_size() <= _UNREAD:
            self._say(state)

    def take(self, message: Message) -> None:
        match message:
            case Asked():
                self._ask(message)
            case Withdrawn(number=number):
                if (future := self._asked.pop(number, None)) is not None:
                    future.cancel()
            case Look():
                self._say(Shown(self._exposition()))
            case _:
                raise ValueError(f"{type(message).__name__} is not for the recogniser")

    def end(self) -> None:
        """Idempotent."""
        self._writer.close()
        asked, self._asked = self._asked, {}
        for future in asked.values():
            future.cancel()

    def _ask(self, asked: Asked) -> None:
        try:
            future = self._pool.submit(
                asked.request, deadline_s=asked.deadline_s, speculative=asked.speculative
            )
        except (ModelError, RuntimeError) as error:
            self._say(Failed(asked.number, error))
            return
        self._asked[asked.number] = future
        future.add_done_callback(partial(self._done, asked.number))

    def _done(self, number: int, future: Future[Transcript]) -> None:
        """On a thread of the pool; or on ours, which has withdrawn it."""
        if not future.cancelled():
            self._loop.call_soon_threadsafe(self._answer, number, future)

    def _answer(self, number: int, future: Future[Transcript]) -> None:
        if self._asked.pop(number, None) is None:
            return
        error = future.exception()
        if error is None:
            self._say(Heard(number, future.result()))
        elif isinstance(error, Exception):
            self._say(Failed(number, error))

    def _say(self, message: Message) -> None:
        if not self._writer.is_closing():
            self._writer.write(pack(message))
