"""A run in the terminal: live while it goes on, tables at its end."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table

from loadtest.load.generator_figures import GeneratorFigures
from loadtest.load.overload_figures import OverloadFigures, PhaseFigures
from loadtest.load.records import Fate
from loadtest.load.run import Progress
from loadtest.load.server_figures import ServerFigures
from loadtest.load.slo import Verdict
from loadtest.load.spike_figures import SpikeFigures
from loadtest.load.summary import Audio, Row, Summary
from loadtest.shapes import Shape
from loadtest.statistics import Spread, percentile

_VERDICT = {True: "kept", False: "[bold red]BROKEN[/]", None: "–"}


def live(progress: Progress) -> RenderableType:
    """The run as it stands."""
    grid = Table.grid(padding=(0, 2))
    length_s = max(progress.length_s, progress.at_s)
    grid.add_row(
        "time",
        f"{progress.at_s:.0f} of {progress.length_s:.0f} s",
        ProgressBar(total=length_s, completed=progress.at_s, width=40),
    )
    fates = ", ".join(f"{n} {fate.value}" for fate, n in progress.fates.items() if n)
    grid.add_row("calls", f"{progress.active} up", f"{progress.over} over: {fates or '–'}")
    recent = progress.recent_gaps_ms
    grid.add_row(
        "gap, 30 s",
        f"p50 {ms(percentile(recent, 50))}",
        f"p95 {ms(percentile(recent, 95))}  p99 {ms(percentile(recent, 99))}  of {len(recent)}",
    )
    for verdict in progress.verdicts:
        grid.add_row(verdict.name, verdict.found, f"{verdict.wanted}  {_VERDICT[verdict.kept]}")
    return grid


def tables(summary: Summary) -> Group:
    """The report for a terminal."""
    parts: list[RenderableType] = [
        _table(
            f"{summary.most_calls} calls at most to {summary.target}, {summary.shape}, "
            f"{summary.length_s:.0f} s: {summary.ended}",
            ("count", "p50", "p95", "p99", "most"),
            [
                ("gap", *_spread(summary.gap_ms)),
                ("interruption to silence", *_spread(summary.interruption_ms)),
                ("set-up", *_spread(summary.setup_ms)),
                ("greeting", *_spread(summary.greeting_ms)),
                ("jitter, worst of a call", *_spread(summary.audio.jitter_ms)),
                ("packet lateness, p99 of a call", *_spread(summary.audio.lateness_ms)),
            ],
        ),
        _rows("scenarios: calls, gap", summary.scenarios),
    ]
    if len(summary.levels) > 1:
        parts.append(_rows("calls up at once: calls, gap", summary.levels))
    if summary.overload is not None:
        rows = overload_rows(summary.overload)
        parts.append(_table("what it carries, and more", OVERLOAD_COLUMNS, rows))
    parts += [_pairs("figures", _figures(summary)), verdicts(summary.verdicts)]
    return Group(*parts)


def verdicts(found: Sequence[Verdict]) -> Table:
    """The SLOs and how they fared."""
    return _table(
        "objectives",
        ("wanted", "measured", ""),
        [(each.name, each.wanted, each.found, _VERDICT[each.kept]) for each in found],
    )


def _doubted(audio: Audio) -> str:
    return f", {audio.held_up} of them while the callers' own clock stood still" * bool(
        audio.held_up
    )


def _figures(summary: Summary) -> Iterable[tuple[str, str]]:
    outcomes, audio = summary.outcomes, summary.audio
    generator, server = summary.generator, summary.server
    fates = ", ".join(f"{number} {fate}" for fate, number in outcomes.fates.items() if number)
    yield "calls", f"{outcomes.dialled} dialled: {fates or 'none'}"
    if summary.shape == Shape.RAMP:
        yield "the knee", knee(summary.levels)
    if summary.spike is not None:
        yield "the spike", spiked(summary.spike)
    yield "success, containment", f"{share(outcomes.success)}, {share(outcomes.containment)}"
    yield "wrong records, asked twice", f"{outcomes.wrong_records}, {outcomes.asked_twice}"
    yield "cut off while speaking", f"{outcomes.cut_offs}"
    yield "underruns", f"{audio.underruns} in {audio.calls_with_underruns} calls{_doubted(audio)}"
    yield "packets lost, server to caller", share(audio.loss, 2)
    yield "MOS, median and 95% of calls", f"{number(audio.mos.p50)}, {number(audio.mos_p5)}"
    yield "server CPU per call-minute", number(server.cpu_s_per_call_minute, "s", 2)
    yield from _server_inside(server)
    yield (
        "server memory",
        f"{number(server.memory_start_mb, 'MB', 0)} at the start, "
        f"{number(server.memory_most_mb, 'MB', 0)} at most, "
        f"{number(server.mb_per_call, 'MB')} a call",
    )
    yield from held(server)
    yield (
        "callers' clock late",
        (f"p50 {generator.late_p50_ms:.1f} ms, p99 {generator.late_p99_ms:.1f} ms"),
    )
    yield (
        "callers' CPU",
        (
            f"{generator.cpu_s:.1f} s in {generator.processes} processes, the busiest took "
            f"{share(generator.busiest, 0)} of a core"
        ),
    )
    yield "taken by the machine's host", stolen(generator)


def _server_inside(server: ServerFigures) -> Iterable[tuple[str, str]]:
    """What only a server that exports it shows."""
    for name, spent_s in sorted(server.cpu_parts.items(), key=lambda part: -part[1]):
        yield f"  of it {name}", number(spent_s, "s", 3)
    if server.ticks:
        yield "server's ticks late", late_ticks(server)
    if server.together is not None:
        yield (
            "utterances in line, decoded together",
            f"{number(server.waiting_most, places=0)} at most, {server.together:.2f} on average",
        )


def spiked(spike: SpikeFigures) -> str:
    """What those who were in noticed of a spike."""
    before, during = ms(spike.before_ms.p95), ms(spike.during_ms.p95)
    return (
        f"gap p95 {before} before, {during} in it ({number(spike.ratio, places=2)}×); "
        f"{spike.refused} refused, {spike.dropped} dropped"
    )


def knee(stages: Sequence[Row]) -> str:
    """The last stage of a ramp that kept every objective, and the first that did not."""
    broken = next((at for at, stage in enumerate(stages) if stage.kept is False), len(stages))
    kept, over = stages[:broken], stages[broken:]
    last = f"{kept[-1].name} calls at p95 {ms(kept[-1].gap_ms.p95)}" if kept else "below the first"
    return f"{last}; {f'broken at {over[0].name}' if over else 'not reached'}"


OVERLOAD_COLUMNS: Final = ("nominal", "overload")


def overload_rows(overload: OverloadFigures) -> list[tuple[str, str, str]]:
    """The two loads side by side, and what is judged of them."""
    phases = overload.nominal, overload.crowd

    def row(name: str, of: Callable[[PhaseFigures], str]) -> tuple[str, str, str]:
        nominal, crowd = map(of, phases)
        return name, nominal, crowd

    return [
        row("calls offered", lambda p: f"{p.offered}, {p.offered_per_s:.2f} a second"),
        row("admitted", lambda p: f"{p.admitted}"),
        row("refused", lambda p: f"{p.refused}"),
        row("neither taken nor refused", lambda p: f"{p.unanswered}"),
        row("dropped", lambda p: f"{p.dropped}"),
        row("up at once, mean", lambda p: f"{p.up:.1f}"),
        row("gap p50", lambda p: ms(p.gap_ms.p50)),
        row("gap p95", lambda p: ms(p.gap_ms.p95)),
        row("success", lambda p: share(p.success)),
        ("refused after, p50 and p95", "", _two(overload.refused_after_ms)),
        ("gap p95 against nominal", "", number(overload.ratio, "×")),
    ]


def _two(spread: Spread) -> str:
    return f"{ms(spread.p50)}, {ms(spread.p95)}"


def held(server: ServerFigures) -> Iterable[tuple[str, str]]:
    """What the server held early and late in the run: what only grows is a leak."""
    for each in server.held:
        places = 0 if each.unit else 1
        both = f"{number(each.early, each.unit, places)}, {number(each.late, each.unit, places)}"
        yield f"{each.name}, 2nd and last quarter", f"{both}{' GREW' if each.grew else ''}"


def stolen(generator: GeneratorFigures) -> str:
    """What the callers' machine was denied: some of the lateness in a run is that."""
    if generator.stolen_s is None:
        return "–"
    most = number(generator.stolen_most_s, "s", 2)
    return f"{number(generator.stolen_s, 's', 2)} of its cores, {most} within a second at most"


def late_ticks(server: ServerFigures) -> str:
    """How many of the media clock's ticks were late, and by how much."""
    late = ", ".join(f"{count:.0f} by over {over}" for over, count in server.late_ticks.items())
    return f"of {server.ticks}: {late or 'none'}; {server.ticks_left_out} left out"


def _rows(title: str, rows: Sequence[Row]) -> Table:
    return _table(
        title,
        ("calls", "p50 ms", "p95", "p99", "success", "twice", "wrong", "drop", "holes"),
        [
            (
                row.name,
                str(row.answered),
                *(_bare(row.gap_ms.p50), _bare(row.gap_ms.p95), _bare(row.gap_ms.p99)),
                share(row.success),
                *(str(row.asked_twice), str(row.wrong_records)),
                *(str(row.dropped), str(row.underruns)),
            )
            for row in rows
        ],
    )


def _bare(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _pairs(title: str, pairs: Iterable[tuple[str, str]]) -> Table:
    return _table(title, ("",), list(pairs))


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,  # eight columns fit the 80 of a log
        pad_edge=False,
    )
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*row)
    return table


def _spread(spread: Spread) -> tuple[str, str, str, str, str]:
    return (
        str(spread.count),
        *(ms(spread.p50), ms(spread.p95), ms(spread.p99), ms(spread.most)),
    )


def ms(value: float | None) -> str:
    """Milliseconds, with a decimal where they are few."""
    if value is None:
        return "–"
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"


def share(value: float | None, places: int = 1) -> str:
    """A share as a percentage."""
    return "–" if value is None else f"{100 * value:.{places}f}%"


def number(value: float | None, unit: str = "", places: int = 2) -> str:
    """A number with its unit."""
    return "–" if value is None else f"{value:.{places}f} {unit}".rstrip()


def failed_calls(details: Iterable[tuple[Fate, str]]) -> Iterable[str]:
    """Why calls failed, the commonest first, a line each."""
    counts: dict[tuple[Fate, str], int] = {}
    for fate, detail in details:
        if fate not in {Fate.SUCCEEDED, Fate.STOPPED}:
            counts[fate, detail] = counts.get((fate, detail), 0) + 1
    for (fate, detail), count in sorted(counts.items(), key=lambda item: -item[1]):
        yield f"{count} × {fate.value}: {detail}"
