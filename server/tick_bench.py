"""`./frontdesk bench tick`: what the media tick costs a call, and how evenly its packets leave."""

import asyncio
import base64
import gc
import json
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import numpy as np
import typer

from server.demo_shop import first_line, start_child, stop_child
from server.errors import StartError
from server.recording import NoRecorder, StereoRecorder
from server.tick_calls import CallState, open_calls
from voice.codec import Codec, encode
from voice.comfort import ComfortNoise
from voice.frames import FRAME_SAMPLES, RATE_HZ, Pcm

if TYPE_CHECKING:
    from rich.console import Console

    from telephony.media_clock import MediaClock
    from voice.ports import Recorder

_FOLDER: Final = Path("var/bench/tick")
_MOST_US: Final = 60.0  # per silent call and tick: 0.3% of a core
_MOST_JITTER_MS: Final = 5.0  # p99, of silent calls
_SETTLE_S: Final = 3.0  # detectors and echo guards have seen some speech, buffers have their depth
_START_S: Final = 30.0
_QUIET_DBFS: Final = -68.0  # a quiet room at the caller's
_TEXT: Final = (
    "Your order left our warehouse on Tuesday, and it should arrive at the address you gave us "
    "within two days, unless the weather keeps our drivers away. Shall I read the address again?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TickCost:
    """So many calls in one state, for some seconds of real time.

    Of several processes the worst figure of any; only what a call costs is their mean.
    """

    state: CallState
    calls: int
    processes: int
    us_per_call: float  # CPU of the serving thread within ticks, per call and tick
    tick_ms_p50: float  # the same, per tick
    tick_ms_p99: float
    outside_ms: float  # CPU of the serving thread between ticks, per tick
    late_ms_p99: float  # of the ticks' beginnings
    jitter_ms_p50: float  # |time between two packets of a call - 20 ms|, stamped by the kernel
    jitter_ms_p99: float
    packets: int
    callers_late_ms_p99: float  # the callers' own: over a few ms the figures are theirs

    @property
    def missed(self) -> str | None:
        """Which target, with figures; only calls in which nobody speaks have one."""
        if self.state is not CallState.SILENT:
            return None
        if self.us_per_call > _MOST_US:
            return f"{self.us_per_call:.1f} µs per call and tick, wanted ≤ {_MOST_US:.0f}"
        if self.jitter_ms_p99 > _MOST_JITTER_MS:
            return f"send jitter p99 {self.jitter_ms_p99:.1f} ms, wanted ≤ {_MOST_JITTER_MS:.0f}"
        return None


def tick(
    calls: Annotated[
        list[int] | None, typer.Option("--calls", help="How many [default: 100 and 500].")
    ] = None,
    state: Annotated[
        list[CallState] | None, typer.Option("--state", help="Only these; may be repeated.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Measured, of each.", min=1.0)] = 5.0,
    processes: Annotated[
        int, typer.Option("--processes", help="That share the calls, all at once.", min=1)
    ] = 1,
    record: Annotated[bool, typer.Option("--record", help="Record every call, too.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures.")] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit 1 if a target is missed.")] = False,
) -> None:
    """CPU per call and 20 ms tick by what sounds, and how evenly packets leave.

    Each call has its own socket and a caller in another process, in real time. 500 calls are
    silent unless --state says otherwise.
    """
    from rich.console import Console

    if record and processes > 1:
        raise typer.BadParameter("--record is for one process")
    console, wanted = Console(), _wanted(calls, state)
    if processes > 1:
        rows = asyncio.run(_measure_together(wanted, seconds, processes, console))
    else:
        folder = _FOLDER if record else None
        rows = asyncio.run(_measure(wanted, seconds, console, folder=folder))
    console.print(_table(rows))
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    missed = [(row, why) for row in rows if (why := row.missed) is not None]
    for row, why in missed:
        console.print(f"missed: {row.calls} calls, {row.state}: {why}")
    if gate and missed:
        raise typer.Exit(1)


def _wanted(
    calls: Sequence[int] | None, states: Sequence[CallState] | None
) -> list[tuple[int, CallState]]:
    if calls is None and states is None:
        return [*((100, state) for state in CallState), (500, CallState.SILENT)]
    return [(count, state) for count in calls or (100, 500) for state in states or tuple(CallState)]


async def _measure(
    wanted: Sequence[tuple[int, CallState]],
    seconds: float,
    console: "Console",
    *,
    folder: Path | None,
) -> list[TickCost]:
    from models.tts import open_voice
    from server.kept_memory import keep_freed_memory
    from server.precedence import take_precedence

    speech = open_voice("espeak").render(_TEXT).pcm
    speech = speech[: len(speech) // FRAME_SAMPLES * FRAME_SAMPLES]
    take_precedence()
    keep_freed_memory()
    rows: list[TickCost] = []
    for count, state in wanted:
        console.print(f"{count} calls, {state}")
        with ThreadPoolExecutor(1, "recordings") as writer:

            def recorder(number: int, writer: ThreadPoolExecutor = writer) -> "Recorder":
                if folder is None:
                    return NoRecorder()
                return StereoRecorder(folder / f"{number}.wav", writer)

            rows.append(await _cost(state, count, seconds, speech, recorder))
    return rows


async def _measure_together(
    wanted: Sequence[tuple[int, CallState]], seconds: float, processes: int, console: "Console"
) -> list[TickCost]:
    """Each row by so many processes that run this bench at once, with their share of the calls."""
    rows: list[TickCost] = []
    for count, state in wanted:
        console.print(f"{count} calls, {state}, in {processes} processes")
        shares = [(count + number) // processes for number in range(processes)]
        costs = await asyncio.gather(*(_cost_elsewhere(state, n, seconds) for n in shares if n))
        rows.append(_together(costs))
    return rows


async def _cost_elsewhere(state: CallState, count: int, seconds: float) -> TickCost:
    """In a process of its own.

    Raises:
        StartError: it failed; it has said why.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "row.json")
        asked = ("--calls", str(count), "--state", str(state), "--seconds", str(seconds))
        process = await start_child(
            ("-m", "server.cli", "bench", "tick", *asked, "--json", str(found)),
            log=None,
            environment={},
        )
        try:
            await process.communicate()
            if process.returncode != 0:
                raise StartError(f"a process with {count} calls ended with {process.returncode}")
            (row,) = cast(
                "list[dict[str, Any]]", json.loads(await asyncio.to_thread(found.read_text))
            )
        finally:
            await stop_child(process)
    return TickCost(state=CallState(row.pop("state")), **row)


def _together(costs: Sequence[TickCost]) -> TickCost:
    calls = sum(cost.calls for cost in costs)
    worst = {
        name: max(getattr(cost, name) for cost in costs)
        for name in asdict(costs[0])
        if name.endswith(("_p50", "_p99", "outside_ms"))
    }
    return replace(
        costs[0],
        calls=calls,
        processes=sum(cost.processes for cost in costs),
        us_per_call=round(sum(cost.us_per_call * cost.calls for cost in costs) / calls, 2),
        packets=sum(cost.packets for cost in costs),
        **worst,
    )


async def _cost(
    state: CallState, count: int, seconds: float, speech: Pcm, recorder: "Callable[[int], Recorder]"
) -> TickCost:
    """Run them in real time and measure the last `seconds`."""
    from models.vad import SileroVad
    from telephony.media_clock import Lateness, MediaClock
    from telephony.rtp.exchange import RtpExchange
    from voice.plane import MediaPlane

    vad, clock = SileroVad(), MediaClock()
    plane, exchange = MediaPlane(vad), RtpExchange(pace=clock)
    said = np.tile(speech, 1 + round((seconds + 2 * _SETTLE_S) * RATE_HZ) // len(speech))
    async with AsyncExitStack() as parts:
        callers = await parts.enter_async_context(_Callers.calling(count))
        sessions, ports = await open_calls(
            state, callers.ports, vad, plane.echo_guards, said, recorder, exchange
        )
        gc.collect()
        gc.freeze()
        running = [asyncio.create_task(session.run()) for session in sessions]
        for session in sessions:
            plane.add(session)
        meter = _Meter(clock)
        for step in (meter.tick, exchange.take_in, plane.tick, exchange.send_out, plane.reflect):
            clock.add(step)
        await callers.call(ports, speech if state.caller_talks else _quiet_room())
        await clock.start()
        await asyncio.sleep(_SETTLE_S)
        callers.measure()
        meter.forget()
        clock.lateness, thread_s = Lateness(), time.thread_time()
        await asyncio.sleep(seconds)
        thread_s = time.thread_time() - thread_s
        ticks, late_ms = clock.lateness.ticks, clock.lateness.p99_ms
        costs_ms = [cost_s * 1000 for cost_s in meter.costs_s]
        found = await callers.result()
        await clock.stop()
        for session in sessions:
            session.end("bench_over")
        await asyncio.wait(running)
        gc.unfreeze()
    p50, p99 = np.percentile(costs_ms, (50, 99)).tolist()
    return TickCost(
        state=state,
        calls=count,
        processes=1,
        us_per_call=round(sum(costs_ms) / len(costs_ms) / count * 1000, 2),
        tick_ms_p50=round(p50, 2),
        tick_ms_p99=round(p99, 2),
        outside_ms=round((thread_s * 1000 - sum(costs_ms)) / max(ticks, 1), 2),
        late_ms_p99=round(late_ms, 2),
        jitter_ms_p50=found["jitter_ms"]["p50"],
        jitter_ms_p99=found["jitter_ms"]["p99"],
        packets=found["packets"],
        callers_late_ms_p99=found["own_late_ms"]["p99"],
    )


class _Meter:
    """CPU of the serving thread, per tick, with the packets that were held; the first to tick."""

    def __init__(self, clock: "MediaClock") -> None:
        self._clock, self._before_s = clock, clock.cpu_s
        self.costs_s: list[float] = []

    def tick(self, now_s: float) -> None:
        """Another tick begins: the one before is over."""
        before_s, self._before_s = self._before_s, self._clock.cpu_s
        self.costs_s.append(self._before_s - before_s)

    def forget(self) -> None:
        self.costs_s = []


class _Callers:
    """The process of loadtest/rtp_callers.py."""

    def __init__(self, process: asyncio.subprocess.Process, ports: list[int]) -> None:
        self._process = process
        self.ports = ports

    @classmethod
    @asynccontextmanager
    async def calling(cls, count: int) -> "AsyncGenerator[_Callers, None]":
        """Start them; stop them at the end.

        Raises:
            StartError: they did not come up.
        """
        process = await start_child(
            ("-m", "loadtest.rtp_callers", str(count)),
            log=None,
            environment={},
            stdin=asyncio.subprocess.PIPE,
        )
        try:
            ready = await first_line(process, timeout_s=_START_S, what="the callers", log=None)
            if "failed" in ready:
                raise StartError(f"the callers did not come up: {ready['failed']}")
            yield cls(process, cast("list[int]", ready["ports"]))
        finally:
            await stop_child(process)

    async def call(self, ports: Sequence[int], says: Pcm) -> None:
        """Send this to these ports, over and over; int16, shape (n,)."""
        octets = base64.b64encode(encode(Codec.PCMU, says)).decode()
        self._tell({"ports": list(ports), "octets": octets})
        assert self._process.stdin is not None
        await self._process.stdin.drain()

    def measure(self) -> None:
        """What came until now does not count."""
        self._tell({"measure": True})

    async def result(self) -> dict[str, Any]:
        """End the calls; what came of them."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return dict(
            await first_line(self._process, timeout_s=_START_S, what="the callers", log=None)
        )

    def _tell(self, wish: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wish).encode() + b"\n")


def _quiet_room() -> Pcm:
    """Four seconds of it."""
    noise = ComfortNoise(level_dbfs=_QUIET_DBFS, seed=1)
    return np.concatenate([noise.pop() for _ in range(200)])


def _table(rows: Sequence[TickCost]) -> object:
    from rich.table import Table

    table = Table(
        *("calls", "in", "state", "µs each", "tick p50", "p99", "late p99"),
        *("jitter p50", "p99", "callers"),
        caption="CPU per call and tick; CPU of a tick; how late ticks began; send jitter, and how "
        "late its observers were",
    )
    for row in rows:
        table.add_row(
            *(str(row.calls), str(row.processes), row.state, f"{row.us_per_call:.1f}"),
            *(
                f"{row.tick_ms_p50:.1f} ms",
                f"{row.tick_ms_p99:.1f} ms",
                f"{row.late_ms_p99:.1f} ms",
            ),
            *(f"{row.jitter_ms_p50:.1f} ms", f"{row.jitter_ms_p99:.1f} ms"),
            f"{row.callers_late_ms_p99:.1f} ms",
        )
    return table
