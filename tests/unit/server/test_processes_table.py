"""Lines that several processes share: limits hold over all, and nothing outlives its process."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import pytest

from server.admission import Admission, Arrival, Cause, Limits
from server.processes.shared_lines import SharedLines
from server.processes.table import Count, LineTable, digest_of

ALICE = Arrival(caller="sip:+15550100@a.example", trunk="192.0.2.1")
BOB = Arrival(caller="sip:+15550101@a.example", trunk="192.0.2.1")
WORKERS = 2


@pytest.fixture
def table() -> Iterator[LineTable]:
    made = LineTable.create(workers=WORKERS, lines=8)
    yield made
    made.close()


def workers(table: LineTable, limits: Limits) -> list[Admission]:
    return [Admission(limits, lines=SharedLines(table, worker)) for worker in range(WORKERS)]


async def test_the_last_line_is_given_once_whoever_asks(table: LineTable):
    first, second = workers(table, Limits(calls=1))
    assert first.claim(ALICE) is None
    assert second.claim(BOB) is Cause.FULL  # although the first has not taken the call yet
    first.enter(ALICE)
    await asyncio.sleep(0)
    assert (table.calls, first.active, second.active) == (1, 1, 0)
    assert second.claim(BOB) is Cause.FULL
    first.leave(ALICE)
    assert second.claim(BOB) is None


async def test_line_that_was_asked_for_and_not_taken_is_free_again(table: LineTable):
    first, second = workers(table, Limits(calls=1))
    assert first.claim(ALICE) is None
    await asyncio.sleep(0)
    assert second.claim(BOB) is None
    second.enter(BOB)
    assert table.calls == 1


async def test_who_only_asks_holds_nothing(table: LineTable):
    first, second = workers(table, Limits(calls=1))
    assert first.refuses(ALICE) is None
    assert second.claim(BOB) is None


async def test_asking_twice_holds_one_line(table: LineTable):
    first, _ = workers(table, Limits(calls=1))
    assert first.claim(ALICE) is None
    assert first.claim(BOB) is None
    first.enter(BOB)
    assert table.calls == 1


async def test_trunk_and_caller_are_limited_over_all_workers(table: LineTable):
    first, second = workers(table, Limits(calls=9, per_trunk=2, per_caller=1))
    assert first.claim(ALICE) is None
    first.enter(ALICE)
    assert second.claim(ALICE) is Cause.CALLER_FULL
    assert second.claim(BOB) is None
    second.enter(BOB)
    carol = Arrival(caller="+15550102", trunk="192.0.2.1")
    assert first.claim(carol) is Cause.TRUNK_FULL
    second.leave(BOB)
    assert first.claim(carol) is None


async def test_calls_leave_in_any_order(table: LineTable):
    (first, _) = workers(table, Limits(calls=8))
    arrivals = [Arrival(caller=f"+1{each}", trunk=f"192.0.2.{each}") for each in range(5)]
    for each in arrivals:
        first.enter(each)
    for each in (arrivals[2], arrivals[0], arrivals[4]):
        first.leave(each)
    kept = [table.of_trunk(digest_of(each.trunk)) for each in arrivals]
    assert (table.calls, kept) == (2, [0, 1, 0, 1, 0])


def test_worker_that_died_keeps_no_line(table: LineTable):
    table.add(1, digest_of("192.0.2.1"), digest_of("+1"))
    table.add(0, 0, 0)
    table.clear(1)
    assert (table.calls, table.of_trunk(digest_of("192.0.2.1"))) == (1, 0)


def test_counts_are_apart_from_calls(table: LineTable):
    table.count(Count.RESTARTS)
    table.set(Count.UP, 7)
    assert (table.counted(Count.RESTARTS), table.counted(Count.UP), table.calls) == (1, 7, 0)


def test_worker_without_a_line_left_says_so(table: LineTable):
    for _ in range(8):
        table.add(0, 0, 0)
    with pytest.raises(ValueError, match="taken"):
        table.add(0, 0, 0)


CLAIMING = """
import asyncio, sys
from server.admission import Admission, Arrival, Limits
from server.processes.shared_lines import SharedLines
from server.processes.table import LineTable

async def main(fd, worker):
    table = LineTable(fd, workers=2, lines=400)
    admission = Admission(Limits(calls=300), lines=SharedLines(table, worker))
    sys.stdin.readline()
    taken = 0
    for each in range(4000):
        if admission.claim(Arrival(trunk="t", caller=str(each))) is None:
            admission.enter(Arrival(trunk="t", caller=str(each)))
            taken += 1
        if each % 50 == 0:
            await asyncio.sleep(0)
    print(taken)

asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
"""


def test_two_processes_that_claim_at_once_never_take_more_than_there_are():
    table = LineTable.create(workers=2, lines=400)
    claiming = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIMING, str(table.fd), str(worker)],
            pass_fds=(table.fd,),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for worker in range(2)
    ]
    for each in claiming:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    taken = [int(each.communicate()[0]) for each in claiming]
    assert sum(taken) == 300
    assert [table.calls_of(worker) for worker in range(2)] == taken
    table.close()


def test_lock_of_a_process_that_is_killed_is_free():
    table = LineTable.create(workers=2, lines=4)
    code = (
        "import sys, time\nfrom server.processes.table import LineTable\n"
        "t = LineTable(int(sys.argv[1]), workers=2, lines=4)\n"
        "with t.locked():\n    print('locked', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(table.fd)],
        pass_fds=(table.fd,),
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"locked\n"
    holder.kill()
    holder.wait()
    holder.stdout.close()
    table.clear(0)  # would wait for ever otherwise
    table.close()
