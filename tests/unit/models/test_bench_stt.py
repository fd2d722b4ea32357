"""The bench of the recogniser: its models write what they should, its queue adds up."""

from pathlib import Path

import numpy as np
import pytest

from models.bench.random_whisper import Size, make, vocabulary
from models.bench.stt import (
    TUNED,
    Cost,
    ModelCost,
    SttReport,
    WordErrors,
    library,
    sustained,
    table,
    text_of,
    utterance,
)
from models.catalog import ContextRule, Rule
from models.speech import RATE_HZ, resample
from models.stt import SttEngine

TOKENS = 6
SMALLEST = Size(width=64, layers=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("random")
    make(SMALLEST, made, tokens=TOKENS)
    return made


def test_a_random_model_writes_its_sentence_whoever_decodes_it(folder: Path):
    """Neither engine looks twice, so that both are measured at one decode of the same length."""
    pcm = utterance(2.0, 1)
    wide = resample((pcm / 32768).astype(np.float32), RATE_HZ, 16_000)
    ours = SttEngine(folder, ContextRule(rule=Rule.EXACT), retry=False).transcribe(pcm)
    model = library(folder)
    assert len(ours.text.split()) == TOKENS
    assert ours.hypotheses[0].log_prob > -0.1
    for options in ({}, TUNED):
        assert text_of(model, wide, **options).split() == ours.text.split()


def test_the_vocabulary_is_as_large_as_whispers():
    names = vocabulary()
    assert len(names) == len(set(names)) == 51_865


@pytest.mark.parametrize("tokens", [0, 1_000])
def test_a_sentence_that_does_not_fit_is_refused(tmp_path: Path, tokens: int):
    with pytest.raises(ValueError, match="tokens"):
        make(SMALLEST, tmp_path / "m", tokens=tokens)


@pytest.mark.parametrize("seconds", [0.5, 3.0])
def test_utterances_have_the_length_asked_for(seconds: float):
    assert len(utterance(seconds, 1)) == round(seconds * RATE_HZ)


def test_a_queue_sustains_nothing_that_an_idle_server_cannot():
    assert sustained([0.31]) == 0.0


def test_a_queue_sustains_what_theory_says():
    """Erlang's M/D/1 waiting time: P(W <= 2 D) = (1 - r)(e^2r - r e^r) is 0.95 at r = 0.49."""
    assert sustained([0.1]) == pytest.approx(4.9, rel=0.03)


def test_shorter_service_sustains_more_than_in_proportion():
    assert sustained([0.05]) > 2 * sustained([0.1])


def cost(seconds: float) -> Cost:
    return Cost(cpu_s=(seconds,))


def measured(name: str, ours_s: float, worse: float = 0.0) -> ModelCost:
    return ModelCost(
        name=name,
        ours=cost(ours_s),
        greedy=cost(ours_s),
        shipped=cost(0.25),
        tuned=cost(0.16),
        word_errors=WordErrors(ours=0.02 + worse, padded=0.02),
    )


def test_every_missed_target_is_named():
    report = SttReport(models=(measured("frontdesk-small", 0.02, worse=0.01),))
    assert len(report.missed) == 3
    assert "as shipped 12.5x, not 25x" in report.missed[0]
    assert "tuned 8.0x, not 15x" in report.missed[1]
    assert "1.0 points more word errors" in report.missed[2]


def test_reached_targets_are_not_named():
    report = SttReport(models=(measured("frontdesk-small", 0.005),))
    assert report.missed == ()
    assert "frontdesk-small" in table(report)
    assert report.as_dict()["models"][0]["times_shipped"] == pytest.approx(50.0)
