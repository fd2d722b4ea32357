"""`./frontdesk loadtest self-test`: what a simulated caller costs, and how many can be driven.

Real generator processes call a far end that costs next to nothing (loadtest/load/far_end.py), more
and more of them at once. What is too slow here is too slow for any server that is to be measured.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from loadtest.load.files import write_text
from loadtest.load.fleet import Fleet, GeneratorError, running_fleet
from loadtest.load.generator import GeneratorSettings
from loadtest.load.generator_figures import LATE_LIMIT_MS
from loadtest.load.records import CallRecord, Pulse
from loadtest.load.run import CACHE
from loadtest.quality import Histogram
from loadtest.scenario import load_scenario

SCENARIO: Final = Path(__file__).with_name("self_test.yaml")
LEVELS: Final = (10, 25, 50, 100, 200)
MEASURE_S: Final = 5.0
_DIAL_S: Final = 0.01  # between two calls: set-ups are not what is measured
_PULSE_S: Final = 1.0  # generators tell once a second
_FAR_END_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestOptions:
    levels: tuple[int, ...] = LEVELS  # calls at once, one after the other, rising
    processes: int = 1
    measure_s: float = MEASURE_S  # at each level
    settle_s: float = 3.0  # before: until calls are up and prompts are known
    cache: Path = CACHE


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelFigures:
    """What so many calls cost; CPU is of all generator processes together."""

    calls: int
    cpu_per_call: float  # share of a core
    reader_cpu_per_call: float  # of that, recognising prompts
    late_p50_ms: float
    late_p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestFigures:
    processes: int
    late_limit_ms: float
    levels: tuple[LevelFigures, ...]

    @property
    def greatest(self) -> int | None:
        """The most calls at which the clock kept its limit; None when it never did."""
        kept = [each.calls for each in self.levels if each.late_p99_ms <= self.late_limit_ms]
        return max(kept, default=None)


def level_figures(calls: int, before: Sequence[Pulse], after: Sequence[Pulse]) -> LevelFigures:
    """What happened between two pulses of each process, in the same order.

    Raises:
        GeneratorError: a process told nothing in between.
    """
    late = Histogram()
    cores = reader_cores = 0.0
    for first, last in zip(before, after, strict=True):
        passed_s = last.at_s - first.at_s
        if passed_s <= 0:
            raise GeneratorError(f"generator {first.process} did not come to tell how it is")
        reader_cores += (last.reader_cpu_s - first.reader_cpu_s) / passed_s
        cores += (last.cpu_s - first.cpu_s) / passed_s
        late.merge(Histogram(last.late).since(Histogram(first.late)))
    return LevelFigures(
        calls=calls,
        cpu_per_call=(cores + reader_cores) / calls,
        reader_cpu_per_call=reader_cores / calls,
        late_p50_ms=late.percentile_ms(50),
        late_p99_ms=late.percentile_ms(99),
    )


class _Watcher:
    """Keeps each process's latest pulse; calls must not end."""

    def __init__(self) -> None:
        self.pulses: dict[int, Pulse] = {}
        self.over: CallRecord | None = None
        self.finished = False

    def call_over(self, record: CallRecord) -> None:
        if not self.finished:
            self.over = record

    def gap(self, number: int, scenario: str, at_s: float, gap_ms: float) -> None:
        """The far end does not answer, so gaps mean nothing."""

    def pulse(self, pulse: Pulse) -> None:
        self.pulses[pulse.process] = pulse

    def latest(self) -> list[Pulse]:
        return [self.pulses[process] for process in sorted(self.pulses)]


async def self_test(options: SelfTestOptions) -> SelfTestFigures:
    """Measure every level.

    Raises:
        GeneratorError: a generator or the far end did not start, or a call broke.
        ScenarioError, VoiceError: nothing can be said.
    """
    prompt = load_scenario(SCENARIO).goal[0]
    watcher = _Watcher()
    levels: list[LevelFigures] = []
    async with (
        _far_end(prompt) as target,
        running_fleet(_settings(options, target), watcher) as fleet,
    ):
        dialled = 0
        for calls in options.levels:
            while dialled < calls:
                fleet.dial(dialled, 0, SCENARIO.stem, time.monotonic())
                dialled += 1
                await asyncio.sleep(_DIAL_S)
            levels.append(await _measure(fleet, watcher, calls, options))
        watcher.finished = True
    return SelfTestFigures(
        processes=options.processes, late_limit_ms=LATE_LIMIT_MS, levels=tuple(levels)
    )


async def _measure(
    fleet: Fleet, watcher: _Watcher, calls: int, options: SelfTestOptions
) -> LevelFigures:
    await asyncio.sleep(options.settle_s + _PULSE_S)
    before = watcher.latest()
    await asyncio.sleep(options.measure_s + _PULSE_S)
    if fleet.failed.done():
        raise GeneratorError(fleet.failed.result())
    if watcher.over is not None:
        raise GeneratorError(f"call {watcher.over.number} ended early: {watcher.over.detail}")
    return level_figures(calls, before, watcher.latest())


def _settings(options: SelfTestOptions, target: str) -> list[GeneratorSettings]:
    return [
        GeneratorSettings(
            process=process,
            target=target,
            scenarios=(str(SCENARIO),),
            cache=str(options.cache.absolute()),
            caller="self-test-",
        )
        for process in range(options.processes)
    ]


@contextlib.asynccontextmanager
async def _far_end(prompt: str) -> AsyncGenerator[str]:
    """The far end as a process; where to call it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest.load.far_end", prompt),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _FAR_END_S)
        if not line:
            raise GeneratorError("the far end did not start; its error is above")
        yield f"sip:self-test@127.0.0.1:{json.loads(line)['port']}"
    except TimeoutError:
        raise GeneratorError(f"the far end was not ready after {_FAR_END_S:.0f} s") from None
    finally:
        process.stdin.close()
        await process.wait()


# --- the command ----------------------------------------------------------------------------------


def parse_levels(text: str) -> tuple[int, ...]:
    """`10,50,100` as numbers of calls.

    Raises:
        GeneratorError: not rising whole numbers above 0.
    """
    try:
        levels = tuple(int(part) for part in text.split(","))
    except ValueError:
        levels = ()
    if not levels or levels[0] < 1 or list(levels) != sorted(set(levels)):
        raise GeneratorError(f"{text!r} are no levels; write rising numbers of calls: 10,50,100")
    return levels


async def run_self_test(options: SelfTestOptions, console: Console, json_file: Path | None) -> int:
    """Measure, show, write the file; the exit status.

    Raises:
        LoadtestError: it could not be measured, or the file not written.
    """
    figures = await self_test(options)
    console.print(_table(figures))
    greatest = figures.greatest
    kept = "at no level" if greatest is None else f"up to {greatest} calls"
    console.print(f"p99 of the callers' lateness kept {figures.late_limit_ms:g} ms {kept}")
    if json_file is not None:
        content = {**asdict(figures), "greatest": greatest}
        await asyncio.to_thread(write_text, json_file, json.dumps(content, indent=2) + "\n")
    return 0


def _table(figures: SelfTestFigures) -> Table:
    table = Table(title=f"Simulated callers over SIP, {figures.processes} generator process(es)")
    for name in ("calls", "CPU per call", "of it recognition", "all calls", "late p50", "late p99"):
        table.add_column(name, justify="right")
    for level in figures.levels:
        table.add_row(
            str(level.calls),
            f"{100 * level.cpu_per_call:.2f}% of a core",
            f"{100 * level.reader_cpu_per_call:.2f}%",
            f"{level.cpu_per_call * level.calls:.2f} cores",
            f"{level.late_p50_ms:.1f} ms",
            f"{level.late_p99_ms:.1f} ms",
        )
    return table
