"""`./frontdesk bench stt`: speech to text beside faster-whisper, on the same weights."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

_FOLDER: Final = Path("var/bench/models")


def bench_stt(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures.")] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit 1 if a target is missed.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Half a minute: tiny and the bundled model.")
    ] = False,
    model: Annotated[
        list[str] | None, typer.Option(help="Only these: tiny, base, small, frontdesk-small.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Measured so often, the best counts.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Of what is said.")] = 1,
) -> None:
    """CPU time of an utterance, throughput and word errors, beside faster-whisper's own.

    Sizes are measured with random weights, made here: speed depends on the shape, not on them.
    """
    from models.bench.stt import BUNDLED, SIZES, BenchOptions, run, table

    known = (*SIZES, BUNDLED)
    chosen = tuple(model or (("tiny", BUNDLED) if quick else known))
    if unknown := [name for name in chosen if name not in known]:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(known)}")
    options = BenchOptions(folder=_FOLDER, models=chosen, rounds=rounds, seed=seed)
    if quick:
        options = replace(options, lengths_s=(2, 4), phrases=30)
    report = run(options, typer.echo)
    typer.echo(table(report))
    for line in report.missed:
        typer.echo(f"missed: {line}")
    if json_file is not None:
        json_file.write_text(json.dumps(report.as_dict(), indent=2) + "\n")
    if gate and report.missed:
        raise typer.Exit(1)
