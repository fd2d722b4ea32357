"""Messages as they come out of a Unix stream."""

import asyncio

from server.framing import read_frame
from server.recognition.messages import Message, unpack


async def read(reader: asyncio.StreamReader) -> Message:
    """The next message.

    Raises:
        asyncio.IncompleteReadError, OSError: the other end is gone.
        ValueError: nothing that `pack` makes.
    """
    return unpack(*await read_frame(reader))
