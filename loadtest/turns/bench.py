"""The suite as a command's work: progress, tables, JSON, and the verdict."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console

from loadtest.turns.report import CallSummary, TurnsReport, to_json
from loadtest.turns.suite import TurnsOptions, run_turns
from loadtest.turns.tables import tables


class Run(Protocol):
    """Makes the calls and reports; `on_call` hears of each when it is over."""

    async def __call__(
        self, options: TurnsOptions, *, on_call: Callable[[CallSummary], None]
    ) -> TurnsReport: ...


async def bench_turns(options: TurnsOptions, console: Console) -> TurnsReport:
    """Run the suite over the network, a line per call and the tables at the end.

    Raises:
        VoiceError, AudioFileError: as `run_turns`.
    """
    return await reported(options, console, run_turns)


async def reported(options: TurnsOptions, console: Console, run: Run) -> TurnsReport:
    """Run the suite in one way or another, a line per call and the tables at the end.

    Raises:
        VoiceError, AudioFileError: as `run`.
    """
    console.print(f"{options.calls} calls to {options.target}, {options.parallel} at a time")

    def show(call: CallSummary) -> None:
        verdict = "failed: " if call.failed else ""
        console.print(f"  {call.name}: {call.duration_s:.0f} s, {verdict}{call.ended}")

    report = await run(options, on_call=show)
    console.print(tables(report))
    return report


async def write_json(path: Path, reports: Mapping[str, TurnsReport]) -> None:
    """Write the reports by name, making the file's folder if need be.

    Raises:
        OSError: it cannot be written.
    """

    def write() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(to_json(reports) + "\n", encoding="utf-8")

    await asyncio.to_thread(write)


def verdict(report: TurnsReport, console: Console) -> int:
    """Name every target missed; the exit status of a gate: 1 if there is one."""
    missed: Sequence[str] = [
        f"{target.name}: {target.measured}, wanted {target.target}" for target in report.missed
    ]
    for line in missed:
        console.print(f"missed: {line}")
    return 1 if missed else 0
