"""Frames on a stream between processes of ours, which several kinds of messages travel in.

A frame is a kind, the length of what follows, the number of what it is about where there is one,
and the body. Both ends are the same program on the same machine.
"""

import asyncio
import struct
from typing import Final

MAX_BODY: Final = 16 << 20
"""Octets after a frame's head: a quarter of an hour of audio, a hundred stories of long calls."""

HEAD: Final = struct.Struct("!BIQ")  # kind, length of the body, number


def framed(kind: int, body: bytes, *, number: int = 0) -> bytes:
    """A frame.

    Raises:
        ValueError: it is too long.
    """
    if len(body) > MAX_BODY:
        raise ValueError(f"{len(body)} octets are more than a message may have")
    return HEAD.pack(kind, len(body), number) + body


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    """The next frame: its kind, number and body.

    Raises:
        asyncio.IncompleteReadError, OSError: the other end is gone.
        ValueError: nothing that `framed` makes.
    """
    kind, length, number = HEAD.unpack(await reader.readexactly(HEAD.size))
    if length > MAX_BODY:
        raise ValueError(f"a message of {length} octets is none of ours")
    return kind, number, await reader.readexactly(length)
