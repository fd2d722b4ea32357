"""The embedded PostgreSQL, started for real."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from actions.database import Database
from server.postgres import DataFolderInUseError, EmbeddedPostgres, PostgresError


async def scalar(dsn: str, query: str) -> object:
    database = Database(dsn)
    try:
        async with database.connection(10) as connection:
            return await connection.fetchval(query)
    finally:
        await database.close()


async def test_one_cluster_through_its_life(tmp_path: Path) -> None:
    folder = tmp_path / "pg"
    server = EmbeddedPostgres(folder, settings={"work_mem": "5MB"})
    await server.start()
    dsn = await server.ensure_database("desk")
    assert await server.ensure_database("desk") == dsn
    assert await scalar(dsn, "SHOW server_encoding") == "UTF8"
    assert await scalar(dsn, "SHOW listen_addresses") == ""
    assert await scalar(dsn, "SHOW work_mem") == "5MB"
    assert (folder / "socket").stat().st_mode & 0o077 == 0
    await scalar(dsn, "CREATE TABLE t AS SELECT 1 AS x")

    with pytest.raises(DataFolderInUseError, match="in use by process"):
        await EmbeddedPostgres(folder).start()

    await server.stop()
    assert not server.running
    # What a machine that lost power leaves, the recorded id given to another process since.
    (folder / "cluster" / "postmaster.pid").write_text(f"{os.getpid()}\n{folder / 'cluster'}\n")
    again = EmbeddedPostgres(folder)
    await again.start()
    assert await scalar(again.dsn("desk"), "SELECT x FROM t") == 1
    await again.stop()


async def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / ("long" * 25))
    await server.start()
    assert await scalar(server.dsn(), "SELECT 1") == 1
    await server.stop()


async def test_a_server_that_cannot_start_says_why_in_one_line(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path, settings={"shared_buffers": "lots"})
    with pytest.raises(PostgresError, match="shared_buffers") as failure:
        await server.start()
    assert "\n" not in str(failure.value)
    mended = EmbeddedPostgres(tmp_path)  # the folder is free again
    await mended.start()
    await mended.stop()


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PostgresError, match="choose another data folder"):
        await EmbeddedPostgres(tmp_path / "file" / "pg").start()


@pytest.mark.parametrize("name", ["Desk", "a b", "", "x" * 64, 'a"; DROP'])
async def test_only_plain_names_are_databases(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="database name"):
        await EmbeddedPostgres(tmp_path).ensure_database(name)


async def test_ending_the_process_politely_ends_it_fast_with_clients_connected(
    tmp_path: Path,
) -> None:
    server = EmbeddedPostgres(tmp_path)
    await server.start()
    pid = server.pid
    assert pid is not None
    database = Database(server.dsn())
    async with database.connection(10) as connection:
        await connection.fetchval("SELECT 1")
        async with asyncio.timeout(10):
            await server.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIG_DFL)
