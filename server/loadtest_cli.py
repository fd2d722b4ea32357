"""`./frontdesk loadtest`: many simulated callers against a server, this one or any other."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loadtest.shapes import Shape

if TYPE_CHECKING:
    from loadtest.load.mix import Mix

loadtest_app = typer.Typer(help="Simulated callers, many at a time.", no_args_is_help=True)


@loadtest_app.callback()
def loadtest() -> None:
    """Simulated callers, many at a time."""


@loadtest_app.command()
def run(
    target: Annotated[
        str, typer.Option(help="sip:user@host[:port], ws://… of media streams, or http://…/phone.")
    ],
    scenario: Annotated[
        list[str] | None, typer.Option(help="A shipped scenario or a YAML file; repeatable.")
    ] = None,
    mix: Annotated[
        str | None, typer.Option(help="Scenarios and their shares: a file, or `everyday`.")
    ] = None,
    shape: Annotated[Shape, typer.Option(help="How the load changes.")] = Shape.FIXED,
    calls: Annotated[
        int, typer.Option(help="How many at once; with --rate, at most so many.", min=1)
    ] = 5,
    rate: Annotated[
        float | None, typer.Option(help="Calls that arrive per second, whatever happens to them.")
    ] = None,
    duration: Annotated[
        str | None, typer.Option(help="90s, 10m, 1h [default: 2m; soak: 1h]")
    ] = None,
    stages: Annotated[int, typer.Option(help="Steps of a ramp.", min=1)] = 10,
    spike: Annotated[
        float | None,
        typer.Option(
            help="Times the load in a spike's middle third [default: 3], in an overload's "
            "second half [default: 2].",
            min=1,
        ),
    ] = None,
    slo: Annotated[
        list[str] | None,
        typer.Option(help="p95_gap=800ms, success=95%, underruns=0, …; repeatable."),
    ] = None,
    processes: Annotated[int, typer.Option(help="Generator processes.", min=1)] = 1,
    transport: Annotated[
        str | None, typer.Option(help="sip or stream; by default what the target says.")
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="loss=2%,burst=1%x8,delay=40ms,jitter=10ms,stall=1s/20s, …")
    ] = None,
    server_url: Annotated[str | None, typer.Option(help="The server's HTTP, for metrics.")] = None,
    server_token: Annotated[
        str | None, typer.Option(help="Its token.", envvar="FRONTDESK_HTTP__TOKEN")
    ] = None,
    server_pid: Annotated[
        int | None, typer.Option(help="Its process on this machine, for CPU and memory.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write it as a page.")] = None,
    recordings: Annotated[
        Path | None, typer.Option(help="Folder for stereo recordings: left the caller.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of arrivals and the mix.")] = 1,
    drain: Annotated[str, typer.Option(help="How long calls may go on at the end.")] = "60s",
) -> None:
    """Make calls that listen and answer, and report what callers got.

    Exits 1 if an objective was broken, 3 if the callers themselves were too slow to tell.
    """
    from rich.console import Console

    from loadtest.load.command import check_target, parse_duration, run_and_report
    from loadtest.load.run import RunOptions
    from loadtest.load.server_side import ServerAccess
    from loadtest.load.slo import DEFAULT_SLOS, RAMP_SLOS, parse_slo
    from loadtest.network import parse_network
    from loadtest.shapes import ShapeOptions

    usual = RAMP_SLOS if shape is Shape.RAMP else DEFAULT_SLOS
    options = RunOptions(
        target=check_target(target, transport),
        mix=_mix(scenario or [], mix),
        shape=ShapeOptions(
            shape=shape,
            calls=calls,
            rate=rate,
            duration_s=None if duration is None else parse_duration(duration),
            stages=stages,
            spike_factor=spike,
        ),
        slos=tuple(parse_slo(text) for text in slo or usual),
        processes=processes,
        network=None if network is None else parse_network(network),
        server=ServerAccess(url=server_url, token=server_token, pid=server_pid),
        seed=seed,
        drain_s=parse_duration(drain),
        recordings=recordings,
    )
    work = run_and_report(options, Console(), json_file=json_file, html_file=html_file)
    raise typer.Exit(asyncio.run(work))


def _mix(scenarios: list[str], mix: str | None) -> "Mix":
    from loadtest.load.mix import find_mix, load_mix, mix_of

    if mix is not None and scenarios:
        raise typer.BadParameter("give --scenario or --mix, not both", param_hint="--mix")
    return load_mix(find_mix(mix)) if mix is not None else mix_of(scenarios or ["change_address"])


@loadtest_app.command(name="self-test")
def self_test(
    levels: Annotated[str, typer.Option(help="Calls at once, rising.")] = "10,25,50,100,200",
    processes: Annotated[int, typer.Option(help="Generator processes.", min=1)] = 1,
    seconds: Annotated[float, typer.Option(help="Measured at each level.", min=1)] = 5.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures.")] = None,
) -> None:
    """What a simulated caller costs on this machine, and how many it can drive in time."""
    from rich.console import Console

    from loadtest.load.self_test import SelfTestOptions, parse_levels, run_self_test

    options = SelfTestOptions(levels=parse_levels(levels), processes=processes, measure_s=seconds)
    raise typer.Exit(asyncio.run(run_self_test(options, Console(), json_file)))


@loadtest_app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="The JSON of one run.")],
    after: Annotated[Path, typer.Argument(help="The JSON of another.")],
) -> None:
    """Two runs side by side, as ratios with the range that chance allows."""
    from rich.console import Console

    from loadtest.load.compare import compare_files

    Console().print(compare_files(before, after))
