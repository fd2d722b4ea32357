"""What happened at the desk, on a real database, through outages and crashes."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from server.desk.protocol import Choice
from server.handoff.desk_records import DeskRecordsPort
from server.handoff.kept_figures import KeptFigures
from server.live_calls import LiveCalls
from server.records.desk_facts import (
    Attempt,
    CallbackPromise,
    Disposition,
    HandOffProgress,
    HandOffRequest,
    Note,
    OverheardLine,
)
from server.records.records import Records
from telephony.queue import CallQueue
from telephony.queue_events import GiveUpReason
from telephony.queue_statistics import Counters
from tests.fakes.calls import AT, call_start, turn_record

NOWHERE = "postgresql:///x?host=/nowhere"


@pytest.fixture
async def records(database_url: str, tmp_path: Path) -> AsyncGenerator[Records]:
    records = await Records.open(database_url, tmp_path / "spool")
    yield records
    await records.close()


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def request(call_id: UUID, **context: object) -> HandOffRequest:
    return HandOffRequest(
        id=uuid4(),
        call_id=call_id,
        requested_at=AT + after(30),
        reason="caller_asked",
        skill="orders",
        context=context,
    )


def accepted(agent: str) -> HandOffProgress:
    return HandOffProgress(
        agent=agent,
        rang_at=AT + after(40),
        accepted_at=AT + after(44),
        attempts=[
            Attempt(agent="bob", rang_at=AT + after(31), outcome="declined"),
            Attempt(agent=agent, rang_at=AT + after(40), outcome="accepted"),
        ],
    )


def a_call(records: Records) -> UUID:
    start = call_start()
    records.call_started(start)
    records.call_answered(start.id, AT)
    return start.id


def all_kinds(records: Records, call_id: UUID) -> HandOffRequest:
    """One row of every kind, for one call."""
    asked, desk = request(call_id, summary=["They moved."]), records.desk
    desk.presence_changed("ann", AT, "ready")
    desk.handoff_requested(asked)
    desk.handoff_progressed(asked.id, HandOffProgress(agent="bob", rang_at=AT + after(31)))
    desk.overheard(call_id, OverheardLine(at_s=45.0, who="agent", text="Hello."))
    desk.note_saved(Note(call_id=call_id, agent="ann", text="new flat", saved_at=AT + after(50)))
    desk.handoff_ended(asked.id, accepted("ann"), at=AT + after(104), outcome="agent_hangup")
    desk.disposition_saved(
        Disposition(call_id=call_id, agent="ann", code="solved", text="", saved_at=AT + after(110))
    )
    promise = promised(call_id, place=1)
    desk.callback_promised(promise)
    desk.callback_settled(promise.id, AT + after(200), "reached")
    desk.presence_changed("ann", AT + after(120), "offline")
    return asked


def promised(call_id: UUID, *, place: int) -> CallbackPromise:
    return CallbackPromise(
        id=uuid4(),
        call_id=call_id,
        number="+4930123",
        skill=None,
        place=place,
        queued_at=AT + after(place),
        promised_at=AT + after(60),
    )


async def check_all_kinds(records: Records, asked: HandOffRequest) -> None:
    found = await records.desk.of_call(asked.call_id)
    [handoff] = found.handoffs
    assert (handoff.agent, handoff.outcome) == ("ann", "agent_hangup")
    assert handoff.attempts == tuple(accepted("ann").attempts)
    assert handoff.context == {"summary": ["They moved."]}
    assert [note.text for note in found.notes] == ["new flat"]
    assert [each.code for each in found.dispositions] == ["solved"]
    assert [(line.who, line.text) for line in found.overheard] == [("agent", "Hello.")]
    assert await records.desk.open_callbacks() == []
    assert (records.rejected, records.lost) == (0, 0)


async def test_all_that_happens_at_the_desk_is_found_again(records: Records) -> None:
    asked = all_kinds(records, a_call(records))
    assert await records.drain(10)
    await check_all_kinds(records, asked)
    assert await records.desk.get_handoff(asked.id) is not None
    assert await records.desk.get_handoff(uuid4()) is None


async def test_no_row_of_the_desk_is_lost_while_the_database_is_away(
    database_url: str, tmp_path: Path
) -> None:
    offline = await Records.open(NOWHERE, tmp_path, wait_s=0.01)
    asked = all_kinds(offline, a_call(offline))
    assert (offline.accepted, offline.written) == (12, 0)
    await offline.close()
    online = await Records.open(database_url, tmp_path)
    assert await online.drain(10)
    await check_all_kinds(online, asked)
    await online.close()


async def test_rows_executed_again_after_a_crash_change_nothing(
    database_url: str, tmp_path: Path
) -> None:
    offline = await Records.open(NOWHERE, tmp_path, wait_s=0.01)
    asked = all_kinds(offline, a_call(offline))
    await offline.close()
    spooled = (tmp_path / "records.jsonl").read_bytes()
    for _ in range(2):
        (tmp_path / "records.jsonl").write_bytes(spooled)
        online = await Records.open(database_url, tmp_path)
        assert await online.drain(10)
        await check_all_kinds(online, asked)
        await online.close()


async def test_what_a_crash_left_open_ended_with_its_last_sign(
    database_url: str, tmp_path: Path
) -> None:
    first = await Records.open(database_url, tmp_path)
    call_id = a_call(first)
    asked = request(call_id)
    first.desk.presence_changed("ann", AT, "talking")
    first.desk.handoff_requested(asked)
    first.desk.handoff_progressed(asked.id, accepted("ann"))
    first.desk.overheard(call_id, OverheardLine(at_s=300.0, who="caller", text="Thanks."))
    await first.close()

    second = await Records.open(database_url, tmp_path)
    handoff, call = await second.desk.get_handoff(asked.id), await second.get_call(call_id)
    ann, _bob = await second.desk.agent_statistics(AT, AT + timedelta(hours=9))
    await second.close()
    assert handoff is not None
    assert call is not None
    assert (handoff.outcome, handoff.ended_at) == ("server_crash", AT + after(300))
    assert (call.call.end_reason, call.call.ended_at) == ("server_crash", AT + after(300))
    assert ann.seconds_by_state.get("talking", 0) < 1  # not until the end of the day


async def test_handoffs_of_another_server_are_left_alone(database_url: str, tmp_path: Path) -> None:
    one = await Records.open(database_url, tmp_path / "one")
    asked = request(a_call(one))
    one.desk.handoff_requested(asked)
    assert await one.drain(10)
    other = await Records.open(database_url, tmp_path / "other")
    handoff = await other.desk.get_handoff(asked.id)
    await other.close()
    await one.close()
    assert handoff is not None
    assert handoff.ended_at is None


async def test_a_better_summary_replaces_the_context_and_nothing_else(records: Records) -> None:
    asked = request(a_call(records), summary=["first"])
    records.desk.handoff_requested(asked)
    records.desk.handoff_progressed(asked.id, accepted("ann"))
    records.desk.handoff_requested(
        HandOffRequest(
            id=asked.id,
            call_id=asked.call_id,
            requested_at=asked.requested_at,
            reason=asked.reason,
            skill=asked.skill,
            context={"summary": ["better"]},
        )
    )
    assert await records.drain(10)
    handoff = await records.desk.get_handoff(asked.id)
    assert handoff is not None
    assert (handoff.context, handoff.agent) == ({"summary": ["better"]}, "ann")


async def test_disposition_is_kept_in_the_words_that_were_chosen(records: Records) -> None:
    call_id = a_call(records)
    desk = DeskRecordsPort(records.desk, LiveCalls(), decide=_nobody_decides, names=_no_names)
    await desk.set_disposition(call_id, "ann", Choice(code="rma", label="Goods come back"))
    assert await records.drain(10)
    [kept] = (await records.desk.of_call(call_id)).dispositions
    assert (kept.code, kept.text, kept.agent) == ("rma", "Goods come back", "ann")


async def _nobody_decides(call_id: UUID, agent: str, action: str, approved: bool) -> None:
    raise AssertionError


async def _no_names() -> dict[str, str]:
    return {}


async def test_a_caller_is_known_by_their_earlier_calls(records: Records) -> None:
    earlier, now = call_start(at=AT - timedelta(days=1)), call_start()
    for start in (earlier, now):
        records.call_started(start)
    records.turn(earlier.id, turn_record(0))
    asked = request(earlier.id, summary=["They moved.", "It worked."])
    records.desk.handoff_requested(asked)
    records.desk.handoff_ended(asked.id, accepted("ann"), at=AT, outcome="agent_hangup")
    records.desk.note_saved(
        Note(call_id=earlier.id, agent="ann", text="They have a dog.", saved_at=AT)
    )
    records.desk.disposition_saved(
        Disposition(call_id=earlier.id, agent="ann", code="solved", text="moved", saved_at=AT)
    )
    assert await records.drain(10)
    [found] = await records.desk.history(now.caller, without=now.id)
    assert found.call_id == earlier.id
    assert found.summary == ["They moved.", "It worked."]
    assert found.actions == ["get_order: succeeded"]
    assert found.dispositions == [{"code": "solved", "text": "moved"}]
    assert (found.agent, found.note) == ("ann", "They have a dog.")
    assert await records.desk.agent_of_caller(now.caller, since=earlier.started_at) == "ann"
    assert await records.desk.agent_of_caller(now.caller, since=AT) is None
    assert await records.desk.agent_of_caller("sip:stranger@example.com", since=AT) is None
    assert await records.desk.history("sip:stranger@example.com") == []


async def test_handoffs_are_listed_newest_first_page_by_page_and_by_agent(
    records: Records,
) -> None:
    asked = [request(a_call(records)) for _ in range(5)]
    for number, each in enumerate(asked):
        records.desk.handoff_requested(each)
        records.desk.handoff_progressed(each.id, accepted("ann" if number else "bob"))
    assert await records.drain(10)
    pages: list[UUID] = []
    before: UUID | None = None
    while page := await records.desk.list_handoffs(limit=2, before=before):
        pages += [each.id for each in page]
        before = page[-1].id
    assert pages == sorted((each.id for each in asked), reverse=True)  # asked at the same time
    [bobs] = await records.desk.list_handoffs(agent="bob")
    assert bobs.id == asked[0].id


async def test_callbacks_keep_their_place_in_line(records: Records) -> None:
    call_id = a_call(records)
    records.desk.handoff_requested(request(call_id))
    for place in (2, 1, 3):
        records.desk.callback_promised(promised(call_id, place=place))
    assert await records.drain(10)
    assert [each.place for each in await records.desk.open_callbacks()] == [1, 2, 3]


async def test_whoever_promised_a_callback_makes_it_whoever_had_the_call(
    records: Records, database_url: str, tmp_path: Path
) -> None:
    other = await Records.open(database_url, tmp_path / "spool-1")
    try:
        call_id = a_call(other)
        assert await other.drain(10)
        records.desk.handoff_requested(request(call_id))
        records.desk.callback_promised(promised(call_id, place=1))
        assert await records.drain(10)
        assert [each.place for each in await records.desk.open_callbacks()] == [1]
        assert await other.desk.open_callbacks() == []
    finally:
        await other.close()


async def test_statistics_tell_what_each_agent_was_offered_and_took(records: Records) -> None:
    all_kinds(records, a_call(records))
    assert await records.drain(10)
    ann, bob = await records.desk.agent_statistics(AT, AT + timedelta(hours=1))
    assert (ann.agent, ann.offered, ann.accepted, ann.declined) == ("ann", 1, 1, 0)
    assert (ann.mean_ring_s, ann.talk_s) == (4.0, 60.0)
    assert ann.seconds_by_state == {"ready": 120.0}
    assert (bob.agent, bob.offered, bob.declined, bob.mean_ring_s) == ("bob", 1, 1, None)
    assert await records.desk.agent_statistics(AT - timedelta(hours=2), AT - after(1)) == []


async def count(queue: CallQueue, figures: KeptFigures, *, taken: int, lost: int) -> None:
    """So many callers at AT who are answered, and so many who come when it is closed."""
    at_s = AT.timestamp()
    for _ in range(taken):
        queue.statistics.offered("main", at_s)
        queue.statistics.answered("main", at_s, waited_s=3.0)
        figures.keep()
    for _ in range(lost):
        queue.statistics.offered("main", at_s)
        queue.statistics.given_up("main", at_s, GiveUpReason.CLOSED, waited_s=7.0)
        figures.keep()


@asynccontextmanager
async def counting(
    database_url: str, spool: Path, *, wait_s: float = 10.0
) -> AsyncGenerator[tuple[Records, CallQueue, KeptFigures]]:
    """One life of a server and its queue."""
    records, queue = await Records.open(database_url, spool, wait_s=wait_s), CallQueue()
    try:
        yield records, queue, KeptFigures(queue.statistics, records.desk, wall=AT.timestamp)
    finally:
        await records.close()


async def test_figures_of_the_queues_outlive_restarts(database_url: str, tmp_path: Path) -> None:
    for life in range(3):
        async with counting(database_url, tmp_path / "spool") as (records, queue, figures):
            await figures.restore()
            assert queue.statistics.total(["main"]).offered == 3 * life
            await count(queue, figures, taken=2, lost=1)
            assert await records.drain(10)
            assert (records.rejected, records.lost) == (0, 0)
    async with counting(database_url, tmp_path / "spool") as (_, queue, figures):
        await figures.restore()
        [(_, counted)] = queue.statistics.intervals("main")
    assert counted == Counters(
        offered=9,
        answered=6,
        answered_in_time=6,
        given_up=Counter({GiveUpReason.CLOSED: 3}),
        waited_s=18.0,
        longest_wait_s=7.0,
    )


async def test_figures_counted_while_the_database_was_away_are_added_to_those_before(
    database_url: str, tmp_path: Path
) -> None:
    async with counting(database_url, tmp_path / "spool") as (records, queue, figures):
        await count(queue, figures, taken=1, lost=0)
        assert await records.drain(10)
    async with counting(NOWHERE, tmp_path / "spool", wait_s=0.1) as (records, queue, figures):
        restoring = asyncio.ensure_future(figures.restore())
        await count(queue, figures, taken=2, lost=0)
        assert not restoring.done()
        restoring.cancel()
    async with counting(database_url, tmp_path / "spool") as (records, queue, figures):
        await figures.restore()
        assert queue.statistics.total(["main"]).answered == 3


async def test_figures_of_another_server_are_its_own(database_url: str, tmp_path: Path) -> None:
    async with counting(database_url, tmp_path / "one") as (records, queue, figures):
        await count(queue, figures, taken=1, lost=0)
        assert await records.drain(10)
    async with counting(database_url, tmp_path / "two") as (_, queue, figures):
        await figures.restore()
        assert queue.statistics.total(["main"]).offered == 0
