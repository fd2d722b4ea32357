"""How many calls at once a server carries: the greatest number within its objectives.

Theory of operation. A probe keeps `calls` conversations up for a while, after they have come in one
by one, and judges what callers got. The number is doubled until a probe breaks an objective, and
the place where it breaks is then narrowed down by halves. A probe whose callers were late
themselves and that kept its objectives all the same counts as kept: lateness only makes gaps
longer.
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from loadtest.load.mix import Mix, mix_of
from loadtest.load.records import rounded
from loadtest.load.run import RunData, RunOptions, between, run_load
from loadtest.load.server_side import ServerAccess
from loadtest.load.slo import Verdict, parse_slo
from loadtest.load.summary import gaps, summarise
from loadtest.shapes import ShapeOptions
from loadtest.statistics import Spread, slope

SCENARIO: Final = "orders_round"
SLOS: Final = ("p95_gap=800ms", "underruns=0", "success=90%", "dropped=0%", "refused=0%")
_GAP: Final = "p95_gap"
_OWN: Final = 1.5  # times its gap with one call: then it has begun to degrade
_ENTER_S: Final = 25.0  # all calls of a probe are up by then: four a second of a hundred
_ENTER_EVERY_S: Final = 0.25
_CLOSE: Final = 0.06  # the search ends when the two sides of the limit are so close
_PER_PROCESS: Final = 40  # callers that a generator process carries with ease


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityOptions:
    seconds: float = 60.0  # of each probe, after its calls have come in
    most_calls: int = 200
    start: int = 4
    processes: int | None = None  # of the generator; by default by the number of calls
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """So many calls at once, and what they got."""

    calls: int
    gap_ms: Spread
    verdicts: tuple[Verdict, ...]
    server_cores: float | None
    cores_per_call: float | None
    memory_mb: float | None
    late_p99_ms: float
    bottleneck: str | None

    @property
    def kept(self) -> bool:
        return not self.broken

    @property
    def broken(self) -> tuple[Verdict, ...]:
        """Objectives that were missed, and the gap where none was heard: silence is no answer."""
        return tuple(
            v for v in self.verdicts if v.kept is False or (v.kept, v.name) == (None, _GAP)
        )

    @property
    def kept_but_for_gap(self) -> bool:
        return all(v.kept is not False for v in self.verdicts if v.name != _GAP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Density:
    """One server's capacity."""

    name: str
    target: str
    within_slo: int  # calls at once within the objectives
    own_limit_ms: float | None  # half as much again as its p95 gap with one call, and the SLO's
    within_own: int  # calls at once under that limit: until it degrades, slow as it may be
    probes: tuple[Probe, ...]

    @property
    def at_best(self) -> Probe | None:
        """The probe at the capacity within the objectives; else at the one before it degrades."""
        wanted = self.within_slo or self.within_own
        return next((probe for probe in self.probes if probe.calls == wanted), None)

    @property
    def limited_by(self) -> str:
        """What the fewest calls broke that are more than it carries, in words."""
        broken = [
            probe for probe in self.probes if not probe.kept and probe.calls > self.within_slo
        ]
        first = min(broken, key=lambda probe: probe.calls, default=None)
        if first is None:
            return f"nothing up to {self.within_slo}"
        what = ", ".join(f"{v.name} {v.found}" for v in first.broken)
        late = first.bottleneck
        doubted = f", where its callers were the bottleneck: {late}" if late is not None else ""
        return f"{what} at {first.calls}{doubted}"


async def greatest(
    holds: Callable[[int], Awaitable[bool]], *, start: int, most: int, close: float = _CLOSE
) -> int:
    """The greatest number from 1 to `most` for which `holds`, if it holds for all below; 0 if none.

    Numbers closer than `close` times themselves are not told apart.
    """
    good, bad = 0, most + 1
    number = min(start, most)
    while number < bad:
        if await holds(number):
            good, number = number, min(number * 2, most)
            if good == most:
                return most
        else:
            bad = number
    while bad - good > max(1, math.floor(close * good)):
        middle = (good + bad) // 2
        if await holds(middle):
            good = middle
        else:
            bad = middle
    return good


async def measure_density(
    name: str,
    target: str,
    server: ServerAccess,
    options: DensityOptions,
    *,
    on_probe: Callable[[Probe], None],
) -> Density:
    """Search the capacity of the server at `target`.

    Raises:
        GeneratorError, ScenarioError, VoiceError: the callers could not be started.
    """
    prober = _Prober(target, server, options, on_probe)
    single = await prober.probe(1)
    within_slo = await greatest(prober.keeps, start=options.start, most=options.most_calls)
    prober.own_limit_ms = own_limit_ms(single)
    within_own = await greatest(prober.keeps_own, start=options.start, most=options.most_calls)
    return Density(
        name=name,
        target=target,
        within_slo=within_slo,
        own_limit_ms=prober.own_limit_ms,
        within_own=max(within_own, within_slo),
        probes=tuple(sorted(prober.probes.values(), key=lambda probe: probe.calls)),
    )


def own_limit_ms(single: Probe) -> float | None:
    """From which p95 gap on a server is slower than by itself; None when it never answered."""
    if single.gap_ms.p95 is None:
        return None
    return max(parse_slo(SLOS[0]).limit, _OWN * single.gap_ms.p95)


class _Prober:
    """Probes each number once."""

    def __init__(
        self,
        target: str,
        server: ServerAccess,
        options: DensityOptions,
        on_probe: Callable[[Probe], None],
    ) -> None:
        self._target, self._server, self._options = target, server, options
        self._on_probe = on_probe
        self._mix: Mix = mix_of([SCENARIO])
        self._numbered = 0
        self.probes: dict[int, Probe] = {}
        self.own_limit_ms: float | None = None

    async def keeps(self, calls: int) -> bool:
        return (await self.probe(calls)).kept

    async def keeps_own(self, calls: int) -> bool:
        probe, limit_ms = await self.probe(calls), self.own_limit_ms
        p95 = probe.gap_ms.p95
        in_time = p95 is not None and limit_ms is not None and p95 <= limit_ms
        return in_time and probe.kept_but_for_gap

    async def probe(self, calls: int) -> Probe:
        if calls not in self.probes:
            self.probes[calls] = probe = await self._run(calls)
            self._on_probe(probe)
        return self.probes[calls]

    async def _run(self, calls: int) -> Probe:
        options = self._options
        enter_every_s = min(_ENTER_EVERY_S, _ENTER_S / calls)
        enter_s = calls * enter_every_s
        data = await run_load(
            RunOptions(
                target=self._target,
                mix=self._mix,
                shape=ShapeOptions(
                    calls=calls,
                    duration_s=enter_s + options.seconds,
                    enter_every_s=enter_every_s,
                ),
                processes=options.processes or math.ceil(calls / _PER_PROCESS),
                server=self._server,
                seed=options.seed,
                drain_s=0.0,
                first_number=self._numbered,
            )
        )
        self._numbered += len(data.calls)
        return probe_of(calls, data, enter_s)


def probe_of(calls: int, data: RunData, enter_s: float) -> Probe:
    """What a probe's run says, from when all its calls were up until the first hung up."""
    steady = between(data.calls, enter_s, data.length_s)
    cpu = [(each.at_s, each.cpu_s) for each in data.samples if each.cpu_s is not None]
    cores = slope(cpu, enter_s, data.length_s)
    summary = summarise(replace(data, calls=data.calls))
    return Probe(
        calls=calls,
        gap_ms=gaps(steady),
        verdicts=tuple(parse_slo(text).judge(steady) for text in SLOS),
        server_cores=cores,
        cores_per_call=None if cores is None else cores / calls,
        memory_mb=summary.server.memory_most_mb,
        late_p99_ms=summary.generator.late_p99_ms,
        bottleneck=summary.generator.bottleneck,
    )


# --- side by side ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityTarget:
    """What frontdesk must reach."""

    name: str
    wanted: str
    measured: str
    met: bool


def ratio(first: float | None, second: float | None) -> float | None:
    """first / second; None when either is missing or nothing."""
    return first / second if first and second else None


def targets(
    found: Sequence[Density], *, least_calls: int, least_ratio: float
) -> list[DensityTarget]:
    """The gate: the first of `found` is frontdesk, the others are its peers."""
    ours = found[0]
    rows = [
        DensityTarget(
            name=f"{ours.name}: calls within the objectives",
            wanted=f"≥ {least_calls}",
            measured=str(ours.within_slo),
            met=ours.within_slo >= least_calls,
        )
    ]
    for peer in found[1:]:
        # A peer that never keeps the objectives is compared where it has not yet degraded.
        theirs = peer.within_slo or peer.within_own
        times = ratio(ours.within_slo, theirs)
        rows.append(
            DensityTarget(
                name=f"{ours.name} against {peer.name}",
                wanted=f"≥ {least_ratio:g}×",
                measured="–" if times is None else f"{times:.1f}× ({ours.within_slo}:{theirs})",
                met=times is not None and times >= least_ratio,
            )
        )
    return rows


def to_json(found: Sequence[Density], rows: Sequence[DensityTarget]) -> dict[str, Any]:
    """The whole measurement as plain data."""
    return rounded(
        {
            "schema": "frontdesk.density",
            "version": 1,
            "slos": list(SLOS),
            "servers": [asdict(each) | {"limited_by": each.limited_by} for each in found],
            "targets": [asdict(row) for row in rows],
        }
    )
