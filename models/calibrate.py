"""A model's confidence, fitted on some speakers and reported on others.

What a recogniser's probabilities mean differs from model to model and from line to line. Fitted on
utterances whose words are known, "0.8" comes to mean that eight of ten such utterances are right.
Speakers, not utterances, are held out: a model is surer of voices it knows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np

from models.confidence import MARGIN_MAX, Confidence
from models.errors import ModelError
from models.stt import SttEngine
from models.train import corpus, evaluate
from models.train.corpus import Utterance
from models.transcript import lead_of, normalise

_BANDS: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_LEAST: Final = 50  # utterances of either sort; fewer fit noise


class CalibrationError(ModelError):
    """There is not enough to fit or to report on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One utterance: what the recogniser was told by its figures, and whether it was right."""

    log_prob: float
    margin: float
    right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Utterances whose confidence lies in [low, high)."""

    low: float
    high: float
    count: int
    stated: float  # mean confidence
    right: float  # share

    def __str__(self) -> str:
        stated = f"{self.count} utterances, stated {self.stated:.2f}, right {self.right:.2f}"
        return f"{self.low:.1f}-{self.high:.1f}: {stated}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """brier: mean squared error of the confidence. off: mean |stated - right|, weighted by band."""

    bands: tuple[Band, ...]
    brier: float
    off: float


def heard(engine: SttEngine, said: Sequence[Utterance], conditions: Sequence[str]) -> list[Trial]:
    """Transcribe the utterances in every condition; those that came out empty are left out."""
    found: list[Trial] = []
    voices = [corpus.floats(one.pcm) for one in said[:200]]
    for one, pcm in evaluate.trials(said, conditions, voices):
        transcript = engine.transcribe(pcm)
        if transcript.hypotheses:
            found.append(
                Trial(
                    log_prob=transcript.hypotheses[0].log_prob,
                    margin=lead_of(transcript.hypotheses),
                    right=transcript.text == normalise(one.text),
                )
            )
    return found


def fitted(trials: Sequence[Trial]) -> Confidence:
    """The logistic that makes the trials likeliest.

    Raises:
        CalibrationError: too few are right, or too few wrong.
    """
    right = sum(trial.right for trial in trials)
    if min(right, len(trials) - right) < _LEAST:
        raise CalibrationError(
            f"{right} of {len(trials)} utterances are right: {_LEAST} right and wrong are needed"
        )
    from sklearn.linear_model import LogisticRegression

    figures = [(trial.log_prob, min(max(trial.margin, 0.0), MARGIN_MAX)) for trial in trials]
    made: Any = LogisticRegression(C=1e3)
    made.fit(np.asarray(figures), np.asarray([trial.right for trial in trials]))
    per_log_prob, per_margin = (float(each) for each in made.coef_[0])
    return Confidence(
        bias=round(float(made.intercept_[0]), 3),
        per_log_prob=round(per_log_prob, 3),
        per_margin=round(per_margin, 3),
    )


def reliability(trials: Sequence[Trial], confidence: Confidence) -> Reliability:
    """How well what is stated fits what is right.

    Raises:
        CalibrationError: there are no trials.
    """
    if not trials:
        raise CalibrationError("there is nothing to report on")
    stated = [confidence.of(trial.log_prob, trial.margin) for trial in trials]
    bands: list[Band] = []
    for low, high in pairwise(_BANDS):
        inside = [n for n, sure in enumerate(stated) if low <= sure < high or sure == high == 1.0]
        if inside:
            bands.append(
                Band(
                    low=low,
                    high=high,
                    count=len(inside),
                    stated=sum(stated[n] for n in inside) / len(inside),
                    right=sum(trials[n].right for n in inside) / len(inside),
                )
            )
    brier = sum((sure - trial.right) ** 2 for sure, trial in zip(stated, trials, strict=True))
    off = sum(band.count * abs(band.stated - band.right) for band in bands)
    return Reliability(bands=tuple(bands), brier=brier / len(trials), off=off / len(trials))
