"""A look at the metrics of the recogniser that all processes share."""

import asyncio
from contextlib import suppress
from pathlib import Path

from server.recognition.messages import Look, Shown, pack
from server.recognition.stream import read


async def shown_by(path: Path, *, within_s: float) -> str | None:
    """What it shows, in Prometheus's text format; None: it is not there, or too slow.

    Args:
        path: of its socket.
    """
    writer: asyncio.StreamWriter | None = None
    with suppress(TimeoutError, OSError, ValueError, asyncio.IncompleteReadError):
        try:
            async with asyncio.timeout(within_s):
                reader, writer = await asyncio.open_unix_connection(str(path))
                writer.write(pack(Look()))
                while not isinstance(message := await read(reader), Shown):
                    pass
                return message.exposition
        finally:
            if writer is not None:
                writer.close()
    return None
