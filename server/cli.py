"""The command line: every command of ./frontdesk.

Imports are inside the commands: `./frontdesk call --help` must not load a speech engine. Whatever
goes wrong ends as one line on standard error that says what to do, and exit status 2.
"""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from server.accounts_cli import audit_app, users_app
from server.bench import bench_app
from server.errors import told_in_one_line
from server.loadtest_cli import loadtest_app
from server.training_cli import adapt, eval_app, train_app
from server.transcribing import transcribe

ROOT = Path(__file__).resolve().parent.parent

app = typer.Typer(
    name="frontdesk",
    help="A self-hosted voice contact center: callers dial in and their records change.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
models_app = typer.Typer(help="Speech models: list and fetch them.", no_args_is_help=True)
flows_app = typer.Typer(help="Dialog flows.", no_args_is_help=True)
app.add_typer(models_app, name="models")
app.add_typer(flows_app, name="flows")
app.add_typer(bench_app, name="bench")
app.add_typer(loadtest_app, name="loadtest")
app.add_typer(users_app, name="users")
app.add_typer(audit_app, name="audit")
models_app.add_typer(train_app, name="train")
models_app.add_typer(eval_app, name="eval")
models_app.command("adapt")(adapt)
models_app.command("transcribe")(transcribe)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Configuration file [default: frontdesk.toml]")
]


@app.command()
def demo(
    keep: Annotated[bool, typer.Option(help="Leave the database and logs for a look.")] = False,
) -> None:
    """Show one whole call: a simulated caller dials in and changes an address."""
    from server.demo import run_demo

    raise typer.Exit(asyncio.run(run_demo(keep=keep)))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(context: typer.Context) -> None:
    """Run the tests; arguments go to pytest, as in `./frontdesk test -k sip`."""
    from server.suite import run_tests

    raise typer.Exit(run_tests(ROOT, context.args))


@app.command()
def check() -> None:
    """Check the code as CI does: ruff, pyright, import-linter, the size of files."""
    from server.check import run_checks

    raise typer.Exit(run_checks(ROOT))


@app.command()
def serve(
    config: ConfigOption = None,
    sip_port: Annotated[int | None, typer.Option(help="UDP port for SIP.")] = None,
    http_port: Annotated[int | None, typer.Option(help="TCP port for HTTP.")] = None,
    processes: Annotated[
        str | None, typer.Option(help="How many take calls on that port, or auto: one per core.")
    ] = None,
    demo_shop: Annotated[bool, typer.Option(help="Start the demo shop as the back end.")] = False,
    announce: Annotated[
        bool, typer.Option(help="Print one JSON line with the addresses when ready.")
    ] = False,
) -> None:
    """Take calls until stopped (SIGINT or SIGTERM)."""
    from server.config import load_config

    given = (
        ("sip", "port", sip_port),
        ("http", "port", http_port),
        ("serve", "processes", processes),
    )
    overrides = {section: {key: value} for section, key, value in given if value is not None}
    loaded = load_config(config, **overrides)
    if loaded.serve.count > 1:
        from server.processes.parent import serve_in_processes as serve_until_stopped
    else:
        from server.serve import serve_until_stopped
    asyncio.run(serve_until_stopped(loaded, demo_shop=demo_shop, announce=announce))


@app.command()
def call(
    target: Annotated[str, typer.Argument(help="sip:user@host[:port]")],
    say: Annotated[list[str] | None, typer.Option(help="Text to say; may be repeated.")] = None,
    play: Annotated[list[Path] | None, typer.Option(help="WAV file to play; repeatable.")] = None,
    dtmf: Annotated[list[str] | None, typer.Option(help="Keys to press; repeatable.")] = None,
    save: Annotated[Path, typer.Option(help="Where to keep the call.")] = Path("call.wav"),
    voice: Annotated[str, typer.Option(help="espeak voice to say it in.")] = "en-gb",
    hold: Annotated[float, typer.Option(help="Seconds to stay on after the last answer.")] = 0.0,
) -> None:
    """Dial, then say, play or key things in the order given, each after the prompt before."""
    from server.phone import dial, items_in_order

    items = items_in_order(sys.argv, say=say or [], play=play or [], dtmf=dtmf or [])
    raise typer.Exit(asyncio.run(dial(target, items, save=save, voice=voice, hold_s=hold)))


@models_app.command("list")
def models_list() -> None:
    """Every model of the catalogue, and whether it is here."""
    from rich.console import Console
    from rich.table import Table

    from models.catalog import listing

    table = Table("name", "kind", "language", "licence", "size", "state")
    for row in listing():
        size = f"{row.size / 1e6:.0f} MB" if row.size else ""
        table.add_row(row.name, row.kind, row.language, row.licence, size, row.state)
    Console().print(table)


@models_app.command("pull")
def models_pull(name: Annotated[str, typer.Argument(help="A name from `models list`.")]) -> None:
    """Download a model and check it."""
    from server.pulling import pull_with_progress

    pull_with_progress(name)


@flows_app.command("check")
def flows_check(
    flow: Annotated[str, typer.Argument(help="A shipped flow by name, or a YAML file.")],
) -> None:
    """Validate a flow; faults are named with file and line."""
    from server.flows import find_flow

    found = find_flow(flow)
    typer.echo(f"{found.name}: {len(found.intents)} intents; the flow is valid")


def main() -> None:
    """Run a command; expected errors are one line, status 2; Ctrl-C is status 130."""
    try:
        with told_in_one_line():
            app()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
