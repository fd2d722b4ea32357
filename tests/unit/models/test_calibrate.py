"""What a recogniser says of its own certainty, made to mean what it says."""

import math
import random

import numpy as np
import pytest

from models import calibrate, catalog
from models.calibrate import CalibrationError, Trial
from models.confidence import MARGIN_MAX, Confidence
from models.espeak import EspeakVoice
from models.stt import SttEngine
from models.train.corpus import NO_TARGETS, Utterance

TRUTH = Confidence(bias=1.0, per_log_prob=3.0, per_margin=2.0)


def drawn(count: int, truth: Confidence = TRUTH, seed: int = 1) -> list[Trial]:
    """Utterances that are right as often as `truth` says."""
    rng = random.Random(seed)
    found: list[Trial] = []
    for _ in range(count):
        log_prob, margin = rng.uniform(-1.5, 0.0), rng.uniform(0.0, 1.0)
        right = rng.random() < truth.of(log_prob, margin)
        found.append(Trial(log_prob=log_prob, margin=margin, right=right))
    return found


def test_the_fit_finds_what_made_the_trials():
    found = calibrate.fitted(drawn(20_000))
    assert found.bias == pytest.approx(TRUTH.bias, abs=0.2)
    assert found.per_log_prob == pytest.approx(TRUTH.per_log_prob, abs=0.2)
    assert found.per_margin == pytest.approx(TRUTH.per_margin, abs=0.3)


def test_a_fitted_confidence_is_reliable_and_another_is_not():
    others = drawn(5_000, seed=2)
    good = calibrate.reliability(others, calibrate.fitted(drawn(5_000)))
    bad = calibrate.reliability(others, Confidence(bias=4.0, per_log_prob=0.5, per_margin=0.5))
    assert good.off < 0.03 < bad.off
    assert good.brier < bad.brier
    assert sum(band.count for band in good.bands) == len(others)


def test_a_lead_beyond_the_largest_says_no_more():
    assert TRUTH.of(-0.3, MARGIN_MAX) == TRUTH.of(-0.3, 5.0)
    assert math.isclose(TRUTH.of(-0.3, 0.0), TRUTH.of(-0.3, -1.0))


def test_too_few_right_or_wrong_are_refused():
    with pytest.raises(CalibrationError, match="50 right and wrong"):
        calibrate.fitted([Trial(log_prob=-0.1, margin=0.1, right=True)] * 500)
    with pytest.raises(CalibrationError, match="nothing to report"):
        calibrate.reliability([], TRUTH)


def test_trials_are_what_the_recogniser_made_of_the_utterances():
    pcm = EspeakVoice("en-us").render("yes please").pcm
    said = [
        Utterance(text=text, voice="v", kind="k", pcm=pcm, targets=NO_TARGETS)
        for text in ("yes please", "no thanks")
    ]
    silence = Utterance(
        text="", voice="v", kind="k", pcm=np.zeros(8_000, dtype=np.int16), targets=NO_TARGETS
    )
    found = calibrate.heard(SttEngine(), [*said, silence], ["mu-law"])
    assert [trial.right for trial in found[:2]] == [True, False]


def test_a_models_own_confidence_comes_from_the_catalogue(monkeypatch: pytest.MonkeyPatch):
    import dataclasses

    pcm = EspeakVoice("en-us").render("yes please").pcm
    usual = SttEngine().transcribe(pcm).confidence
    entry = dataclasses.replace(
        catalog.entries()["frontdesk-small"], confidence=Confidence(bias=-9.0)
    )
    monkeypatch.setattr(catalog, "entries", lambda: {"frontdesk-small": entry})
    assert SttEngine().transcribe(pcm).confidence < 0.1 < usual
