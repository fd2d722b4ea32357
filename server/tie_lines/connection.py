"""One connection between two processes: messages in order, and the audio of a tick in one frame.

Messages are never dropped; whoever does not read them for long is cut off. Audio is dropped while
the other end does not read: what is late is of no use.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final

from server.framing import read_frame
from server.tie_lines.messages import Audio, Message, pack, unpack
from voice.frames import Pcm

_LATE: Final = 128 << 10  # octets that were not taken: a second of twenty callers
_LOST: Final = 64 << 20  # from here on nobody reads at the other end any more

log = logging.getLogger(__name__)


class Connection:
    """Made for one event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._loop = asyncio.get_running_loop()
        self._sounding: list[tuple[int, Pcm]] = []

    def say(self, message: Message) -> None:
        """Send it; nothing happens when the other end is gone, which `messages` tells."""
        if self._writer.is_closing():
            return
        self._writer.write(pack(message))
        if self._unread > _LOST:
            log.error("a process does not read what it is told and is cut off")
            self._writer.transport.abort()

    def sound(self, number: int, pcm: Pcm) -> None:
        """Send 20 ms of this caller, shape (160,), together with those of the same tick."""
        if not self._sounding:
            self._loop.call_soon(self._flush)
        self._sounding.append((number, pcm))

    async def messages(self) -> AsyncIterator[Message]:
        """What the other end says, until it is gone or says what nobody understands."""
        while True:
            try:
                message = await self._next()
            except (OSError, asyncio.IncompleteReadError):
                return
            except ValueError:
                log.exception("a process says what nobody understands")
                return
            yield message

    def close(self) -> None:
        """Idempotent."""
        self._writer.close()

    async def _next(self) -> Message:
        kind, _, body = await read_frame(self._reader)
        return unpack(kind, body)

    @property
    def _unread(self) -> int:
        return self._writer.transport.get_write_buffer_size()

    def _flush(self) -> None:
        frames, self._sounding = tuple(self._sounding), []
        if self._unread <= _LATE:
            self.say(Audio(frames))
