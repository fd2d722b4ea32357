"""What the encoder heard, letter by letter: a second opinion on what the decoder made of it.

A small attention decoder loses count: it repeats a digit or leaves one out, and is sure of it. The
same encoder, trained with connectionist temporal classification (CTC; Graves et al., 2006), has a
head that names a letter or nothing for every 20 ms, and cannot lose its place. It is one matrix of
the encoder's width by the alphabet, in `letters.npz` beside a model's weights; what models without
it say is taken as it is.

Both opinions together choose among the decoder's hypotheses (joint CTC/attention decoding, Watanabe
et al., 2017). One that the letters find less likely than another loses log probability for it; the
one they find likeliest keeps its own, so that thresholds and the confidence mean what they did.
"""

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

import numpy as np

from models.errors import DamagedModelError
from models.speech import Samples
from models.transcript import Hypothesis

FILE: Final = "letters.npz"
"""Beside the weights: `weight`, shape (letters + 1, width), and `bias`, shape (letters + 1,)."""

ALPHABET: Final = " 'abcdefghijklmnopqrstuvwxyz"
BLANK: Final = len(ALPHABET)

_WEIGHT: Final = 0.1  # of the letters beside the decoder; 0.1 to 0.3 do about as well
_NEAR: Final = 6.0  # in log probability: what is further behind the best stays behind it
_TINY: Final = 1e-300
_INDEX: Final = {letter: index for index, letter in enumerate(ALPHABET)}


class LetterHead:
    """The matrix: encoder output to letters. Weights as in the file."""

    def __init__(self, weight: Samples, bias: Samples) -> None:
        self._weight = weight.T.copy()
        self._bias = bias

    @classmethod
    def beside(cls, folder: Path) -> Self | None:
        """The head of the model in that folder, if it has one.

        Raises:
            DamagedModelError: its file is not one.
        """
        found = load(folder)
        return found and cls(*found)

    @property
    def width(self) -> int:
        """Of the encoder that it belongs to."""
        return len(self._weight)

    def probs(self, encoded: Samples) -> Samples:
        """Log probabilities, shape (frames, letters + 1), of encoder output (frames, width)."""
        logits = encoded @ self._weight + self._bias
        logits -= logits.max(axis=1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def weigh(
        self,
        encoded: Callable[[], Samples],
        found: Sequence[Hypothesis],
        tokens: Callable[[str], int],
    ) -> tuple[Hypothesis, ...]:
        """Hypotheses in the order of both opinions.

        Args:
            encoded: gives the encoder output, shape (frames, width); not asked where one hypothesis
                is far ahead of all.
            tokens: how many a text has, its end counted.
        """
        counts = {one.text: tokens(one.text) for one in found}
        totals = [one.log_prob * counts[one.text] for one in found]
        near = [
            one for one, total in zip(found, totals, strict=True) if total > max(totals) - _NEAR
        ]
        if len(near) < 2:
            return tuple(found)
        scores = score(self.probs(encoded()), [one.text for one in near])
        behind = {
            one.text: (max(scores) - value) / counts[one.text]
            for one, value in zip(near, scores, strict=True)
        }
        furthest = max(behind.values())
        weighed = (
            replace(one, log_prob=one.log_prob - _WEIGHT * behind.get(one.text, furthest))
            for one in found
        )
        return tuple(sorted(weighed, key=lambda one: -one.log_prob))


def load(folder: Path) -> tuple[Samples, Samples] | None:
    """Weight and bias of the head beside a model's weights, if there is one.

    Raises:
        DamagedModelError: its file is not one.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as kept:
            weight, bias = kept["weight"].astype(np.float32), kept["bias"].astype(np.float32)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DamagedModelError(f"{path} is damaged: {error}") from error
    if weight.ndim != 2 or len(weight) != BLANK + 1 or bias.shape != (BLANK + 1,):
        raise DamagedModelError(f"{path} has a matrix of {weight.shape} and {bias.shape}")
    return weight, bias


def save(folder: Path, weight: Samples, bias: Samples) -> None:
    """Write a head beside a model's weights.

    Raises:
        OSError: the folder cannot be written.
    """
    path = folder / FILE
    np.savez(path, weight=weight.astype(np.float16), bias=bias.astype(np.float16))  # 15 KB


def score(probs: Samples, texts: Sequence[str]) -> list[float]:
    """The log probability of each of at least one text, over all its alignments: CTC's forward
    pass, scaled frame by frame so that nothing vanishes.

    What the alphabet lacks, such as figures, is left out.

    Args:
        probs: log probabilities, shape (frames, letters + 1).
    """
    rows = [[_INDEX[letter] for letter in text if letter in _INDEX] for text in texts]
    labels = np.full((len(rows), 2 * max(map(len, rows)) + 1), BLANK)
    for at, row in enumerate(rows):
        labels[at, 1 : 2 * len(row) : 2] = row
    # Two on only to a letter that differs from that one: between doubles there is a blank.
    leap = np.zeros(labels.shape)
    leap[:, 2:] = (labels[:, 2:] != BLANK) & (labels[:, 2:] != labels[:, :-2])
    emitted = np.exp(probs.astype(np.float64))[:, labels]  # (frames, texts, states)
    reached = np.zeros((len(rows), labels.shape[1] + 2))  # two more before the first state
    reached[:, 2] = 1.0  # before the first frame, as if after a blank of no length
    scale = np.zeros(len(rows))
    for now in emitted:
        moved = (reached[:, 2:] + reached[:, 1:-1] + leap * reached[:, :-2]) * now
        total = moved.sum(axis=1) + _TINY
        scale += np.log(total)
        reached[:, 2:] = moved / total[:, None]
    ends = np.array([2 * len(row) + 2 for row in rows])
    every = np.arange(len(rows))
    whole = reached[every, ends] + np.where(ends > 2, reached[every, ends - 1], 0.0)
    return [float(value) for value in np.log(whole + _TINY) + scale]
