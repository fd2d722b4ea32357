"""What a run of transfers says: rows per stage, the targets, tables and JSON."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.console import Group
from rich.table import Table

from loadtest.load.records import rounded
from loadtest.load.terminal import ms, number
from loadtest.statistics import Spread

SCREEN_MS: Final = 500.0  # p95, from the request to the agent's screen
AUDIO_MS: Final = 300.0  # p95, from accepting until both hear each other


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One caller's way to an agent, in milliseconds; `failure` says why there is nothing else.

    asked_to_request_ms: key 0 leaves the telephone → the hand-off is requested. In between the
        caller is told "I'll put you through to a colleague", in full.
    request_to_screen_ms: → the offer arrives at the agent's page.
    asked_to_screen_ms: both together.
    screen_to_audio_ms: the offer → the agent's audio is connected, while they read.
    accept_to_agent_hears_ms: the agent's word → the caller's sound arrives there.
    accept_to_caller_hears_ms: the agent's word → the agent's sound arrives at the caller.
    """

    caller: str
    failure: str = ""
    asked_to_request_ms: float | None = None
    request_to_screen_ms: float | None = None
    asked_to_screen_ms: float | None = None
    screen_to_audio_ms: float | None = None
    accept_to_agent_hears_ms: float | None = None
    accept_to_caller_hears_ms: float | None = None

    @property
    def accept_to_both_ms(self) -> float | None:
        """Until each hears the other: the later of the two."""
        one, other = self.accept_to_agent_hears_ms, self.accept_to_caller_hears_ms
        return None if one is None or other is None else max(one, other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the run took; None where it could not be seen."""

    concurrent: int  # callers, and agents
    most_at_once: int  # transfers from the offer to the hang-up
    length_s: float
    server_cores: float | None
    server_memory_mb: float | None
    generator_cores: float
    generator_late_p99_ms: float  # of its own 20 ms clock
    machine_load: float  # of the last minute, of all there is on the machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing to reach."""

    name: str
    wanted: str
    measured: str
    met: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferReport:
    """A run, told."""

    target: str
    transfers: tuple[Transfer, ...]
    spreads: dict[str, Spread]  # by the name of its row
    figures: Figures
    targets: tuple[Target, ...]

    @property
    def failures(self) -> tuple[Transfer, ...]:
        return tuple(each for each in self.transfers if each.failure)

    @property
    def missed(self) -> tuple[Target, ...]:
        return tuple(target for target in self.targets if not target.met)


_SCREEN: Final = "requested → agent's screen"
_BOTH: Final = "accepted → two-way audio"
_ROWS: Final[tuple[tuple[str, Callable[[Transfer], float | None]], ...]] = (
    ("key 0 → requested, as spoken", lambda each: each.asked_to_request_ms),
    (_SCREEN, lambda each: each.request_to_screen_ms),
    ("key 0 → agent's screen", lambda each: each.asked_to_screen_ms),
    ("screen → agent's audio is up", lambda each: each.screen_to_audio_ms),
    ("accepted → agent hears caller", lambda each: each.accept_to_agent_hears_ms),
    ("accepted → caller hears agent", lambda each: each.accept_to_caller_hears_ms),
    (_BOTH, lambda each: each.accept_to_both_ms),
)


def make_report(target: str, transfers: Sequence[Transfer], figures: Figures) -> TransferReport:
    """Everything that can be said of these transfers."""
    spreads = {
        name: Spread.of(value for each in transfers if (value := of(each)) is not None)
        for name, of in _ROWS
    }
    done = sum(1 for each in transfers if not each.failure)
    return TransferReport(
        target=target,
        transfers=tuple(transfers),
        spreads=spreads,
        figures=figures,
        targets=(
            _at_most(f"{_SCREEN}, p95", spreads[_SCREEN].p95, SCREEN_MS),
            _at_most(f"{_BOTH}, p95", spreads[_BOTH].p95, AUDIO_MS),
            Target(
                name="transfers completed",
                wanted="all",
                measured=f"{done} of {len(transfers)}",
                met=0 < done == len(transfers),
            ),
            Target(
                name="at once",
                wanted=f"≥ {figures.concurrent}",
                measured=str(figures.most_at_once),
                met=figures.most_at_once >= figures.concurrent,
            ),
        ),
    )


def _at_most(name: str, value: float | None, limit_ms: float) -> Target:
    return Target(
        name=name,
        wanted=f"≤ {limit_ms:.0f} ms",
        measured=ms(value),
        met=value is not None and value <= limit_ms,
    )


def tables(report: TransferReport) -> Group:
    """The report for a terminal."""
    spreads = [
        (name, str(s.count), ms(s.p50), ms(s.p95), ms(s.most)) for name, s in report.spreads.items()
    ]
    title = f"{len(report.transfers)} transfers, {report.figures.most_at_once} at once at most"
    return Group(
        _table(title, ("count", "p50", "p95", "most"), spreads),
        _table("what it took", ("",), list(_took(report.figures))),
        *(f"failed: {each.caller}: {each.failure}" for each in report.failures),
    )


def _took(figures: Figures) -> Iterable[tuple[str, str]]:
    late_ms = figures.generator_late_p99_ms
    yield "time", f"{figures.length_s:.0f} s"
    yield "the server", f"{number(figures.server_cores)} cores"
    yield "its memory at most", number(figures.server_memory_mb, "MB", 0)
    yield "callers and agents", f"{number(figures.generator_cores)} cores, p99 {ms(late_ms)} late"
    yield "load of the machine", f"{figures.machine_load:.1f}"


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table("", *columns, title=title, title_justify="left", show_header=any(columns))
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    return table


def to_json(report: TransferReport) -> str:
    """The whole run as JSON: schema `frontdesk.transfer`, version 1."""
    plain: dict[str, Any] = {
        "schema": "frontdesk.transfer",
        "version": 1,
        **rounded(asdict(report)),
    }
    return json.dumps(plain, indent=1)
