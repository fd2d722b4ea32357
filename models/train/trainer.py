# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
"""The training loop: loss, schedule, checkpoints, and an early stop on the evaluation."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from models.letters import BLANK
from models.train.batches import Batch, Batches
from models.train.config import Plan
from models.train.model import Shape, Whisper
from models.train.phonemes import IGNORED
from models.train.precision import autocast
from models.train.vocabulary import Vocabulary

_SMOOTHING: Final = 0.05
_AVERAGE: Final = 0.996  # the weights that are kept are a mean over the last 250 steps or so
_CLIP: Final = 1.0
_REPORT_EVERY: Final = 25  # steps


@dataclass(slots=True)
class Progress:
    """Where training is; what a checkpoint keeps beside the weights."""

    step: int = 0
    seen: int = 0
    trained_s: float = 0.0
    best: float = math.inf
    worse: int = 0


class Trainer:
    """Trains one model; checkpoints and resumes in a folder.

    Args:
        evaluate: the word error rate of a model; lower is better.
        say: where progress lines go.
    """

    def __init__(
        self,
        model: Whisper,
        vocabulary: Vocabulary,
        batches: Batches,
        plan: Plan,
        folder: Path,
        *,
        evaluate: Callable[[Whisper], float],
        say: Callable[[str], None] = print,
    ) -> None:
        if plan.letters_only:
            model.requires_grad_(False).letters.requires_grad_(True)
        self.model = model
        self.average = copy.deepcopy(model)
        self._vocabulary = vocabulary
        self._batches = batches
        self._plan = plan
        self._folder = folder
        self._evaluate = evaluate
        self._say = say
        self._optimiser = torch.optim.AdamW(
            model.parameters(), lr=plan.rate, betas=(0.9, 0.98), weight_decay=0.01
        )
        self.progress = Progress()
        self.losses: dict[str, float] = {}

    def resume(self) -> bool:
        """Go on from the last checkpoint; False when there is none."""
        path = self._folder / "last.pt"
        if not path.exists():
            return False
        kept: dict[str, Any] = torch.load(path, weights_only=True)
        self.model.load_state_dict(kept["model"])
        self.average.load_state_dict(kept["average"])
        self._optimiser.load_state_dict(kept["optimiser"])
        self.progress = Progress(**kept["progress"])
        return True

    def save(self, name: str = "last.pt") -> Path:
        """Write a checkpoint; the file is whole or the one before."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / name
        kept = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "progress": {n: getattr(self.progress, n) for n in Progress.__slots__},  # pyright: ignore
            "shape": {n: getattr(self.model.shape, n) for n in Shape.__slots__},  # pyright: ignore
        }
        partial = path.with_suffix(".partial")
        torch.save(kept, partial)
        partial.replace(path)
        return path

    def train(self) -> Whisper:
        """Train to the end of the plan or until it gets no better; the averaged model."""
        begun_s, before_s = time.monotonic(), self.progress.trained_s
        evaluated_s = begun_s
        self.model.train()
        for batch in self._batches:
            share = self.done()
            self._batches.longest_s = self._plan.short_s if share < self._plan.short_until else 9.0
            if share >= 1:
                break
            self.step(batch, self._rate(share))
            now_s = time.monotonic()
            self.progress.trained_s = before_s + now_s - begun_s
            if self.progress.step % _REPORT_EVERY == 0:
                self._say(self._line())
            if now_s - evaluated_s >= self._plan.evaluate_every_s:
                evaluated_s = now_s
                if not self._still_improving():
                    break
        self.save()
        return self.average

    def done(self) -> float:
        """Which share of the plan is done."""
        minutes, utterances = self._plan.minutes, self._plan.utterances
        return max(self.progress.trained_s / (60 * minutes), self.progress.seen / utterances)

    def step(self, batch: Batch, rate: float) -> None:
        """One step on one batch."""
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        with autocast("cpu"):
            encoded = self.model.encode(batch.mels)
            logits = self.model.decode(batch.inputs, encoded)
            letters, sounds = self.model.letters(encoded), self.model.sounds(encoded)
        losses = _losses(batch, logits.float(), letters.float(), sounds.float())
        loss = losses["words"] + self._plan.letters * losses["letters"]
        loss = loss + self._plan.sounds * losses["sounds"]
        self._optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), _CLIP)
        self._optimiser.step()
        self.progress.step += 1
        self.progress.seen += len(batch.mels)
        self._remember()
        for name, value in losses.items():
            now = float(value.detach())
            self.losses[name] = 0.97 * self.losses.setdefault(name, now) + 0.03 * now

    def _remember(self) -> None:
        keep = min(_AVERAGE, 1 - 1 / (1 + self.progress.step))
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(now, 1 - keep)

    def _rate(self, share: float) -> float:
        warm = min(1.0, (self.progress.step + 1) / self._plan.warm_up)
        return self._plan.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))

    def _still_improving(self) -> bool:
        rate = self._evaluate(self.average)
        self.model.train()
        better = rate < self.progress.best
        self.progress.best = min(rate, self.progress.best)
        self.progress.worse = 0 if better else self.progress.worse + 1
        self._say(
            f"evaluation: {100 * rate:.1f}% word errors, best {100 * self.progress.best:.1f}%"
        )
        self.save()
        if better:
            self.save("best.pt")
        return self.progress.worse < self._plan.patience

    def _line(self) -> str:
        losses = " ".join(f"{name} {value:.3f}" for name, value in self.losses.items())
        speed = self.progress.seen / max(self.progress.trained_s, 1e-9)
        return (
            f"step {self.progress.step}, {self.progress.seen} utterances, "
            f"{100 * self.done():.0f}%: {losses}, {speed:.1f} utterances/s"
        )


def _losses(batch: Batch, logits: Tensor, letters: Tensor, sounds: Tensor) -> dict[str, Tensor]:
    words = F.cross_entropy(
        logits.flatten(0, 1),
        batch.outputs.flatten(),
        ignore_index=IGNORED,
        label_smoothing=_SMOOTHING,
    )
    lengths = torch.full((len(letters),), letters.shape[1])
    spelled = F.ctc_loss(
        letters.log_softmax(-1).transpose(0, 1),
        batch.letters,
        lengths,
        batch.letter_counts,
        blank=BLANK,
        reduction="none",
        zero_infinity=True,
    )
    # Silence has no letters, and the loss of a whole row of blanks would drown the others.
    spoken = batch.letter_counts > 0
    spelled = (spelled / batch.letter_counts.clamp_min(1))[spoken].sum() / spoken.sum().clamp_min(1)
    known = (batch.sounds != IGNORED).sum()
    heard = F.cross_entropy(
        sounds.flatten(0, 1), batch.sounds.flatten(), ignore_index=IGNORED, reduction="sum"
    ) / known.clamp_min(1)
    return {"words": words, "letters": spelled, "sounds": heard}
