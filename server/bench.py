"""`./frontdesk bench`: measures this installation, with real processes and calls."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from server.density_bench import density
from server.peer import Peer, peer_name, running_peer, variants
from server.process_bench import processes
from server.speech_bench import speech
from server.stt_bench import bench_stt
from server.tick_bench import tick
from server.transfer_bench import transfer

if TYPE_CHECKING:
    from rich.console import Console

    from loadtest.impair import Impairment
    from loadtest.turns.plans import Sort
    from loadtest.turns.report import TurnsReport
    from loadtest.turns.suite import TurnsOptions

_FOLDER: Final = Path("var/bench")

bench_app = typer.Typer(help="Measure this installation.", no_args_is_help=True)
bench_app.command("stt")(bench_stt)
bench_app.command()(density)
bench_app.command()(processes)
bench_app.command()(speech)
bench_app.command()(tick)
bench_app.command()(transfer)


@bench_app.callback()
def bench() -> None:
    """Measure this installation."""


@bench_app.command()
def turns(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the reports.")] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit 1 if a target is missed.")] = False,
    calls: Annotated[int, typer.Option(help="How many calls.", min=1)] = 28,
    parallel: Annotated[int, typer.Option(help="How many at a time.", min=1)] = 4,
    seed: Annotated[int, typer.Option(help="Of pauses, times and noises.")] = 1,
    only: Annotated[
        str | None, typer.Option(help="Calls of one sort: answers, overlaps, echo, noise, …")
    ] = None,
    peer: Annotated[Peer, typer.Option(help="A Pipecat bot to measure beside.")] = Peer.SHIPPED,
    websocket: Annotated[
        bool, typer.Option("--websocket", help="Call frontdesk over media streams alone, not SIP.")
    ] = False,
    recordings: Annotated[
        Path | None, typer.Option(help="Folder for stereo recordings: left the caller.")
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(help="Of calls whose plan has none: loss=1%,delay=2ms,stall=200ms/7s, …"),
    ] = None,
    virtual: Annotated[
        bool, typer.Option("--virtual", help="In one process, without waiting; no bot beside it.")
    ] = False,
) -> None:
    """Turn-taking as callers hear it: gaps, cut-offs, interruptions, false stops.

    Targets are those of frontdesk over SIP. A bot beside it takes media streams, so frontdesk is
    called over these as well, and only what came over the same line is put side by side.
    """
    from loadtest.turns.suite import TurnsOptions

    options = TurnsOptions(
        target="",
        calls=calls,
        parallel=parallel,
        seed=seed,
        only=_sort(only),
        recordings=recordings,
        network=_network(network),
    )
    if virtual:
        bench = _virtual_turns(options, json_file=json_file, gate=gate)
    else:
        bench = _bench_turns(options, peer, websocket=websocket, json_file=json_file, gate=gate)
    raise typer.Exit(asyncio.run(bench))


def _network(text: str | None) -> "Impairment | None":
    from loadtest.network import BadNetworkError, parse_network

    try:
        return None if text is None else parse_network(text)
    except BadNetworkError as error:
        raise typer.BadParameter(str(error), param_hint="--network") from None


def _sort(only: str | None) -> "Sort | None":
    from loadtest.turns.plans import Sort

    if only is None:
        return None
    try:
        return Sort(only)
    except ValueError:
        known = ", ".join(Sort)
        raise typer.BadParameter(f"{only!r} is none of {known}", param_hint="--only") from None


async def _virtual_turns(options: "TurnsOptions", *, json_file: Path | None, gate: bool) -> int:
    from rich.console import Console

    from loadtest.turns.bench import reported, verdict, write_json
    from server.virtual.suite import VIRTUAL, run_virtual

    console = Console()
    report = await reported(replace(options, target=VIRTUAL), console, run_virtual)
    if json_file is not None:
        await write_json(json_file, {VIRTUAL: report})
    status = verdict(report, console)
    return status if gate else 0


async def _bench_turns(
    options: "TurnsOptions", peer: Peer, *, websocket: bool, json_file: Path | None, gate: bool
) -> int:
    from rich.console import Console

    from loadtest.turns.bench import verdict, write_json
    from loadtest.turns.tables import side_by_side

    console = Console()
    reports = {"frontdesk": await _frontdesk(options, console, websocket=websocket)}
    beside: dict[str, TurnsReport] = {}
    for tuned in variants(peer):
        if not beside:
            beside = dict(reports) if websocket else await _streamed(options, console)
        name = peer_name(tuned=tuned)
        beside[name] = await _pipecat(options, console, name, tuned=tuned)
    if beside:
        console.print(side_by_side(beside))
    reports |= beside
    if json_file is not None:
        await write_json(json_file, reports)
    status = verdict(reports["frontdesk"], console)
    return status if gate else 0


async def _streamed(options: "TurnsOptions", console: "Console") -> "dict[str, TurnsReport]":
    """Frontdesk over the line that the bots are called over."""
    if options.recordings is not None:
        options = replace(options, recordings=options.recordings / "media-streams")
    report = await _frontdesk(options, console, websocket=True)
    return {"frontdesk, media streams": report}


async def _frontdesk(
    options: "TurnsOptions", console: "Console", *, websocket: bool
) -> "TurnsReport":
    from loadtest.turns.bench import bench_turns
    from loadtest.turns.records import RecordsAccess
    from server.errors import StartError
    from server.stack import fresh_folder, running_stack

    folder = fresh_folder(_FOLDER)
    settings = {"FRONTDESK_STREAMS__PORT": "0"} if websocket else {}
    async with running_stack(folder, on_step=console.print, settings=settings) as stack:
        server = stack.server
        target = server.streams if websocket else server.sip
        if target is None:
            raise StartError("frontdesk takes no media streams; see its log in var/bench")
        access = RecordsAccess(url=server.http, token=server.token)
        return await bench_turns(replace(options, target=target, records=access), console)


async def _pipecat(
    options: "TurnsOptions", console: "Console", name: str, *, tuned: bool
) -> "TurnsReport":
    from loadtest.turns.bench import bench_turns

    console.print(f"starting {name}")
    if options.recordings is not None:
        folder = options.recordings / ("pipecat-tuned" if tuned else "pipecat")
        options = replace(options, recordings=folder)
    async with running_peer(_FOLDER, tuned=tuned) as peer:
        return await bench_turns(replace(options, target=peer.url), console)
