"""`./frontdesk bench`: measures this installation, with real processes and calls."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from loadtest.turns.suite import DEFAULT_CALLS, TurnsOptions

_FOLDER: Final = Path("var/bench")

bench_app = typer.Typer(help="Measure this installation.", no_args_is_help=True)


@bench_app.callback()
def bench() -> None:
    """Measure this installation."""


@bench_app.command()
def turns(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report.")] = None,
    gate: Annotated[bool, typer.Option(help="Exit 1 if a target is missed.")] = False,
    calls: Annotated[int, typer.Option(help="How many calls.", min=1)] = DEFAULT_CALLS,
    parallel: Annotated[int, typer.Option(help="How many at a time.", min=1)] = 4,
    seed: Annotated[int, typer.Option(help="Of pauses, times and noises.")] = 1,
    recordings: Annotated[
        Path | None, typer.Option(help="Folder for stereo recordings: left the caller.")
    ] = None,
) -> None:
    """Turn-taking as callers hear it: gaps, cut-offs, interruptions, false stops."""
    options = TurnsOptions(
        target="", calls=calls, parallel=parallel, seed=seed, recordings=recordings
    )
    raise typer.Exit(asyncio.run(_bench_turns(options, json_file, gate=gate)))


async def _bench_turns(options: TurnsOptions, json_file: Path | None, *, gate: bool) -> int:
    from rich.console import Console

    from loadtest.turns.bench import bench_turns, verdict, write_json
    from loadtest.turns.records import RecordsAccess
    from server.stack import fresh_folder, running_stack

    console = Console()
    folder = fresh_folder(_FOLDER)
    async with running_stack(folder, on_step=console.print) as stack:
        server = stack.server
        access = RecordsAccess(url=server.http, token=server.token)
        report = await bench_turns(replace(options, target=server.sip, records=access), console)
    if json_file is not None:
        await write_json(json_file, report)
    status = verdict(report, console)
    return status if gate else 0
