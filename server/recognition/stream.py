"""Messages as they come out of a Unix stream."""

import asyncio

from server.recognition.messages import HEAD, MAX_BODY, Message, unpack


async def read(reader: asyncio.StreamReader) -> Message:
    """The next message.

    Raises:
        asyncio.IncompleteReadError, OSError: the other end is gone.
        ValueError: nothing that `pack` makes.
    """
    kind, length, number = HEAD.unpack(await reader.readexactly(HEAD.size))
    if length > MAX_BODY:
        raise ValueError(f"a message of {length} octets is none of ours")
    return unpack(kind, number, await reader.readexactly(length))
