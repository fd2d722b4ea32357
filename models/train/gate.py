"""May a model be released: against what it must reach, and against the one before it.

A model is worse than another where the difference of their word errors on the same utterances, in
the same noise, is above zero in 97.5% of resamples of the utterances: sixty of a kind tell ten
points apart and not two, and a gate that fails by chance is soon left open.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from models.train.evaluate import Row
from models.train.scoring import ErrorRate, Share

MOST_WRONG: Final[Mapping[tuple[str, str], float]] = {
    ("flow", "mu-law"): 0.08,
    ("flow", "babble 10 dB"): 0.12,
}
"""Word errors, by the kind of utterance and the condition."""

LEAST_RIGHT: Final[Mapping[tuple[str, str], float]] = {
    ("digits 6-10", "mu-law"): 0.95,
    ("yes/no", "mu-law"): 0.99,
    ("6 recorded digits", "mu-law"): 0.60,
}
"""Values right within the slot."""

LEAST_SILENT: Final = 0.99
"""Of what nobody said, that gave no words."""

_RESAMPLES: Final = 2_000
_SURE: Final = 0.975


def missed(name: str, rows: Sequence[Row], silent: Share) -> list[str]:
    """Every target that a model does not reach, in words."""
    found: list[str] = []
    for row in rows:
        key = row.name.split(",")[0], row.condition
        most, least = MOST_WRONG.get(key), LEAST_RIGHT.get(key)
        where = f"{name}: {row.name}, {row.condition}"
        if most is not None and row.rate.value > most:
            found.append(f"{where}: {row.rate} word errors, not {most:.0%}")
        if least is not None and row.slot and row.slot[1].value < least:
            found.append(f"{where}: {row.slot[1]} right, not {least:.0%}")
    if silent.value < LEAST_SILENT:
        found.append(f"{name}: {silent} of silence and noise without words, not {LEAST_SILENT:.0%}")
    return found


def worse(before: Sequence[Row], after: Sequence[Row]) -> list[str]:
    """Where a model is surely worse than the one before it, in words.

    Args:
        before, after: of the same utterances in the same order.
    """
    return [
        f"{old.name}, {old.condition}: {new.rate} word errors, {old.rate} before"
        for old, new in zip(before, after, strict=True)
        if is_worse(old.rate, new.rate)
    ]


def is_worse(before: ErrorRate, after: ErrorRate) -> bool:
    """Whether the second has more word errors than chance explains, utterance by utterance.

    Raises:
        ValueError: they are not of the same utterances.
    """
    if [words for _, words in before.counts] != [words for _, words in after.counts]:
        raise ValueError("two error rates of different utterances cannot be compared")
    if not before.counts:
        return False
    more = np.asarray(after.counts)[:, 0] - np.asarray(before.counts)[:, 0]
    drawn = np.random.default_rng(1).integers(len(more), size=(_RESAMPLES, len(more)))
    return float((more[drawn].sum(axis=1) > 0).mean()) >= _SURE
