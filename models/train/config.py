"""What a training run is told: data, places and plan, from a TOML file."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from models.catalog import ContextRule, Rule
from models.errors import ModelError

QUANTISATIONS: Final = ("int8", "float16", "float32")
"""How a trained model is written; each is a folder of the work folder."""


TRAINED_CONTEXT: Final = ContextRule(rule=Rule.EXACT, margin_s=0.0, longest_s=9.0)
"""How a model of this recipe listens: it was trained on utterances at their own length."""


class RecipeError(ModelError):
    """A training run cannot start or go on; the message says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long and how hard to train.

    minutes, utterances: the learning rate falls to nothing at whichever comes first.
    rate: the highest learning rate, reached after `warm_up` steps.
    letters, sounds: weights of the two helping losses.
    batch_seconds: of audio in a batch; long_share: of batches padded to 30 s.
    patience: stop after so many evaluations in a row without a better one.
    letters_only: train nothing but the head over letters, for weights that have none.
    short_until: the share of the plan in which only utterances up to short_s are heard.
    """

    minutes: float = 240.0
    utterances: int = 400_000
    rate: float = 8e-4
    warm_up: int = 150
    letters: float = 0.3
    sounds: float = 0.5
    batch_seconds: float = 64.0
    long_share: float = 0.125
    threads: int = 2
    evaluate_every_s: float = 600.0
    patience: int = 6
    short_until: float = 0.0
    short_s: float = 3.5
    letters_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One training run; paths as they are opened.

    start_heard: speakers of the recordings that the start model was trained on.
    """

    work: Path
    flows: tuple[Path, ...] = ()
    corpora: tuple[Path, ...] = ()
    digits: tuple[Path, ...] = ()
    people: Path | None = None
    held_out_speakers: tuple[str, ...] = ()
    seed: int = 1
    shards: int = 24
    utterances_per_shard: int = 4_000
    evaluation_per_set: int = 120
    start: Path | None = None
    start_heard: tuple[str, ...] = ()
    plan: Plan = field(default_factory=Plan)


def load(path: Path, *, work: Path | None = None) -> Recipe:
    """Read a recipe; `work` replaces the file's work folder.

    Raises:
        RecipeError: the file is missing or malformed, a key unknown or of the wrong type, or a
            file it names is missing.
    """
    try:
        raw = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path}: {error}") from error
    plan = _plan(path, raw.pop("plan", {}))
    data = Path(str(raw.pop("data", ".")))
    _check_keys(path, raw, {f.name for f in fields(Recipe)})
    try:
        recipe = Recipe(
            **{key: value for key, value in raw.items() if key not in _PATHS},
            work=work or Path(raw.get("work", "var/training")),
            flows=tuple(Path(name) for name in raw.get("flows", ())),
            corpora=tuple(data / name for name in raw.get("corpora", ())),
            digits=tuple(data / name for name in _listed(raw.get("digits", ()))),
            people=data / raw["people"] if raw.get("people") else None,
            held_out_speakers=tuple(raw.get("held_out_speakers", ())),
            start=Path(raw["start"]) if raw.get("start") else None,
            start_heard=tuple(raw.get("start_heard", ())),
            plan=plan,
        )
    except TypeError as error:
        raise RecipeError(f"{path}: {error}") from error
    for needed in (*recipe.flows, *recipe.corpora, *recipe.digits, recipe.people, recipe.start):
        if needed is not None and not needed.exists():
            raise RecipeError(f"{path} names {needed}, which is not there")
    return recipe


_PATHS = frozenset(
    ("work", "flows", "corpora", "digits", "people", "held_out_speakers", "start", "start_heard")
)


def _listed(names: str | Sequence[str]) -> Sequence[str]:
    """One name, or several."""
    return [names] if isinstance(names, str) else names


def _plan(path: Path, raw: Mapping[str, Any]) -> Plan:
    _check_keys(path, raw, {f.name for f in fields(Plan)})
    plan = Plan(**raw)
    for name in ("minutes", "utterances", "rate", "batch_seconds", "threads"):
        value = getattr(plan, name)
        if not isinstance(value, int | float) or value <= 0:
            raise RecipeError(f"{path}: plan.{name} is {value!r}, not a number above 0")
    return plan


def _check_keys(path: Path, raw: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(raw) - known)
    if unknown:
        raise RecipeError(f"{path}: no such key {unknown[0]!r}; there are {sorted(known)}")
