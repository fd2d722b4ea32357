"""What the kernel says of the server's processes."""

import mmap
import os

import httpx

from loadtest.load.server_side import ServerAccess, look

_SIZE = 64 << 20


async def _memory_mb() -> float:
    async with httpx.AsyncClient() as client:
        sample = await look(ServerAccess(pid=os.getpid()), client)
    assert sample.memory_mb is not None
    return sample.memory_mb


async def test_memory_that_processes_share_is_not_counted_for_each() -> None:
    before_mb = await _memory_mb()
    with mmap.mmap(-1, _SIZE) as shared:  # as a database's buffers are
        shared.write(b"\1" * _SIZE)
        shared_mb = await _memory_mb()
    own = bytearray(b"\1" * _SIZE)
    own_mb = await _memory_mb()

    assert shared_mb - before_mb < 16
    assert own_mb - before_mb > 48
    assert len(own) == _SIZE
