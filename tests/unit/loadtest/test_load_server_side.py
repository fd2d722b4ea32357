"""What the kernel says of the server's processes."""

import asyncio
import mmap
import os
import subprocess
import sys

import httpx

from loadtest.load.server_side import ServerAccess, look

_SIZE = 64 << 20


_FORKS = f"""
import os, sys
mine = bytearray(b"1" * {_SIZE})
if os.fork():
    print("ready", flush=True)
    sys.stdin.read()
    os.wait()
else:
    sys.stdin.read()
"""


async def _memory_mb(pid: int | None = None) -> float:
    async with httpx.AsyncClient() as client:
        sample = await look(ServerAccess(pid=pid or os.getpid()), client)
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


def test_memory_that_a_fork_has_of_its_parent_is_counted_once() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        both_mb = asyncio.run(_memory_mb(parent.pid))
        parent.communicate(b"")
    assert 64 < both_mb < 110
