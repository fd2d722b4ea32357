# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
"""Word errors of a model in training, decoded greedily in batches."""

import random
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch

from models.train import augment, corpus
from models.train.batches import Features, padded
from models.train.corpus import Utterance
from models.train.evaluate import CONDITIONS, Chance, heard_as
from models.train.model import Whisper
from models.train.scoring import word_errors
from models.train.vocabulary import Vocabulary

_BATCH: Final = 24
_MOST_TOKENS: Final = 60


class WordErrors:
    """The word error rate on the same utterances each time, mu-law with a little hiss."""

    def __init__(self, said: Sequence[Utterance], vocabulary: Vocabulary) -> None:
        self._said = sorted(said, key=lambda u: u.seconds)
        self._vocabulary = vocabulary
        self._features = Features()

    def __call__(self, model: Whisper) -> float:
        model.eval()
        errors = words = 0
        for begin in range(0, len(self._said), _BATCH):
            chosen = self._said[begin : begin + _BATCH]
            for one, heard in zip(chosen, self.heard(model, chosen), strict=True):
                want = one.text.split()
                errors, words = errors + word_errors(want, heard.split()), words + len(want)
        return errors / max(1, words)

    @torch.no_grad()  # pyright: ignore[reportUntypedFunctionDecorator]
    def heard(self, model: Whisper, said: Sequence[Utterance]) -> list[str]:
        """What the model makes of the utterances, likeliest token by token."""
        v = self._vocabulary
        audio = [self._line(one, number) for number, one in enumerate(said)]
        encoded = model.encode(self._features(torch.from_numpy(padded(audio))))
        tokens = torch.tensor([[v.start, v.no_timestamps]] * len(said))
        done = torch.zeros(len(said), dtype=torch.bool)
        for _ in range(_MOST_TOKENS):
            following = model.decode(tokens, encoded)[:, -1].argmax(-1)
            following[done] = v.end
            tokens = torch.cat([tokens, following[:, None]], dim=1)
            done |= following == v.end
            if done.all():
                break
        return [v.decode(row[2:].tolist()) for row in tokens]

    def _line(self, one: Utterance, number: int) -> augment.Audio:
        chance = Chance(random.Random(number), np.random.default_rng(number), ())
        return corpus.floats(heard_as(one, CONDITIONS["mu-law"], chance))
