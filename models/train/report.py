"""Models side by side on one evaluation set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models import catalog
from models.catalog import ContextRule
from models.confidence import Confidence
from models.stt import SttEngine
from models.train import corpus, gate
from models.train.config import TRAINED_CONTEXT, RecipeError
from models.train.evaluate import CONDITIONS, Row, measure, size_of, table, words_of_nobody
from models.train.scoring import Share

_QUIET_TRIALS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to measure: which set, under which conditions (none: all), how many of each kind."""

    said: Path
    conditions: tuple[str, ...] = ()
    limit: int | None = None
    compute_type: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """table: Markdown, a column for each model. missed: why the last of them is not released:
    targets it does not reach, and where it is worse than the first."""

    table: str
    missed: tuple[str, ...]


def compare(names: Sequence[str], asked: Asked, say: Callable[[str], None]) -> Comparison:
    """Models side by side, after a line on each.

    Args:
        names: of the catalogue, or folders; a folder is taken for a model of this recipe.

    Raises:
        RecipeError: the set is missing or damaged, or a condition unknown.
        ModelError: a model does not load.
    """
    said = loaded(asked)
    columns: dict[str, list[Row]] = {}
    silent: dict[str, Share] = {}
    for name in names:
        engine = SttEngine(name, trained_context(name), compute_type=asked.compute_type)
        rows = measure(engine, said, asked.conditions or tuple(CONDITIONS))
        columns[name] = rows
        quiet = silent[name] = words_of_nobody(engine, _QUIET_TRIALS)
        cpu_ms = sum(row.cpu_ms * row.exact.trials for row in rows) / sum(
            row.exact.trials for row in rows
        )
        size = size_of(catalog.locate(name)) / 1e6
        say(f"{name}: {size:.1f} MB, {cpu_ms:.1f} CPU-ms an utterance, silence kept silent {quiet}")
    first, last = names[0], names[-1]
    missed = gate.missed(last, columns[last], silent[last])
    missed += gate.worse(columns[first], columns[last])
    return Comparison(table=table(columns), missed=tuple(missed))


def calibration(name: str, asked: Asked, report_on: str, say: Callable[[str], None]) -> str:
    """A model's confidence, fitted on every kind of utterance but those that are reported on.

    Args:
        report_on: part of the name of a kind: a speaker or an engine that speaks.

    Returns:
        The line for the model's entry in the catalogue.

    Raises:
        RecipeError: the set is missing or damaged.
        CalibrationError: there is not enough to fit or to report on.
        ModelError: the model does not load.
    """
    from models import calibrate

    said = loaded(asked)
    conditions = asked.conditions or tuple(CONDITIONS)
    engine = SttEngine(name, compute_type=asked.compute_type)
    mine = calibrate.heard(engine, [u for u in said if report_on not in u.kind], conditions)
    others = calibrate.heard(engine, [u for u in said if report_on in u.kind], conditions)
    before = catalog.entries()[name].confidence if name in catalog.entries() else None
    found = calibrate.fitted(mine)
    for title, confidence in (("as it was", before or Confidence()), ("fitted", found)):
        report = calibrate.reliability(others, confidence)
        say(f"{title}, on {report_on}: off by {report.off:.3f}, Brier score {report.brier:.3f}")
        for band in report.bands:
            say(f"  {band}")
    return (
        f"confidence = {{ bias = {found.bias}, per_log_prob = {found.per_log_prob},"
        f" per_margin = {found.per_margin} }}"
    )


def trained_context(name: str) -> ContextRule | None:
    """The rule for a model to measure; None: the one that the catalogue or its folder states."""
    if name in catalog.entries() or catalog.stated_context(Path(name)):
        return None
    return TRAINED_CONTEXT


def loaded(asked: Asked) -> list[corpus.Utterance]:
    """The utterances to measure with.

    Raises:
        RecipeError: the set is missing or damaged, or a condition unknown.
    """
    unknown = [name for name in asked.conditions if name not in CONDITIONS]
    if unknown:
        raise RecipeError(f"no condition {unknown[0]!r}; there are {', '.join(CONDITIONS)}")
    try:
        said = corpus.load(asked.said)
    except (OSError, ValueError, KeyError) as error:
        raise RecipeError(
            f"{asked.said} is no evaluation set ({error}); `models train stt` makes one"
        ) from error
    kinds = dict.fromkeys(u.kind for u in said)
    return [one for kind in kinds for one in [u for u in said if u.kind == kind][: asked.limit]]
