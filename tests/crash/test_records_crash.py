"""No acknowledged row is lost, whoever is killed."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from server.postgres import EmbeddedPostgres
from server.records.records import Records
from tests.fakes.calls import call_start, turn_record

pytestmark = pytest.mark.crash

NOWHERE = "postgresql:///x?host=/nowhere"


async def write_and_be_killed(dsn: str, spool: Path, *, after: int) -> tuple[UUID, int]:
    """The call that was written and the last turn that was acknowledged."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.crashing", "turns", dsn, str(spool),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    call_id = UUID((await process.stdout.readline()).decode().strip())
    last = -1
    while last < after:
        last = int(await process.stdout.readline())
    process.kill()
    for line in (await process.stdout.read()).splitlines(keepends=True):
        if line.endswith(b"\n"):
            last = int(line)
    await process.wait()
    return call_id, last


@pytest.mark.parametrize("database_up", [True, False])
async def test_our_own_death_loses_no_acknowledged_turn(
    database_url: str, tmp_path: Path, database_up: bool
) -> None:
    dsn = database_url if database_up else NOWHERE
    call_id, last = await write_and_be_killed(dsn, tmp_path, after=300)
    records = await Records.open(database_url, tmp_path)
    detail = await records.get_call(call_id)
    await records.close()
    assert detail is not None
    indexes = [turn.index for turn in detail.turns]
    # One more may have been taken over whose acknowledgement we did not get to read.
    assert indexes in (list(range(last + 1)), list(range(last + 2)))
    assert detail.call.end_reason == "server_crash"


async def test_the_databases_death_under_writes_loses_no_turn(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "pg")
    await server.start()
    records = await Records.open(await server.ensure_database("desk"), tmp_path / "spool")
    call_id = uuid4()
    records.call_started(call_start(call_id))
    for index in range(2_000):
        records.turn(call_id, turn_record(index))
        if index in (600, 1_400):
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
        await asyncio.sleep(0.0005)
    assert await records.drain(30)
    detail = await records.get_call(call_id)
    assert detail is not None
    assert [turn.index for turn in detail.turns] == list(range(2_000))
    assert (records.rejected, records.lost) == (0, 0)
    assert server.restarts >= 1
    await records.close()
    await server.stop()
