"""A whole load run: a generator process, real calls, the report and its status."""

import asyncio
import json
from pathlib import Path

from rich.console import Console

from loadtest.clock import MediaClock
from loadtest.impair import Impairment
from loadtest.impair_tcp import ImpairedStream
from loadtest.load.command import EXIT_BOTTLENECK, run_and_report
from loadtest.load.files import read_run
from loadtest.load.mix import mix_of
from loadtest.load.records import Fate
from loadtest.load.run import RunOptions, run_load
from loadtest.load.slo import parse_slo
from loadtest.shapes import ShapeOptions
from tests.fakes.scripted_desk import GOODBYE, ScriptedFrontdesk


def short_scenario(folder: Path) -> str:
    path = folder / "short.yaml"
    path.write_text("answers: [{hears: Goodbye, hangup_s: 3}]\ngoal: Goodbye\n", encoding="utf-8")
    return str(path)


def options(folder: Path, target: str) -> RunOptions:
    return RunOptions(
        target=target,
        mix=mix_of([short_scenario(folder)]),
        shape=ShapeOptions(calls=1, duration_s=0.5),
        slos=(parse_slo("success=100%"), parse_slo("refused=0%")),
        drain_s=20,
        cache=folder / "speech",
    )


async def test_run_makes_calls_and_writes_its_reports(tmp_path: Path):
    report, page = tmp_path / "run.json", tmp_path / "run.html"
    async with ScriptedFrontdesk([GOODBYE]) as desk:
        status = await run_and_report(
            options(tmp_path, desk.target), Console(quiet=True), json_file=report, html_file=page
        )
    assert status in {0, EXIT_BOTTLENECK}  # a busy machine makes the callers late
    run = read_run(report)
    assert [call.fate for call in run.calls] == [Fate.SUCCEEDED]
    assert run.calls[0].quality is not None
    assert run.calls[0].quality.loss == 0
    assert run.summary["outcomes"]["success"] == 1
    assert run.summary["generator"]["processes"] == 1
    assert "Load test" in page.read_text(encoding="utf-8")


async def test_refused_calls_are_in_the_report_and_the_run_goes_on(tmp_path: Path):
    data = await run_load(options(tmp_path, "sip:desk@127.0.0.1:9"))
    assert data.calls
    assert {call.fate for call in data.calls} == {Fate.UNREACHABLE}
    json.dumps([call.to_dict() for call in data.calls])


async def test_clock_ticks_its_members_in_phases_and_stops_without_them():
    clock, ticks = MediaClock(), {"one": 0, "two": 0}
    done = asyncio.Event()

    def one(late_s: float) -> None:
        ticks["one"] += 1

    def two(late_s: float) -> None:
        ticks["two"] += 1
        if ticks["two"] == 5:
            clock.leave(two)
            clock.leave(one)
            done.set()

    first_s = clock.join(one)
    assert clock.join(two) != first_s  # not in step
    async with asyncio.timeout(5):
        await done.wait()
    assert 5 <= ticks["one"] <= 6
    assert clock.members == 0
    assert clock.lateness.count >= 10


async def test_failing_call_does_not_stop_the_others_clock():
    clock, done = MediaClock(), asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)

    def broken(late_s: float) -> None:
        raise RuntimeError

    clock.join(broken)
    clock.join(lambda late_s: done.set())
    async with asyncio.timeout(5):
        await done.wait()
    assert clock.members == 1


async def test_slow_stream_delays_what_goes_out_and_nothing_that_comes_back():
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1_000):
            writer.write(data.upper())
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    remote = server.sockets[0].getsockname()
    loop = asyncio.get_running_loop()
    async with ImpairedStream.open(remote, Impairment(delay_s=0.2)) as proxy:
        reader, writer = await asyncio.open_connection(*proxy.address)
        began_s = loop.time()
        writer.write(b"abc")
        assert await reader.readexactly(3) == b"ABC"
        assert loop.time() - began_s >= 0.2
        writer.write(b"def")
        assert await reader.readexactly(3) == b"DEF"
        writer.close()
    server.close()
