"""`./frontdesk bench processes`: what several processes keep in memory, and what sharing costs.

Memory is what each process has of its own (USS): what it shares with the one that it was forked
from, and the files that all map, are not counted again for each. The hop is what an utterance of
silence takes through a recogniser in another process, less what it takes here: neither decodes it.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from server.speech import Line

_FOLDER: Final = Path("var/bench/processes")
_MODELS: Final = Path("var/bench/models")
_UTTERANCE_S: Final = 3.0
_ROUNDS: Final = 300
_CONNECTED_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Of one server, idle, in MB."""

    model: str
    shared: bool
    workers: tuple[float, ...]
    recogniser: float | None
    all_together: float  # its parent, and what they are forked from, too


def processes(
    model: Annotated[
        list[str] | None,
        typer.Option(help="Of the catalogue, or tiny, base, small: as large, of random weights."),
    ] = None,
    count: Annotated[int, typer.Option("--processes", help="How many take calls.", min=2)] = 2,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures.")] = None,
) -> None:
    """Memory of several processes, each with its own recogniser or all with one; and the hop."""
    asyncio.run(_bench(model or ["frontdesk-small", "small"], count, json_file))


async def _bench(models: list[str], count: int, json_file: Path | None) -> None:
    from rich.console import Console

    from loadtest.load.files import write_text

    console = Console()
    found: list[Memory] = []
    for model in models:
        for shared in (False, True):
            console.print(f"starting {count} processes, {model}, {_told(shared=shared)}")
            found.append(await _memory(model, count, shared=shared))
    console.print(_table(found))
    here_ms, there_ms = await _hop()
    console.print(
        f"{_UTTERANCE_S:.0f} s of silence, {_ROUNDS} times, median: here {here_ms:.2f} ms,"
        f" in another process {there_ms:.2f} ms, the hop {there_ms - here_ms:.2f} ms"
    )
    if json_file is not None:
        figures = {
            "memory_mb": [asdict(each) for each in found],
            "silence_ms": {"here": here_ms, "shared": there_ms},
        }
        await asyncio.to_thread(write_text, json_file, json.dumps(figures, indent=2) + "\n")


def _told(*, shared: bool) -> str:
    return "one recogniser" if shared else "a recogniser each"


def _table(found: list[Memory]) -> "Table":
    from rich.table import Table

    table = Table("private MB", "", "a process", "the recogniser", "all together")
    for each in found:
        table.add_row(
            each.model,
            _told(shared=each.shared),
            f"{statistics.mean(each.workers):.0f}",
            "-" if each.recogniser is None else f"{each.recogniser:.0f}",
            f"{each.all_together:.0f}",
        )
    return table


# --- memory ---------------------------------------------------------------------------------------


async def _memory(model: str, count: int, *, shared: bool) -> Memory:
    from models.bench.stt import SIZES, model_folder
    from server.stack import fresh_folder, running_stack

    where = model
    if model in SIZES:
        where = str((await asyncio.to_thread(model_folder, model, _MODELS)).absolute())
    folder = fresh_folder(_FOLDER)
    (folder / "server.log").unlink(missing_ok=True)
    settings = {
        "FRONTDESK_SERVE__PROCESSES": str(count),
        "FRONTDESK_HANDOFF__ENABLED": "false",
        "FRONTDESK_SPEECH__STT": where,
        "FRONTDESK_SPEECH__SHARED": json.dumps(shared),
    }
    async with running_stack(folder, on_step=lambda _: None, settings=settings) as stack:
        await asyncio.sleep(2)  # the last of it: garbage, and threads that begin
        recognisers = list(_ready(folder / "server.log", "recogniser"))
        return Memory(
            model=model,
            shared=shared,
            workers=tuple(map(_own_mb, _ready(folder / "server.log", "worker"))),
            recogniser=_own_mb(recognisers[0]) if recognisers else None,
            all_together=sum(map(_own_mb, _tree(stack.server.pid))),
        )


def _ready(log: Path, kind: str) -> Iterator[int]:
    """Process ids, as the parent logs them."""
    for line in log.read_text().splitlines():
        told: dict[str, int] = json.loads(line) if '"process is ready"' in line else {}
        if kind in told:
            yield told["pid"]


def _tree(pid: int) -> Iterator[int]:
    """A process and all that descend from it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _tree(int(child))


def _own_mb(pid: int) -> float:
    """proc(5): smaps_rollup, in kB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024 / 1e6


# --- the hop --------------------------------------------------------------------------------------


async def _hop() -> tuple[float, float]:
    """Medians in milliseconds: with the engine here, and in another process."""
    from models.pool import RecognitionPool
    from server.config import Config
    from server.engines import load_stt
    from server.lifetime import background, closing
    from server.processes.forking import Forking
    from server.processes.recogniser import recogniser_running
    from server.recognition.remote_line import RemoteLine

    config = Config.model_validate({"speech": {"threads": 1}, "log": {"level": "WARNING"}})
    async with AsyncExitStack() as parts:
        folder = parts.enter_context(tempfile.TemporaryDirectory(prefix="frontdesk-"))
        path = Path(folder, "recogniser.sock")
        running = recogniser_running(config, path, Forking(), on_restart=lambda: None)
        await parts.enter_async_context(running)
        here = closing(parts, RecognitionPool(load_stt(config.speech)))
        there = RemoteLine(path)
        await background(parts, there.keep_connected(), "way to the recogniser")
        closing(parts, there)
        async with asyncio.timeout(_CONNECTED_S):
            while not there.connected:  # noqa: ASYNC110  it says so to nobody
                await asyncio.sleep(0.01)
        took: tuple[list[float], list[float]] = [], []
        for _ in range(_ROUNDS):  # side by side: the machine may be busy with something else
            for line, times in zip((here, there), took, strict=True):
                times.append(await _silence_ms(line))
    return statistics.median(took[0]), statistics.median(took[1])


async def _silence_ms(line: "Line") -> float:
    import numpy as np

    from models.request import Request
    from models.speech import RATE_HZ

    request = Request(pcm=np.zeros(round(_UTTERANCE_S * RATE_HZ), dtype=np.int16))
    begun_s = time.perf_counter()
    await asyncio.wrap_future(line.submit(request))
    return 1000 * (time.perf_counter() - begun_s)
