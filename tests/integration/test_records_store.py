"""The records on a real database."""

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from actions.database import Database
from actions.ledger import PostgresLedger
from actions.request import ActionRequest
from server.records import writer
from server.records.errors import RecordsSetupError, RecordsUnavailableError
from server.records.records import Records
from server.records.rows import encode
from tests.fakes.calls import AT, call_start, turn_record
from tests.fakes.postgres import PostgresForTests


@pytest.fixture
async def records(database_url: str, tmp_path: Path) -> AsyncGenerator[Records]:
    records = await Records.open(database_url, tmp_path / "spool")
    yield records
    await records.close()


async def written(records: Records) -> Records:
    assert await records.drain(10)
    return records


async def test_a_call_is_found_with_its_turns_and_effects(
    records: Records, database_url: str
) -> None:
    start = call_start()
    records.call_started(start)
    records.call_answered(start.id, AT + timedelta(seconds=1))
    turns = [turn_record(0), turn_record(1, text="4815")]
    for each in turns:
        records.turn(start.id, each)
    records.call_ended(
        start.id,
        AT + timedelta(seconds=60),
        reason="caller_hangup",
        outcome="address_changed",
        recording_path="/r/1.wav",
    )
    ledger = PostgresLedger(Database(database_url))
    await ledger.begin(ActionRequest(name="change_address", arguments={}, key=f"{start.id}:1:0"))

    detail = await (await written(records)).get_call(start.id)
    assert detail is not None
    assert detail.turns == turns
    assert detail.call.answered_at == AT + timedelta(seconds=1)
    assert detail.call.ended_at == AT + timedelta(seconds=60)
    assert (detail.call.end_reason, detail.call.outcome) == ("caller_hangup", "address_changed")
    assert detail.call.recording_path == "/r/1.wav"
    assert [action.name for action in detail.actions] == ["change_address"]


async def test_a_call_nobody_made_is_not_found(records: Records) -> None:
    assert await records.get_call(uuid4()) is None


async def test_calls_are_listed_newest_first_page_by_page(records: Records) -> None:
    starts = [call_start(at=AT + timedelta(minutes=n // 2)) for n in range(6)]
    for start in starts:
        records.call_started(start)
    await written(records)
    pages: list[UUID] = []
    before: UUID | None = None
    while page := await records.list_calls(limit=4, before=before):
        pages += [call.id for call in page]
        before = page[-1].id
    newest_first = sorted(starts, key=lambda start: (start.started_at, start.id), reverse=True)
    assert pages == [start.id for start in newest_first]


async def test_a_turn_written_again_replaces_the_first(records: Records) -> None:
    start = call_start()
    records.call_started(start)
    records.turn(start.id, turn_record(0, text="first"))
    records.turn(start.id, turn_record(0, text="second"))
    detail = await (await written(records)).get_call(start.id)
    assert detail is not None
    assert [turn.caller_text for turn in detail.turns] == ["second"]


async def test_calls_open_in_an_earlier_life_ended_with_its_last_sign(
    database_url: str, tmp_path: Path
) -> None:
    open_call, ended_call = call_start(), call_start()
    first = await Records.open(database_url, tmp_path)
    for start in (open_call, ended_call):
        first.call_started(start)
        first.call_answered(start.id, AT)
    first.turn(open_call.id, turn_record(0, started_at_s=7.0))
    first.call_ended(ended_call.id, AT, reason="caller_hangup")
    await first.close()

    second = await Records.open(database_url, tmp_path)
    crashed, ended = await second.get_call(open_call.id), await second.get_call(ended_call.id)
    await second.close()
    assert crashed is not None
    assert ended is not None
    assert crashed.call.end_reason == "server_crash"
    assert crashed.call.ended_at == AT + timedelta(seconds=7)
    assert ended.call.end_reason == "caller_hangup"


async def test_calls_of_another_server_are_left_alone(database_url: str, tmp_path: Path) -> None:
    start = call_start()
    one = await Records.open(database_url, tmp_path / "one")
    one.call_started(start)
    await written(one)
    other = await Records.open(database_url, tmp_path / "other")
    detail = await other.get_call(start.id)
    await other.close()
    await one.close()
    assert detail is not None
    assert detail.call.ended_at is None


async def test_what_an_earlier_life_spooled_is_written_before_its_calls_are_ended(
    database_url: str, tmp_path: Path
) -> None:
    start = call_start()
    offline = await Records.open("postgresql:///x?host=/nowhere", tmp_path, wait_s=0.01)
    offline.call_started(start)
    offline.call_ended(start.id, AT, reason="caller_hangup")
    spool_size = (tmp_path / "records.jsonl").stat().st_size
    assert offline.spooled == spool_size > 0
    offline_task_done = offline.close()
    await offline_task_done

    online = await Records.open(database_url, tmp_path)
    detail = await online.get_call(start.id)
    await online.close()
    assert detail is not None
    assert detail.call.end_reason == "caller_hangup"


async def test_without_a_database_writes_are_taken_and_queries_say_so(tmp_path: Path) -> None:
    records = await Records.open("postgresql:///x?host=/nowhere", tmp_path, wait_s=0.01)
    records.call_started(call_start())
    assert (records.accepted, records.written) == (1, 0)
    assert not await records.ping()
    with pytest.raises(RecordsUnavailableError):
        await records.list_calls()
    await records.close()


async def test_the_spool_is_empty_soon_after_the_database_has_all(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_QUIET_S", 0.05)
    spool = tmp_path / "spool" / "records.jsonl"
    records.call_started(call_start())
    await written(records)
    assert records.spooled == 0
    async with asyncio.timeout(5):
        while spool.stat().st_size:  # noqa: ASYNC110 - a file's size raises no event
            await asyncio.sleep(0.01)
    assert records.written == records.accepted == 1
    assert await records.ping()


async def test_a_spool_is_not_cut_while_rows_keep_coming_until_it_has_grown(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_CLEARED_BYTES", 2_000)
    spool, sizes = tmp_path / "spool" / "records.jsonl", list[int]()
    for _ in range(20):
        records.call_started(call_start())
        await written(records)
        sizes.append(spool.stat().st_size)
    assert sizes[0] < sizes[1] < sizes[2]
    assert max(sizes) < 2_500
    assert sizes.count(0) >= 1
    assert records.spooled == 0


async def test_a_row_the_database_will_never_take_stops_no_other(
    records: Records, tmp_path: Path
) -> None:
    start = call_start()
    records.turn(uuid4(), turn_record(0))  # of a call that never started
    records.call_started(start)
    await written(records)
    assert await records.get_call(start.id) is not None
    assert (records.rejected, records.written) == (1, 1)
    rejected = (tmp_path / "spool" / "rejected.jsonl").read_text()
    assert json.loads(rejected)[0] == "turn"


async def test_a_damaged_line_stops_no_other(database_url: str, tmp_path: Path) -> None:
    start = call_start()
    row = ("call_answered", (str(start.id), AT.isoformat()))
    (tmp_path / "records.jsonl").write_bytes(b"\0\0\0\n" + encode(row))
    records = await Records.open(database_url, tmp_path)
    await written(records)
    assert (records.rejected, records.written) == (1, 1)
    await records.close()


async def test_a_full_disk_keeps_rows_in_memory_and_in_order(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    await written(records)
    start = call_start()

    def refuse(_: int, __: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("server.records.spool.os.write", refuse)
        records.call_started(start)
    records.turn(start.id, turn_record(0))  # the disk is back, but the call waits in memory
    detail = await (await written(records)).get_call(start.id)
    assert detail is not None
    assert len(detail.turns) == 1
    assert (records.rejected, records.lost) == (0, 0)


async def test_wrong_names_are_told_at_once(postgres: PostgresForTests, tmp_path: Path) -> None:
    with pytest.raises(RecordsSetupError, match="DATABASE_URL"):
        await Records.open(postgres.server.dsn("no_such_database"), tmp_path / "a")
    with pytest.raises(RecordsSetupError, match="DATABASE_URL"):
        await Records.open("not a url", tmp_path / "b")


async def test_a_newer_database_is_told_at_once(database_url: str, tmp_path: Path) -> None:
    await (await Records.open(database_url, tmp_path)).close()
    database = Database(database_url)
    async with database.connection(5) as connection:
        await connection.execute(
            "INSERT INTO schema_versions (component, version, name) VALUES ('records', 99, 'x')"
        )
    await database.close()
    with pytest.raises(RecordsSetupError, match="newer"):
        await Records.open(database_url, tmp_path)
