# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
"""Fits a published Whisper to short inputs and to what a flow's callers say.

Published Whispers were only ever given 30 s. Given the utterance alone they repeat themselves and
invent; and the utterance alone is what makes them cheap. So the encoder is taught to make of the
utterance what it made of the utterance and 27 s of nothing (the idea of "audio context
fine-tuning"): a frozen copy hears the padded features, and its output where the utterance lies is
the target. Beside that the decoder is taught the flow's own words, as synthetic callers say them
on the telephone.
"""

import copy
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from models import catalog
from models.catalog import ContextRule, Rule
from models.decoding import FRAMES_PER_S
from models.stt import SttEngine
from models.train import build, corpus, evaluate, lora
from models.train.augment import telephone
from models.train.batches import FULL_FRAMES, HOP, Features, padded
from models.train.config import RecipeError
from models.train.corpus import Utterance
from models.train.phonemes import IGNORED
from models.train.precision import autocast
from models.train.text import Texts
from models.train.whisper_folder import Opened, opened, save

ADAPTED: Final = ContextRule(rule=Rule.EXACT, margin_s=0.0, longest_s=build.LONGEST_S, step_s=0.5)
"""How an adapted model listens. Most of what a published one costs is its decoder, with its large
vocabulary: half a second more or less of zeros lets calls share it."""

_CONDITIONS: Final = ("mu-law", "bad line")
_REPORT_EVERY: Final = 20  # steps
_CLIP: Final = 1.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptation:
    """What to adapt, to what, for how long.

    flows: whose phrases are learnt. utterances: synthesised for it. minutes: of training; the rate
    falls to nothing at their end. rank: of low-rank changes; 0 trains all weights. words: weight
    of the words' loss beside the encoder's. together: utterances in a step. each: utterances of a
    kind in the comparison at the end.

    Raises:
        ValueError: a figure makes no sense.
    """

    name: str
    out: Path
    flows: tuple[Path, ...]
    corpora: tuple[Path, ...] = ()
    utterances: int = 2_000
    minutes: float = 20.0
    rank: int = 0
    rate: float | None = None
    words: float = 0.3
    together: int = 8
    each: int = 20
    language: str = "en"
    device: str = "auto"
    threads: int = 2
    seed: int = 1

    def __post_init__(self) -> None:
        least = min(self.utterances, self.together, self.each, self.threads)
        if least < 1 or self.minutes <= 0 or self.rank < 0 or self.words < 0:
            raise ValueError("figures of an adaptation must be above 0, rank and words 0 or more")

    @property
    def highest_rate(self) -> float:
        """Low-rank changes begin at nothing and bear far more."""
        return self.rate or (5e-4 if self.rank else 2e-5)


def run(asked: Adaptation, say: Say) -> Path:
    """Adapt, write an int8 model to `out`, and say how it compares; returns `out`.

    Raises:
        UnknownModelError, MissingModelError, DamagedModelError: see catalog.verify.
        EngineError: it is no Whisper of CTranslate2.
        RecipeError: `out` is taken. OSError: a file cannot be read or written.
    """
    if asked.out.exists() and any(asked.out.iterdir()):
        raise RecipeError(f"{asked.out} is not empty; name another folder")
    source = catalog.verify(asked.name)
    torch.manual_seed(asked.seed)
    torch.set_num_threads(asked.threads)
    found = opened(source, asked.language)
    said = _said(asked, evaluation=False)
    say(f"{len(said)} utterances to learn from, {_trained(found, asked)}")
    Adapter(found, asked, say).train(said)
    lora.merge(found.model)
    save(found, asked.out, ADAPTED)
    say(_compared(asked))
    return asked.out


class Adapter:
    """The teacher and what learns from it."""

    def __init__(self, found: Opened, asked: Adaptation, say: Say = print) -> None:
        self._asked, self._say = asked, say
        self._device = _device(asked.device)
        self._found = found
        self.student = found.model.to(self._device)
        self.teacher = copy.deepcopy(self.student).eval().requires_grad_(False)
        trained = lora.freeze(self.student, asked.rank) if asked.rank else self.student.parameters()
        self._trained = list(trained)
        self._optimiser = torch.optim.AdamW(
            self._trained, lr=asked.highest_rate, betas=(0.9, 0.98), weight_decay=0.0
        )
        self._features = Features(self.student.shape.mels)
        self._rng = random.Random(asked.seed)
        self._noise = np.random.default_rng(asked.seed)

    def train(self, said: Sequence[Utterance], most_steps: int | None = None) -> None:
        """Until the minutes are over, or for so many steps."""
        begun_s = time.monotonic()
        self.student.train()
        for number, chosen in enumerate(self._chosen(said)):
            share = (time.monotonic() - begun_s) / (60 * self._asked.minutes)
            if share >= 1 or number == most_steps:
                break
            losses = self.step(chosen, self._asked.highest_rate * (1 - share))
            if number % _REPORT_EVERY == 0:
                sums = " ".join(f"{name} {value:.4f}" for name, value in losses.items())
                self._say(f"step {number}, {100 * share:.0f}%: {sums}")
        self.student.eval()

    def step(self, chosen: Sequence[Utterance], rate: float) -> dict[str, float]:
        """One step; the losses before it."""
        return self.learn(self.losses(*self.heard(chosen)), rate)

    def learn(self, losses: dict[str, Tensor], rate: float) -> dict[str, float]:
        """Go one step down; the losses as numbers."""
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        loss = losses["sound"] + self._asked.words * losses["words"]
        self._optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._trained, _CLIP)
        self._optimiser.step()
        return {name: float(value.detach()) for name, value in losses.items()}

    def heard(self, chosen: Sequence[Utterance]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features on the telephone, frames of each that are its own, tokens in and out."""
        voices = [corpus.floats(one.pcm) for one in chosen]
        audios = [telephone(voice, self._rng, self._noise, voices).audio for voice in voices]
        mels = self._features(torch.from_numpy(padded(audios)))
        own = torch.tensor([-(-2 * len(audio) // HOP // 2) for audio in audios])
        rows = [[*self._found.prompt, *self._found.encode(one.text)] for one in chosen]
        longest = max(map(len, rows))
        inputs = torch.full((len(rows), longest), self._found.end)
        outputs = torch.full((len(rows), longest), IGNORED)
        first = len(self._found.prompt)
        for at, row in enumerate(rows):
            inputs[at, : len(row)] = torch.tensor(row)
            outputs[at, first - 1 : len(row)] = torch.tensor([*row[first:], self._found.end])
        return (
            mels.to(self._device),
            own.to(self._device),
            inputs.to(self._device),
            outputs.to(self._device),
        )

    def losses(
        self, mels: Tensor, own: Tensor, inputs: Tensor, outputs: Tensor
    ) -> dict[str, Tensor]:
        """How far the encoder is from the teacher's, relative to the latter; and the words'."""
        step = round(ADAPTED.step_s * FRAMES_PER_S)
        full = F.pad(mels, (0, max(0, FULL_FRAMES - mels.shape[2])))
        mels = full[:, :, : -(-mels.shape[2] // step) * step]
        with torch.no_grad(), autocast(self._device):
            wanted = self.teacher.encode(full)[:, : mels.shape[2] // 2].float()
        with autocast(self._device):
            encoded = self.student.encode(mels)
            logits = self.student.decode(inputs, encoded)
        inside = (torch.arange(wanted.shape[1], device=own.device)[None] < own[:, None])[..., None]
        error = ((encoded.float() - wanted).square() * inside).sum()
        sound = error / (wanted.square() * inside).sum().clamp_min(1e-9)
        words = F.cross_entropy(
            logits.float().flatten(0, 1), outputs.flatten(), ignore_index=IGNORED
        )
        return {"sound": sound, "words": words}

    def _chosen(self, said: Sequence[Utterance]) -> Iterator[list[Utterance]]:
        """Endless batches, each of utterances of about one length."""
        together = self._asked.together
        while True:
            ranked = sorted(said, key=lambda one: one.seconds + self._rng.uniform(0, 0.3))
            groups = [ranked[at : at + together] for at in range(0, len(ranked), together)]
            self._rng.shuffle(groups)
            yield from groups


def _said(asked: Adaptation, *, evaluation: bool) -> list[Utterance]:
    texts = Texts(asked.flows, asked.corpora, evaluation=evaluation)
    studio = build.Studio(texts, None, (), evaluation=evaluation)
    if evaluation:
        said = evaluate.utterances(studio, texts, asked.each, asked.seed)
        return [one for one in said if not one.kind.startswith("English")]
    return studio.utterances(asked.utterances, random.Random(asked.seed))


def _trained(found: Opened, asked: Adaptation) -> str:
    every = sum(parameter.numel() for parameter in found.model.parameters())
    how = f"low-rank changes of rank {asked.rank}" if asked.rank else "all weights"
    return f"{every / 1e6:.1f} million weights, training {how}"


def _compared(asked: Adaptation) -> str:
    """Before and after, both given the utterance alone, and before as it was meant to be used."""
    said = _said(asked, evaluation=True)
    columns = {
        f"{asked.name}, as published": SttEngine(asked.name, language=asked.language),
        f"{asked.name}, short": SttEngine(asked.name, ADAPTED, language=asked.language),
        "adapted": SttEngine(asked.out, language=asked.language),
    }
    return evaluate.table(
        {name: evaluate.measure(engine, said, _CONDITIONS) for name, engine in columns.items()}
    )


def _device(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"
