"""A slow TCP path: a proxy on this machine that delays, throttles and stalls what goes out.

TCP loses and reorders nothing, so of an `Impairment` only delay, jitter, bandwidth and stalls
apply; a loss on a real path shows as a stall. What comes back is not impaired.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from random import Random
from typing import Final

from loadtest.errors import UnreachableError
from loadtest.impair import Address, Bottleneck, Impairment

_CHUNK: Final = 16_384
_BUFFERED: Final = 256  # chunks on their way; then the sender is held up, as by a full window


class ImpairedStream:
    """The way to `remote` for any number of connections; connect to `address`."""

    def __init__(self, remote: Address, impairment: Impairment) -> None:
        self._remote = remote
        self._impairment = impairment
        self._connections: set[asyncio.Task[None]] = set()
        self.address: Address = ("", 0)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, remote: Address, impairment: Impairment
    ) -> AsyncGenerator["ImpairedStream"]:
        """A proxy on the loopback address; leaving the context cuts what runs through it.

        Raises:
            UnreachableError: no socket can be opened.
        """
        proxy = cls(remote, impairment)
        try:
            server = await asyncio.start_server(proxy._accept, "127.0.0.1", 0)
        except OSError as error:
            raise UnreachableError(f"no proxy on 127.0.0.1: {error.strerror}") from error
        proxy.address = server.sockets[0].getsockname()
        try:
            yield proxy
        finally:
            server.close()
            for task in proxy._connections:
                task.cancel()
            await asyncio.gather(*proxy._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._relay(reader, writer)
        except asyncio.CancelledError:
            pass  # the proxy closes; the stream server would log a cancelled handler
        except OSError:
            pass  # one side is gone, and closing the other tells it so
        finally:
            self._connections.discard(task)
            writer.close()

    async def _relay(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        far_in, far_out = await asyncio.open_connection(*self._remote)
        try:
            async with asyncio.TaskGroup() as group:
                back = group.create_task(_copy(far_in, near_out))
                out = group.create_task(self._impair(near_in, far_out))
                await asyncio.wait({back, out}, return_when=asyncio.FIRST_COMPLETED)
                back.cancel()
                out.cancel()
        except* OSError:
            pass
        finally:
            far_out.close()

    async def _impair(self, near: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
        # Bounded: a full queue stops the reading, and TCP then stops the sender.
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_BUFFERED)
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(_write_later(waiting, far))
            await self._read_into(waiting, near)
            await waiting.join()
            writing.cancel()

    async def _read_into(
        self, waiting: asyncio.Queue[tuple[float, bytes]], near: asyncio.StreamReader
    ) -> None:
        fate, link = self._impairment, Bottleneck(self._impairment)
        random, loop = Random(fate.seed), asyncio.get_running_loop()
        last_s = 0.0
        while data := await near.read(_CHUNK):
            through_s = link.through_s(len(data), loop.time())
            at_s = through_s + fate.delay_s + random.uniform(-fate.jitter_s, fate.jitter_s)
            last_s = max(last_s, at_s)  # in order, whatever the jitter
            await waiting.put((last_s, data))


async def _write_later(
    waiting: asyncio.Queue[tuple[float, bytes]], far: asyncio.StreamWriter
) -> None:
    loop = asyncio.get_running_loop()
    while True:
        at_s, data = await waiting.get()
        if (wait_s := at_s - loop.time()) > 0:
            await asyncio.sleep(wait_s)
        far.write(data)
        await far.drain()
        waiting.task_done()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        sink.write(data)
        await sink.drain()
