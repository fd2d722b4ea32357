"""Spools of processes that a server does not have any more."""

from pathlib import Path

from server.records.records import Records
from server.records.spools import left_spools, settle, spool_folder
from tests.fakes.calls import call_start


def test_the_first_process_has_the_folder_of_a_server_of_one(tmp_path: Path):
    assert spool_folder(tmp_path, 0) == tmp_path / "spool"
    assert spool_folder(tmp_path, 2) == tmp_path / "spool-2"


async def test_call_of_a_process_that_is_no_more_is_marked_as_crashed(
    tmp_path: Path, database_url: str
):
    for number in (0, 1, 3):
        records = await Records.open(database_url, spool_folder(tmp_path, number))
        call = call_start()
        records.call_started(call)
        await records.close()
    assert left_spools(tmp_path, 4) == []
    assert left_spools(tmp_path, 2) == [tmp_path / "spool-3"]
    first = await Records.open(database_url, spool_folder(tmp_path, 0))
    await settle(database_url, left_spools(tmp_path, 2))
    found = await first.get_call(call.id)
    assert found is not None
    assert found.call.end_reason == "server_crash"
    await first.close()


async def test_spool_that_another_server_has_is_left_alone(tmp_path: Path, database_url: str):
    theirs = await Records.open(database_url, spool_folder(tmp_path, 1))
    call = call_start()
    theirs.call_started(call)
    await theirs.drain(5)
    await settle(database_url, left_spools(tmp_path, 1))
    found = await theirs.get_call(call.id)
    assert found is not None
    assert found.call.ended_at is None
    await theirs.close()
