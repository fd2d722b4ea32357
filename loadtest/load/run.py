"""A load run: the schedule, the generator processes, the server's own figures, and the end.

data = await run_load(options, on_progress=show)
"""

import asyncio
import contextlib
import os
import secrets
import signal
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

from loadtest.impair import Impairment
from loadtest.load.fleet import Fleet, GeneratorError, running_fleet
from loadtest.load.generator import GeneratorSettings
from loadtest.load.mix import Mix
from loadtest.load.records import CallRecord, Fate, Pulse
from loadtest.load.server_side import Sample, ServerAccess, watch
from loadtest.load.slo import Slo, Verdict
from loadtest.shapes import Load, Shape, ShapeOptions, make_load, stage_ends_s
from loadtest.speech import VoiceSettings

_LOOK_S: Final = 0.02  # between looks at the schedule: a call begins at most a frame late
_TELL_S: Final = 0.5
_SAMPLE_S: Final = 2.0
_RECENT_S: Final = 30.0
CACHE: Final = Path("var/loadtest/speech")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    target: str  # sip:… or ws://…
    mix: Mix
    shape: ShapeOptions
    slos: tuple[Slo, ...] = ()
    processes: int = 1
    network: Impairment | None = None
    server: ServerAccess = field(default_factory=ServerAccess)
    agent_voice: VoiceSettings = field(default_factory=VoiceSettings)
    seed: int = 1
    drain_s: float = 60.0  # calls that are up at the end may take that long to finish
    cache: Path = CACHE
    recordings: Path | None = None
    first_number: int = 0


@dataclass(slots=True, kw_only=True)
class RunData:
    """Everything that was seen; times are seconds since the run began."""

    options: RunOptions
    started_at: datetime
    cores: int
    calls: list[CallRecord] = field(default_factory=list[CallRecord])
    pulses: list[Pulse] = field(default_factory=list[Pulse])
    samples: list[Sample] = field(default_factory=list[Sample])
    held_back: int = 0
    length_s: float = 0.0  # calls were begun for so long
    ended: str = ""  # why it ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How the run stands."""

    at_s: float
    length_s: float
    stage: int
    active: int
    dialled: int
    over: int
    fates: dict[Fate, int]
    recent_gaps_ms: tuple[float, ...]  # of the last half minute
    verdicts: tuple[Verdict, ...]


async def run_load(
    options: RunOptions, *, on_progress: Callable[[Progress], None] | None = None
) -> RunData:
    """Run it to its end, to the first broken SLO of a ramp, or to the first Ctrl-C.

    Raises:
        GeneratorError: a generator did not start, or died.
        BadShapeError: the shape makes no load.
        ScenarioError, VoiceError: nothing can be said.
    """
    load = make_load(options.shape, Random(options.seed))
    run = _Run(options, load, on_progress or _unwatched)
    async with (
        running_fleet(_settings(options), run) as fleet,
        _watching(options.server, run.data.samples),
        _interruptible(run.stop),
    ):
        run.begin()
        await run.go_on(fleet)
        await fleet.stop(run.data.ended)
    return run.finish()


def _unwatched(progress: Progress) -> None:
    """Nobody watches."""


def _settings(options: RunOptions) -> list[GeneratorSettings]:
    if options.processes < 1:
        raise GeneratorError("there must be at least one generator process")
    network = options.network
    caller = f"load-{secrets.token_hex(3)}-"
    return [
        GeneratorSettings(
            process=process,
            target=options.target,
            scenarios=tuple(str(part.path.absolute()) for part in options.mix.parts),
            cache=str(options.cache.absolute()),
            caller=caller,
            recordings=str(options.recordings.absolute()) if options.recordings else None,
            agent_voice=asdict(options.agent_voice),
            network=asdict(network) if network is not None else None,
        )
        for process in range(options.processes)
    ]


@contextlib.asynccontextmanager
async def _watching(access: ServerAccess, samples: list[Sample]) -> AsyncGenerator[None]:
    if not access.anywhere:
        yield
        return
    watching = asyncio.create_task(watch(access, samples, every_s=_SAMPLE_S), name="server")
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


@contextlib.asynccontextmanager
async def _interruptible(stop: Callable[[str], None]) -> AsyncGenerator[None]:
    """The first Ctrl-C ends the run in order; the second is the usual one."""
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        stop("interrupted")

    try:
        loop.add_signal_handler(signal.SIGINT, interrupted)
    except (ValueError, RuntimeError):  # not the main thread: nobody presses keys here
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


class _Run:
    def __init__(
        self, options: RunOptions, load: Load, on_progress: Callable[[Progress], None]
    ) -> None:
        self._options, self._load, self._on_progress = options, load, on_progress
        self._random = Random(options.seed + 1)
        self._epoch_s = 0.0
        self._dialled = 0
        self._stop: asyncio.Event = asyncio.Event()
        self._next_tell_s = 0.0
        self._stage_ends_s = stage_ends_s(options.shape)
        self._stage = 0
        self._stage_began_s = 0.0
        self._live: dict[int, CallRecord] = {}  # what is known of calls that are up
        self.data = RunData(
            options=options, started_at=datetime.now(UTC), cores=os.cpu_count() or 1
        )

    @property
    def _now_s(self) -> float:
        return time.monotonic() - self._epoch_s

    def begin(self) -> None:
        self._epoch_s = time.monotonic()

    def stop(self, why: str) -> None:
        """Begin no more calls, and hang up those that are up."""
        self.data.ended = self.data.ended or why
        self._stop.set()

    def call_over(self, record: CallRecord) -> None:
        self._live.pop(record.number, None)
        self.data.calls.append(record.since(self._epoch_s))

    def gap(self, number: int, scenario: str, at_s: float, gap_ms: float) -> None:
        at_s -= self._epoch_s
        before = self._live.get(number)
        self._live[number] = CallRecord(
            number=number,
            scenario=scenario,
            fate=Fate.STOPPED,
            detail="",
            dialled_s=0.0,
            ended_s=at_s,
            gaps=((*before.gaps, (at_s, gap_ms)) if before else ((at_s, gap_ms),)),
        )

    def pulse(self, pulse: Pulse) -> None:
        self.data.pulses.append(replace(pulse, at_s=pulse.at_s - self._epoch_s))

    async def go_on(self, fleet: Fleet) -> None:
        """Dial until the schedule, an SLO or somebody ends it; then let calls finish."""
        while not self._stop.is_set() and not self._load.over(self._now_s):
            self._dial(fleet)
            self._tell(fleet)
            self._judge_stage()
            await self._pause(fleet)
        self.data.length_s = self._now_s
        self.data.held_back = self._load.held_back
        drained_s = self._now_s + self._options.drain_s
        while fleet.active and not self._stop.is_set() and self._now_s < drained_s:
            self._tell(fleet)
            await self._pause(fleet)
        self.data.ended = self.data.ended or "its time was over"

    async def _pause(self, fleet: Fleet) -> None:
        if fleet.failed.done():
            raise GeneratorError(fleet.failed.result())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), _LOOK_S)

    def _dial(self, fleet: Fleet) -> None:
        options = self._options
        for _ in range(self._load.due(self._now_s, fleet.active)):
            scenario = options.mix.draw(self._random)
            name = options.mix.parts[scenario].scenario.name
            number = options.first_number + self._dialled
            fleet.dial(number, scenario, name, time.monotonic())
            self._dialled += 1

    def _judge_stage(self) -> None:
        """A ramp ends with the first stage whose SLOs do not hold."""
        if self._options.shape.shape is not Shape.RAMP:
            return
        if self._now_s < self._stage_ends_s[self._stage]:
            return
        seen = [*self.data.calls, *self._live.values()]
        calls = between(seen, self._stage_began_s, self._stage_ends_s[self._stage])
        broken = [v for slo in self._options.slos if (v := slo.judge(calls)).kept is False]
        if broken:
            what = ", ".join(f"{verdict.name} {verdict.found}" for verdict in broken)
            self.stop(f"stage {self._stage + 1} broke {what}")
            return
        self._stage_began_s = self._stage_ends_s[self._stage]
        self._stage = min(self._stage + 1, len(self._stage_ends_s) - 1)

    def _tell(self, fleet: Fleet) -> None:
        now_s = self._now_s
        if now_s < self._next_tell_s:
            return
        self._next_tell_s = now_s + _TELL_S
        calls = self.data.calls
        fates = dict.fromkeys(Fate, 0)
        for call in calls:
            fates[call.fate] += 1
        self._on_progress(
            Progress(
                at_s=now_s,
                length_s=self._options.shape.length_s,
                stage=self._load.stage(now_s),
                active=fleet.active,
                dialled=self._dialled,
                over=len(calls),
                fates=fates,
                recent_gaps_ms=tuple(
                    gap_ms
                    for call in [*calls[-200:], *self._live.values()]
                    for at_s, gap_ms in call.gaps
                    if at_s > now_s - _RECENT_S
                ),
                verdicts=tuple(slo.judge(calls) for slo in self._options.slos),
            )
        )

    def finish(self) -> RunData:
        data = self.data
        data.calls.sort(key=lambda call: call.number)
        data.samples[:] = [replace(s, at_s=s.at_s - self._epoch_s) for s in data.samples]
        return data


def between(calls: Sequence[CallRecord], start_s: float, end_s: float) -> list[CallRecord]:
    """What of the calls lies in a stretch of time: gaps by when they ended, the rest by the call's.

    A call that did not end in the stretch is there with its gaps alone.
    """
    found: list[CallRecord] = []
    for call in calls:
        gaps = tuple((at_s, gap) for at_s, gap in call.gaps if start_s <= at_s < end_s)
        if start_s <= call.ended_s < end_s:
            found.append(replace(call, gaps=gaps))
        elif gaps:
            found.append(
                replace(
                    call,
                    gaps=gaps,
                    fate=Fate.STOPPED,
                    interruptions_ms=(),
                    quality=None,
                    setup_ms=None,
                    greeting_ms=None,
                    cut_offs=0,
                    wrong_record=False,
                )
            )
    return found


def up_between(calls: Sequence[CallRecord], start_s: float, end_s: float) -> float:
    """How many calls were up, on average, in a stretch of time."""
    together_s = sum(
        max(0.0, min(call.ended_s, end_s) - max(call.answered_s, start_s))
        for call in calls
        if call.answered_s is not None
    )
    return together_s / (end_s - start_s) if end_s > start_s else 0.0
