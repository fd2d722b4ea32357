"""The shell around one page's WebSocket: an outbox, a bound on what comes in, and a pulse.

A connection whose page vanished without a word is noticed by its silence: the page answers each
ping, so that whoever says nothing for `_GONE_S` is gone.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import WebSocket, WebSocketDisconnect
from pydantic import BaseModel

from server.accounts.access import UNAUTHORISED
from server.desk.bounds import RateBound
from server.desk.errors import ProtocolError
from server.desk.protocol import ErrorTold, Ping, type_of

log = logging.getLogger(__name__)

_OUTBOX: Final = 512  # messages; a page that owes more is cut off, and gets a fresh `hello`
_PING_S: Final = 4.0
_GONE_S: Final = 11.0  # two pings unanswered, and some
_CLOSE_S: Final = 2.0
_WELCOME_S: Final = 20.0  # who signed out, or was closed out, keeps the desk no longer

GOING_AWAY: Final = 1001  # RFC 6455 §7.4.1
POLICY_VIOLATION: Final = 1008
OVERLOADED: Final = 1013  # IANA registry: try again later
REPLACED: Final = 4001  # ours: another window has the desk; do not come back

Handle = Callable[[str], None]
"""Serves one message; raises ProtocolError for one that cannot be."""

Welcome = Callable[[], Awaitable[bool]]
"""Whether who opened the page may still be there."""


class WebSocketChannel:
    """ports.Channel of an accepted WebSocket; `run` it until the page is gone."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._outbox: asyncio.Queue[str | None] = asyncio.Queue(_OUTBOX)
        self._closing = False
        self._close_code = REPLACED
        self._heard_s = 0.0

    def send(self, message: BaseModel) -> None:
        if self._closing:
            return
        if self._outbox.full():
            self._cut_off()
        else:
            self._outbox.put_nowait(message.model_dump_json())

    def close(self, code: int = REPLACED) -> None:
        if not self._closing:
            self._closing, self._close_code = True, code
            if self._outbox.full():
                self._outbox.get_nowait()
            self._outbox.put_nowait(None)

    async def run(self, handle: Handle, welcome: Welcome) -> None:
        """Serve the page until it goes, is not welcome any more, or `close`."""
        self._heard_s = asyncio.get_running_loop().time()
        tasks = [
            asyncio.create_task(self._read(handle), name="desk reader"),
            asyncio.create_task(self._write(), name="desk writer"),
            asyncio.create_task(self._pulse(), name="desk pulse"),
            asyncio.create_task(self._guard(welcome), name="desk guard"),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._closing = True
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            for failed in results:
                if isinstance(failed, Exception) and not _is_gone(failed):
                    log.error("a desk's connection ended by a defect", exc_info=failed)

    def _cut_off(self) -> None:
        while not self._outbox.empty():
            self._outbox.get_nowait()
        log.warning("a desk's page does not keep up and is cut off")
        self.close(OVERLOADED)

    async def _read(self, handle: Handle) -> None:
        loop = asyncio.get_running_loop()
        bound = RateBound(loop.time())
        while True:
            text = await self._socket.receive_text()
            self._heard_s = loop.time()
            if bound.admit(self._heard_s):
                self._serve(handle, text)
                continue
            self.send(ErrorTold(code="too_fast", message="too many messages", answers=None))
            if bound.broken:
                self.close(POLICY_VIOLATION)
                return await self._until_closed()

    def _serve(self, handle: Handle, text: str) -> None:
        try:
            handle(text)
        except ProtocolError as error:
            self.send(ErrorTold(code=error.code, message=str(error), answers=type_of(text)))

    async def _until_closed(self) -> None:
        await asyncio.sleep(_CLOSE_S)

    async def _write(self) -> None:
        while (text := await self._outbox.get()) is not None:
            await self._socket.send_text(text)
        async with asyncio.timeout(_CLOSE_S):
            await self._socket.close(self._close_code)

    async def _pulse(self) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() - self._heard_s < _GONE_S:
            self.send(Ping())
            await asyncio.sleep(_PING_S)
        log.info("a desk's page went away without a word")

    async def _guard(self, welcome: Welcome) -> None:
        while True:
            if not await welcome():
                self.close(UNAUTHORISED)
                return await self._until_closed()
            await asyncio.sleep(_WELCOME_S)


def _is_gone(error: Exception) -> bool:
    # Starlette raises RuntimeError for a socket used after its close.
    return isinstance(error, WebSocketDisconnect | TimeoutError | RuntimeError | OSError)
