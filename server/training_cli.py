"""`./frontdesk models train`, `adapt` and `eval`."""

import importlib.util
from pathlib import Path
from typing import Annotated, Final

import typer

train_app = typer.Typer(help="Train a model.", no_args_is_help=True)
eval_app = typer.Typer(help="Measure how good a model is.", no_args_is_help=True)

_EVALUATION: Final = Path("var/training/evaluation.npz")
_Said = Annotated[
    Path, typer.Option("--set", help="evaluation.npz of a training run's work folder.")
]
_Conditions = Annotated[
    list[str] | None, typer.Option(help="mu-law, noise 10 dB, babble 10 dB, bad line.")
]
_Limit = Annotated[int | None, typer.Option(help="Utterances of each kind.", min=1)]


@train_app.command("stt")
def train_stt(
    config: Annotated[Path, typer.Option("--config", help="The recipe, a TOML file.")],
    work: Annotated[
        Path | None, typer.Option(help="Folder for data and checkpoints, instead of the recipe's.")
    ] = None,
    each_speaker_out: Annotated[
        bool, typer.Option("--each-speaker-out", help="One model without each recorded speaker.")
    ] = False,
) -> None:
    """Train a speech-to-text model; run again, it goes on where it stopped."""
    from models.train import config as recipes

    recipe = recipes.load(config, work=work)
    _need_torch()
    from models.train.recipe import run

    if each_speaker_out:
        from models.train import speakers

        found = speakers.each_out(recipe, typer.echo, run)
        typer.echo(speakers.table(found))
        for line in (line for held in found for line in held.missed):
            typer.echo(f"missed: {line}")
        return
    folder = run(recipe, typer.echo)
    typer.echo(f"The model is in {folder}. Measure it: ./frontdesk models eval stt {folder}")


def adapt(
    name: Annotated[str, typer.Argument(help="A speech-to-text model, or a folder with one.")],
    out: Annotated[Path, typer.Option(help="Folder for the adapted model.")],
    flow: Annotated[
        list[str] | None, typer.Option(help="Whose phrases to learn: shipped flows or YAML files.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="Of training.")] = 20.0,
    utterances: Annotated[int, typer.Option(help="Synthesised to learn from.", min=1)] = 2_000,
    lora: Annotated[
        int, typer.Option(help="Rank of low-rank changes; 0 trains all weights.", min=0)
    ] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    language: Annotated[str, typer.Option(help="For multilingual models.")] = "en",
) -> None:
    """Fit a Whisper model to utterances at their own length, and to a flow's phrases."""
    from server.flows import flow_file

    flows = tuple(flow_file(one) for one in flow or ["orders"])
    if minutes <= 0:
        raise typer.BadParameter(f"--minutes is {minutes}, not above 0")
    _need_torch()
    from models.train.adapt import Adaptation, run

    asked = Adaptation(
        name=name,
        out=out,
        flows=flows,
        minutes=minutes,
        utterances=utterances,
        rank=lora,
        device=device,
        language=language,
    )
    folder = run(asked, typer.echo)
    typer.echo(f"The model is in {folder}; name that folder as the model in the configuration.")


def _need_torch() -> None:
    from models.train.config import RecipeError

    if importlib.util.find_spec("torch") is None:
        raise RecipeError("training needs PyTorch: pip install -e '.[train]', then run this again")


@eval_app.command("stt")
def eval_stt(
    names: Annotated[list[str], typer.Argument(help="Models of the catalogue, or folders.")],
    said: _Said = _EVALUATION,
    condition: _Conditions = None,
    limit: _Limit = None,
    compute: Annotated[str, typer.Option(help="auto, int8, float32, on a GPU float16, …")] = "auto",
    must_pass: Annotated[
        bool,
        typer.Option("--gate", help="Exit 1: the last misses a target, or is worse."),
    ] = False,
) -> None:
    """Word errors and exact slots by condition, side by side, with 95% intervals."""
    from models.train.report import Asked, compare

    asked = Asked(said=said, conditions=tuple(condition or ()), limit=limit, compute_type=compute)
    found = compare(names, asked, typer.echo)
    typer.echo(found.table)
    for line in found.missed:
        typer.echo(f"missed: {line}")
    if must_pass and found.missed:
        raise typer.Exit(1)


@eval_app.command("quantised")
def eval_quantised(
    names: Annotated[
        list[str], typer.Argument(help="Work folders of training runs, or models and folders.")
    ],
    said: _Said = _EVALUATION,
    condition: _Conditions = None,
    limit: _Limit = None,
    compute: Annotated[
        list[str] | None, typer.Option(help="For a single model: the types to compute in.")
    ] = None,
) -> None:
    """What float32, float16 and int8 cost: word errors, CPU time, memory, size."""
    from models.train.quantised import compare, ways
    from models.train.report import Asked

    asked = Asked(said=said, conditions=tuple(condition or ()), limit=limit)
    typer.echo(compare(ways(names, compute or ["float32", "int8"]), asked, typer.echo))


@eval_app.command("confidence")
def eval_confidence(
    name: Annotated[str, typer.Argument(help="A model of the catalogue, or a folder.")],
    report_on: Annotated[
        str, typer.Option(help="Held out of the fit: a speaker, or an engine, of the set's kinds.")
    ] = "george",
    said: _Said = _EVALUATION,
    condition: _Conditions = None,
    limit: _Limit = None,
) -> None:
    """Fit what a model says of its own certainty; report on speakers that the fit never heard."""
    from models.train.report import Asked, calibration

    asked = Asked(said=said, conditions=tuple(condition or ()), limit=limit)
    typer.echo(calibration(name, asked, report_on, typer.echo))
