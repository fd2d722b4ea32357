"""The report as one HTML page that needs nothing else: styles and plots are in it, no scripts."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Final

from loadtest.load.plots import Axis, Limit, Line, bar_plot, line_plot
from loadtest.load.slo import Verdict
from loadtest.load.summary import Row, Summary
from loadtest.load.terminal import (
    OVERLOAD_COLUMNS,
    held,
    late_ticks,
    ms,
    number,
    overload_rows,
    share,
    spiked,
    stolen,
)
from loadtest.statistics import Spread

_STYLE: Final = Path(__file__).with_name("page.css")
_TIME: Final = Axis(label="seconds", show=lambda value: f"{value:.0f}")
_GAP: Final = Axis(label="gap", show=lambda value: f"{value:.0f} ms")
_CORES: Final = Axis(label="cores", show=lambda value: f"{value:.2f}")
_MEMORY: Final = Axis(label="memory", show=lambda value: f"{value:.0f} MB")
_UP: Final = Axis(label="calls up at once")


def page(summary: Summary) -> str:
    """The whole document."""
    title = f"{summary.most_calls} calls to {summary.target}"
    body = "".join(
        (
            _header(summary),
            _tiles(summary),
            _section("Objectives", _verdict_table(summary.verdicts)),
            _overload(summary),
            _knee(summary),
            _over_time(summary),
            _parts(summary),
            _cpu(summary),
            _section("Scenarios", _row_table("scenario", summary.scenarios)),
            _section("Load", _row_table("load", summary.levels)),
            _details(summary),
        )
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE.read_text(encoding='utf-8')}</style>"
        f"</head><body><main>{body}</main></body></html>\n"
    )


def _section(title: str, content: str, about: str = "") -> str:
    note = f'<p class="about">{escape(about)}</p>' if about else ""
    return f"<section><h2>{escape(title)}</h2>{note}{content}</section>"


def _header(summary: Summary) -> str:
    what = (
        f"{summary.shape} load on {summary.target} for {summary.length_s:.0f} s, "
        f"begun {summary.started_at}, {summary.cores} cores. It ended because {summary.ended}."
    )
    return f"<header><h1>Load test</h1><p>{escape(what)}</p>{_banner(summary)}</header>"


def _banner(summary: Summary) -> str:
    bottleneck = summary.generator.bottleneck
    if bottleneck is not None:
        text = f"The generator was the bottleneck: {bottleneck}. These figures do not stand."
        return f'<p class="banner bad">✗ {escape(text)}</p>'
    if not summary.kept:
        broken = [v.name for v in summary.verdicts if v.kept is False]
        return f'<p class="banner bad">✗ Broken: {escape(", ".join(broken))}</p>'
    return '<p class="banner good">✓ Every objective was kept</p>'


def _tiles(summary: Summary) -> str:
    tiles = (
        (str(summary.most_calls), "calls at once", f"{summary.outcomes.dialled} dialled"),
        (ms(summary.gap_ms.p95), "gap, p95", f"p50 {ms(summary.gap_ms.p50)}"),
        (ms(summary.interruption_ms.p95), "interruption to silence, p95", _count(summary)),
        (share(summary.outcomes.success), "goal reached", _contained(summary)),
        (str(summary.audio.underruns), "underruns", f"MOS {number(summary.audio.mos.p50)}"),
        (
            number(summary.server.cpu_s_per_call_minute, "s"),
            "server CPU per call-minute",
            f"{number(summary.server.mb_per_call, 'MB', 1)} per call",
        ),
    )
    cells = "".join(
        f"<div><strong>{escape(value)}</strong><span>{escape(name)}</span>"
        f"<small>{escape(more)}</small></div>"
        for value, name, more in tiles
    )
    return f'<div class="tiles">{cells}</div>'


def _count(summary: Summary) -> str:
    return f"{summary.interruption_ms.count} interruptions"


def _contained(summary: Summary) -> str:
    return f"{share(summary.outcomes.containment)} without a person"


# --- plots ----------------------------------------------------------------------------------------


def _gap_limit(summary: Summary) -> Limit | None:
    """The objective on the 95th percentile, if there is one."""
    limits = [v for v in summary.verdicts if v.name == "p95_gap"]
    return Limit(name=f"p95 ≤ {limits[0].limit:.0f} ms", value=limits[0].limit) if limits else None


def _gap_lines(points: Sequence[tuple[float, Spread]]) -> list[Line]:
    return [
        Line(name="p99", colour="c3", points=[(at, spread.p99) for at, spread in points]),
        Line(name="p95", colour="c1", points=[(at, spread.p95) for at, spread in points]),
        Line(name="p50", colour="c2", points=[(at, spread.p50) for at, spread in points]),
    ]


def _overload(summary: Summary) -> str:
    overload = summary.overload
    if overload is None:
        return ""
    faults = "; ".join(overload.faults)
    about = f"It does not hold: {faults}." if faults else "Those who were in noticed nothing."
    table = _table(("", *OVERLOAD_COLUMNS), overload_rows(overload))
    return _section("What it carries, and more", table, about)


def _knee(summary: Summary) -> str:
    points = [(row.calls, row.gap_ms) for row in sorted(summary.levels, key=lambda r: r.calls)]
    plot = line_plot(_gap_lines(points), _UP, _GAP, limit=_gap_limit(summary), dots=True)
    return _section(
        "The knee",
        plot,
        "From the caller's last sound to the first of the reply, over how many calls were up.",
    )


def _over_time(summary: Summary) -> str:
    moments = summary.timeline
    gaps = line_plot(
        _gap_lines([(m.at_s, m.gap_ms) for m in moments]), _TIME, _GAP, limit=_gap_limit(summary)
    )
    calls = Line(name="calls", colour="c4", points=[(m.at_s, m.calls) for m in moments])
    up = line_plot([calls], _TIME, Axis(label="calls up", show=lambda value: f"{value:g}"))
    return _section("Over time", f"<h3>Gap</h3>{gaps}<h3>Calls up</h3>{up}")


def _parts(summary: Summary) -> str:
    parts = sorted(summary.server.parts_ms.items(), key=lambda part: -part[1])
    return _section(
        "Where the time goes",
        bar_plot(parts, ms),
        "The mean of each part of a turn's gap, by the server's own metrics.",
    )


def _cpu(summary: Summary) -> str:
    moments = summary.timeline
    cores = line_plot(
        [
            Line(name="server", colour="c1", points=[(m.at_s, m.server_cpu) for m in moments]),
            Line(name="callers", colour="c4", points=[(m.at_s, m.generator_cpu) for m in moments]),
        ],
        _TIME,
        _CORES,
    )
    memory = line_plot(
        [Line(name="server", colour="c1", points=[(m.at_s, m.memory_mb) for m in moments])],
        _TIME,
        _MEMORY,
    )
    per_call = line_plot(
        [
            Line(
                name="per call",
                colour="c1",
                points=[
                    (row.calls, 100 * row.server_cpu / row.calls if row.server_cpu else None)
                    for row in sorted(summary.levels, key=lambda row: row.calls)
                ],
            )
        ],
        _UP,
        Axis(label="of a core", show=lambda value: f"{value:.1f}%"),
        dots=True,
    )
    parts = bar_plot(
        sorted(summary.server.cpu_parts.items(), key=lambda part: -part[1]),
        lambda value: f"{value:.3f} s",
    )
    return _section(
        "CPU and memory",
        f"<h3>Cores in use</h3>{cores}<h3>Server CPU per call, over calls up</h3>{per_call}"
        f"<h3>Server CPU per call-minute, by part</h3>{parts}"
        f"<h3>Resident memory of the server</h3>{memory}",
    )


# --- tables ---------------------------------------------------------------------------------------


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    heads = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    head_row = f"<thead><tr>{heads}</tr></thead>"
    return f'<div class="wide"><table>{head_row}<tbody>{body}</tbody></table></div>'


def _verdict_table(verdicts: Sequence[Verdict]) -> str:
    marks = {True: "✓ kept", False: "✗ broken", None: "– not measured"}
    return _table(
        ("objective", "wanted", "measured", ""),
        [(each.name, each.wanted, each.found, marks[each.kept]) for each in verdicts],
    )


def _row_table(what: str, rows: Sequence[Row]) -> str:
    head = (what, "calls", "gap p50", "p95", "p99", "success", "asked twice", "wrong", "dropped")
    return _table(
        (*head, "underruns"),
        [
            (
                row.name,
                f"{row.calls:.1f}".removesuffix(".0"),
                *(ms(row.gap_ms.p50), ms(row.gap_ms.p95), ms(row.gap_ms.p99)),
                share(row.success),
                *(str(row.asked_twice), str(row.wrong_records)),
                *(str(row.dropped), str(row.underruns)),
            )
            for row in rows
        ],
    )


def _details(summary: Summary) -> str:
    spreads = (
        ("gap", summary.gap_ms),
        ("interruption to silence", summary.interruption_ms),
        ("set-up", summary.setup_ms),
        ("answer to greeting", summary.greeting_ms),
        ("jitter, worst of a call (RFC 3550)", summary.audio.jitter_ms),
        ("packet lateness, p99 of a call", summary.audio.lateness_ms),
    )
    delays = _table(
        ("delay", "count", "p50", "p95", "p99", "most"),
        [(name, str(s.count), ms(s.p50), ms(s.p95), ms(s.p99), ms(s.most)) for name, s in spreads],
    )
    generator = summary.generator
    facts = (
        *([("the spike", spiked(summary.spike))] if summary.spike is not None else []),
        ("packets lost, server to caller", share(summary.audio.loss, 2)),
        ("MOS that 95% of the calls reach", number(summary.audio.mos_p5)),
        ("callers' clock late, p50 and p99", _late(summary)),
        ("busiest generator process", f"{share(generator.busiest, 0)} of a core"),
        ("generator processes and their CPU", f"{generator.processes}, {generator.cpu_s:.1f} s"),
        ("taken by the machine's host", stolen(generator)),
        ("server's ticks late", late_ticks(summary.server) if summary.server.ticks else "–"),
        ("utterances in line, at most", number(summary.server.waiting_most, places=0)),
        ("utterances decoded together, mean", number(summary.server.together)),
        ("server memory, trend", number(summary.server.memory_mb_per_hour, "MB per hour", 1)),
        *held(summary.server),
        ("server descriptors and threads, at most", _handles(summary)),
    )
    grew = sorted(summary.server.grew.items())
    most = sorted(summary.server.most.items())
    metrics = _table(
        ("metric", "grew by or was at most"), [(name, f"{value:g}") for name, value in grew + most]
    )
    return _section("Details", delays + _table(("fact", ""), facts)) + (
        f"<section><details><summary>The server's metrics</summary>{metrics}</details></section>"
    )


def _late(summary: Summary) -> str:
    return f"{summary.generator.late_p50_ms:.1f} ms, {summary.generator.late_p99_ms:.1f} ms"


def _handles(summary: Summary) -> str:
    server = summary.server
    return f"{server.descriptors_most or '–'}, {server.threads_most or '–'}"
