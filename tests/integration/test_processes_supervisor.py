"""Workers that die, do not start, and are asked to stop: real processes, tiny ones."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from server.demo_shop import first_line
from server.errors import StartError
from server.processes.supervisor import Supervisor
from tests.fakes.sip_leg_world import until

READY = 'import time\nprint(\'{"event": "ready"}\', flush=True)\ntime.sleep(60)'
BROKEN = "raise SystemExit(3)"
NONE = ""  # nothing can be started
STUBBORN = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{READY}"


class TinyLife:
    """A child that says that it is ready on its standard output."""

    def __init__(self, worker: int, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self._worker, self._process = worker, process

    async def ready(self) -> Mapping[str, Any]:
        what = f"process {self._worker}"
        return await first_line(self._process, timeout_s=10, what=what, log=None)

    async def wait(self) -> int:
        return await self._process.wait()

    def send_signal(self, number: int) -> None:
        if self._process.returncode is None:
            self._process.send_signal(number)


class TinyStaff:
    """Starts what the test says, and writes down who came and went."""

    def __init__(self, *lives: str) -> None:
        self.lives = list(lives)  # what each process runs, one after the other; then READY
        self.processes: list[asyncio.subprocess.Process] = []
        self.story: list[str] = []
        self.silent: set[int] = set()  # who has said nothing for very long

    async def spawn(self, worker: int) -> TinyLife:
        code = self.lives.pop(0) if self.lives else READY
        if code == NONE:
            raise StartError("no process can be had")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", code), stdout=asyncio.subprocess.PIPE
        )
        self.processes.append(process)
        return TinyLife(worker, process)

    def joined(self, worker: int) -> None:
        self.story.append(f"{worker} joined")

    def silent_s(self, worker: int) -> float:
        return 3_600.0 if worker in self.silent else 0.0

    def left(self, worker: int) -> None:
        self.story.append(f"{worker} left")


@asynccontextmanager
async def supervised(
    *lives: str, workers: int = 2, silent_s: float = 30.0
) -> AsyncGenerator[tuple[Supervisor, TinyStaff]]:
    staff = TinyStaff(*lives)
    supervisor = Supervisor(staff, workers=workers, first_pause_s=0.01, silent_s=silent_s)
    try:
        yield supervisor, staff
    finally:
        await supervisor.kill()
    assert all(process.returncode is not None for process in staff.processes)


async def test_the_first_starts_alone_and_all_join():
    async with supervised(workers=3) as (supervisor, staff):
        assert await supervisor.start() == {"event": "ready"}
        assert staff.story[0] == "0 joined"
        assert sorted(staff.story) == ["0 joined", "1 joined", "2 joined"]


async def test_worker_that_dies_leaves_and_joins_again():
    async with supervised() as (supervisor, staff):
        await supervisor.start()
        staff.processes[1].kill()
        await until(lambda: len(staff.story) == 4)
        assert staff.story[2:] == ["1 left", "1 joined"]
        assert staff.processes[0].returncode is None


async def test_worker_that_cannot_start_again_is_tried_until_it_can():
    async with supervised() as (supervisor, staff):
        await supervisor.start()
        staff.lives = [BROKEN, NONE, BROKEN]
        staff.processes[0].kill()
        await until(lambda: staff.story[-1] == "0 joined" and len(staff.processes) == 5)
        assert staff.story[2:] == ["0 left"] * 4 + ["0 joined"]


async def test_worker_that_does_not_start_at_first_stops_the_start():
    async with supervised(READY, BROKEN) as (supervisor, _):
        with pytest.raises(StartError, match="process 1 ended at once with status 3"):
            await supervisor.start()


async def test_all_are_asked_to_stop_and_none_is_started_again():
    async with supervised() as (supervisor, staff):
        await supervisor.start()
        supervisor.signal(signal.SIGTERM)
        await supervisor.ended(within_s=5)
        assert [process.returncode for process in staff.processes] == [-signal.SIGTERM] * 2


async def test_who_does_not_stop_when_asked_stops_when_killed():
    async with supervised(STUBBORN, workers=1) as (supervisor, staff):
        await supervisor.start()
        supervisor.signal(signal.SIGTERM)
        await supervisor.ended(within_s=0.1)
        assert staff.story == ["0 joined"]
        await supervisor.kill()
        assert staff.story[-1] == "0 left"


async def test_worker_that_hangs_is_killed_and_another_takes_its_place():
    async with supervised(silent_s=0.5) as (supervisor, staff):
        await supervisor.start()
        staff.silent.add(1)
        await until(lambda: "1 left" in staff.story)
        staff.silent.clear()
        await until(lambda: staff.story[-1] == "1 joined")
        assert staff.processes[1].returncode == -signal.SIGKILL
        assert staff.processes[0].returncode is None


async def test_time_in_which_the_machine_stood_still_is_nobodys_silence():
    async with supervised(silent_s=4.0) as (supervisor, staff):
        await supervisor.start()
        staff.silent |= {0, 1}
        await asyncio.sleep(0.1)
        time.sleep(5.0)  # noqa: ASYNC251  we, and all processes with us
        await asyncio.sleep(1.2)  # they are looked at again, and get their time
        assert [process.returncode for process in staff.processes] == [None, None]


async def test_who_is_silent_while_stopping_is_left_to_stop():
    async with supervised(STUBBORN, workers=1, silent_s=0.1) as (supervisor, staff):
        await supervisor.start()
        supervisor.signal(signal.SIGTERM)
        staff.silent.add(0)
        await asyncio.sleep(1.5)
        assert staff.processes[0].returncode is None
