"""`./frontdesk bench density`: how many calls at once, beside the Pipecat bot."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from server.peer import Peer, peer_name, running_peer, variants

if TYPE_CHECKING:
    from rich.console import Console

    from loadtest.density import Density, DensityOptions, Probe

_FOLDER: Final = Path("var/bench")
_LEAST_CALLS: Final = 100
_LEAST_RATIO: Final = 10.0
_PEER_START: Final = 4


class Transport(StrEnum):
    """How frontdesk is called; the Pipecat bot has a media stream only."""

    STREAM = "stream"  # the same WebSocket dialect for both
    SIP = "sip"
    BOTH = "both"


def density(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every probe.")] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit 1 if a target is missed.")] = False,
    seconds: Annotated[float, typer.Option(help="Of each probe, once its calls are up.")] = 40.0,
    max_calls: Annotated[int, typer.Option(help="Never more calls than that.", min=1)] = 200,
    start: Annotated[
        int | None,
        typer.Option(help="Of the search [default: half of --max-calls; 4 for the bot].", min=1),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(help="Generator processes [default: one for 40 calls].")
    ] = None,
    peer: Annotated[Peer, typer.Option(help="A Pipecat bot to measure beside.")] = Peer.SHIPPED,
    transport: Annotated[Transport, typer.Option(help="How to call frontdesk.")] = Transport.STREAM,
) -> None:
    """The greatest number of calls at once within the objectives, beside a stock Pipecat bot."""
    from loadtest.density import DensityOptions

    options = DensityOptions(seconds=seconds, most_calls=max_calls, processes=processes)
    # Where a limit is likely found soonest: the search goes down from there as well as up.
    ours = replace(options, start=start or max(1, max_calls // 2))
    theirs = replace(options, start=start or min(_PEER_START, max_calls))
    work = _bench_density(ours, theirs, peer, transport, json_file=json_file)
    met = asyncio.run(work)
    raise typer.Exit(1 if gate and not met else 0)


async def _bench_density(
    ours: "DensityOptions",
    theirs: "DensityOptions",
    peer: Peer,
    transport: Transport,
    *,
    json_file: Path | None,
) -> bool:
    from rich.console import Console

    from loadtest.density import targets, to_json
    from loadtest.load.files import write_text

    console = Console()
    ways = (Transport.STREAM, Transport.SIP) if transport is Transport.BOTH else (transport,)
    found = [await _frontdesk(ours, way, console) for way in ways]
    for tuned in variants(peer):
        found.append(await _pipecat(theirs, console, tuned=tuned))
    console.print(_table(found))
    for each in found:
        console.print(f"{each.name} is limited by {each.limited_by}")
    # The first way is the one that is compared: over media streams it is the peer's own protocol.
    compared = [found[0], *found[len(ways) :]]
    rows = targets(compared, least_calls=_LEAST_CALLS, least_ratio=_LEAST_RATIO)
    for row in rows:
        verdict = "met" if row.met else "missed"
        console.print(f"{verdict}: {row.name}: {row.measured}, wanted {row.wanted}")
    if json_file is not None:
        await asyncio.to_thread(
            write_text, json_file, json.dumps(to_json(found, rows), indent=1) + "\n"
        )
    return all(row.met for row in rows)


async def _frontdesk(
    options: "DensityOptions", transport: Transport, console: "Console"
) -> "Density":
    from loadtest.density import measure_density
    from loadtest.load.server_side import ServerAccess
    from server.errors import StartError
    from server.stack import fresh_folder, running_stack

    # More places than callers: what limits is the machine.
    settings = {
        "FRONTDESK_SIP__MAX_CALLS": str(2 * options.most_calls),
        "FRONTDESK_STREAMS__PORT": "0",
    }
    folder = fresh_folder(_FOLDER)
    async with running_stack(folder, on_step=console.print, settings=settings) as stack:
        server = stack.server
        target = server.sip if transport is Transport.SIP else server.streams
        if target is None:
            raise StartError("frontdesk takes no media streams; see its log in var/bench")
        access = ServerAccess(url=server.http, token=server.token, pid=server.pid)
        name = f"frontdesk, {transport.value}"
        console.print(f"searching for the limit of {name}")
        return await measure_density(
            name, target, access, options, on_probe=lambda probe: _show(probe, console)
        )


async def _pipecat(options: "DensityOptions", console: "Console", *, tuned: bool) -> "Density":
    from loadtest.density import measure_density
    from loadtest.load.server_side import ServerAccess

    name = peer_name(tuned=tuned)
    console.print(f"starting {name}")
    async with running_peer(_FOLDER, tuned=tuned) as peer:
        access = ServerAccess(pid=peer.pid)
        return await measure_density(
            name, peer.url, access, options, on_probe=lambda probe: _show(probe, console)
        )


def _show(probe: "Probe", console: "Console") -> None:
    from loadtest.load.terminal import ms, number

    broken = ", ".join(f"{v.name} {v.found}" for v in probe.verdicts if v.kept is False)
    late = f"; callers late, p99 {probe.late_p99_ms:.1f} ms" if probe.bottleneck else ""
    console.print(
        f"  {probe.calls} calls: gap p50 {ms(probe.gap_ms.p50)}, p95 {ms(probe.gap_ms.p95)}, "
        f"{number(probe.server_cores)} cores: {f'broken: {broken}' if broken else 'kept'}{late}"
    )


def _table(found: Sequence["Density"]) -> object:
    from rich.table import Table

    from loadtest.density import ratio
    from loadtest.load.terminal import ms, number, share

    table = Table(title="calls at once, the same callers", title_justify="left")
    table.add_column("", no_wrap=True)
    for each in found:
        table.add_column(each.name, justify="right")
    single = [next((p for p in each.probes if p.calls == 1), None) for each in found]
    best = [each.at_best for each in found]
    peers = [ratio(found[0].within_slo, each.within_slo or each.within_own) for each in found]
    rows = (
        ("within the objectives", [str(each.within_slo) for each in found]),
        ("until its own gap degrades", [str(each.within_own) for each in found]),
        ("first server's calls against it", [number(times, "×", 1) for times in peers]),
        ("gap p95 with one call", [ms(probe.gap_ms.p95 if probe else None) for probe in single]),
        ("gap p95 at its limit", [ms(probe.gap_ms.p95 if probe else None) for probe in best]),
        ("of a core, per call", [share(p.cores_per_call if p else None) for p in best]),
        ("memory at its limit", [number(p.memory_mb if p else None, "MB", 0) for p in best]),
    )
    for name, cells in rows:
        table.add_row(name, *cells)
    return table
