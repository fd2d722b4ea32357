"""The embedded PostgreSQL comes back, and never outlives us."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from actions.database import FAILURES, Database
from server.postgres import EmbeddedPostgres

pytestmark = pytest.mark.crash


def runs(pid: int) -> bool:
    """Whether the process is more than an entry that its new parent has yet to collect."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_a_killed_server_comes_back_with_every_committed_row(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    await server.start()
    database = Database(server.dsn())
    committed: list[int] = []
    async with database.connection(10) as connection:
        await connection.execute("CREATE TABLE t (x int PRIMARY KEY)")
    for number in range(400):
        if number in (100, 250):
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
        try:
            async with database.connection(5) as connection:
                await connection.execute("INSERT INTO t VALUES ($1)", number)
        except FAILURES:
            await asyncio.sleep(0.02)
        else:
            committed.append(number)
    async with database.connection(10) as connection:
        found = {row["x"] for row in await connection.fetch("SELECT x FROM t")}
    assert set(committed) <= found
    assert committed[-1] == 399
    assert server.restarts == 2
    await database.close()
    await server.stop()


async def test_the_server_ends_when_we_are_killed_and_the_folder_is_free_again(
    tmp_path: Path,
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.crashing", "postgres", str(tmp_path),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    pid = int(await process.stdout.readline())
    process.kill()
    await process.wait()
    # At once, while the orphan may still be shutting down.
    server = EmbeddedPostgres(tmp_path)
    await server.start()
    assert server.pid != pid
    assert not runs(pid)
    async with Database(server.dsn()).connection(10) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    await server.stop()
