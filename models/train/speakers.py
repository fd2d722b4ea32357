"""Each speaker of the recordings held out in turn: how well people are understood who are new.

One model for each, trained by the same recipe without that speaker. A start model that has heard
the speaker would give away what is asked, so that training then begins afresh.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from models.stt import SttEngine
from models.train import digits, evaluate
from models.train.config import Recipe, RecipeError
from models.train.evaluate import Row
from models.train.report import trained_context

LEAST_DIGITS: Final = 0.92
LEAST_STRINGS: Final = 0.60
"""Of digits, and of strings of six within the slot, for each speaker: what a release must reach."""

_AFRESH_SHORT_UNTIL: Final = 0.15  # a fresh model aligns on short utterances first

Say = Callable[[str], None]
Train = Callable[[Recipe, Say], Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A speaker, and how the model that never heard them did: rows of strings of four and six."""

    speaker: str
    rows: tuple[Row, ...]

    @property
    def digits(self) -> float:
        """Share of digits right: inserted ones count against it."""
        counts = [count for row in self.rows for count in row.rate.counts]
        return 1.0 - sum(wrong for wrong, _ in counts) / max(1, sum(words for _, words in counts))

    @property
    def missed(self) -> tuple[str, ...]:
        """What was not reached, in words."""
        found: list[str] = []
        if self.digits < LEAST_DIGITS:
            found.append(f"{self.speaker}: {self.digits:.1%} of digits, not {LEAST_DIGITS:.0%}")
        for row in self.rows:
            if row.name.startswith("6") and row.slot and row.slot[1].value < LEAST_STRINGS:
                found.append(f"{row.name}: {row.slot[1].value:.0%} exact, not {LEAST_STRINGS:.0%}")
        return tuple(found)


def without(recipe: Recipe, speaker: str) -> Recipe:
    """The recipe with that speaker alone held out, in a work folder of its own."""
    found = replace(recipe, held_out_speakers=(speaker,), work=recipe.work / f"without-{speaker}")
    if recipe.start is None or speaker not in recipe.start_heard:
        return found
    plan = replace(recipe.plan, short_until=max(recipe.plan.short_until, _AFRESH_SHORT_UNTIL))
    return replace(found, start=None, start_heard=(), plan=plan)


def each_out(recipe: Recipe, say: Say, train: Train) -> list[Held]:
    """Train one model without each speaker and measure it on that speaker, mu-law.

    Raises:
        RecipeError: the recipe has no recordings, or of fewer than two speakers.
    """
    recorded = digits.recordings(*recipe.digits) if recipe.digits else {}
    if len(recorded) < 2:
        raise RecipeError("holding each speaker out needs recordings of two or more")
    found: list[Held] = []
    for speaker in sorted(recorded):
        one = without(recipe, speaker)
        say(f"without {speaker}, {'from ' + str(one.start) if one.start else 'afresh'}")
        folder = train(one, say)
        engine = SttEngine(folder, trained_context(str(folder)))
        said = evaluate.recorded(recorded, (speaker,), recipe.evaluation_per_set, recipe.seed)
        rows = evaluate.measure(engine, said, ("mu-law",))
        found.append(Held(speaker=speaker, rows=tuple(rows)))
    return found


def table(found: Sequence[Held]) -> str:
    """As Markdown."""
    lines = [
        "| held out | strings | word errors | exact, free | exact, within the slot |",
        "|---|---|---|---|---|",
    ]
    for held in found:
        for row in held.rows:
            within = row.slot[1] if row.slot else "–"
            lines.append(f"| {held.speaker} | {row.name} | {row.rate} | {row.exact} | {within} |")
    return "\n".join(lines)
