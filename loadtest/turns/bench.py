"""The suite as a command's work: progress, tables, JSON, and the verdict."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from loadtest.turns.report import CallSummary, TurnsReport, tables, to_json
from loadtest.turns.suite import TurnsOptions, run_turns


async def bench_turns(options: TurnsOptions, console: Console) -> TurnsReport:
    """Run the suite, a line per call and the tables at the end.

    Raises:
        VoiceError, AudioFileError: as `run_turns`.
    """
    console.print(f"{options.calls} calls to {options.target}, {options.parallel} at a time")

    def show(call: CallSummary) -> None:
        verdict = "failed: " if call.failed else ""
        console.print(f"  {call.name}: {call.duration_s:.0f} s, {verdict}{call.ended}")

    report = await run_turns(options, on_call=show)
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
