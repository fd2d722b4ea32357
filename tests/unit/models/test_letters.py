"""The letters' opinion: CTC's score against every alignment, and what it does to hypotheses."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from models import letters
from models.errors import DamagedModelError
from models.letters import ALPHABET, BLANK, LetterHead
from models.speech import Samples
from models.transcript import Hypothesis

WIDTH = 8


def random_probs(frames: int, seed: int = 1) -> Samples:
    logits = np.random.default_rng(seed).normal(0, 2, (frames, BLANK + 1))
    return (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)


def over_all_alignments(probs: Samples, text: str) -> float:
    """The definition: the sum over every path that collapses to the text."""
    wanted = [ALPHABET.index(letter) for letter in text]
    total = 0.0
    for path in itertools.product({BLANK, *wanted}, repeat=len(probs)):
        collapsed = [label for label, _ in itertools.groupby(path) if label != BLANK]
        if collapsed == wanted:
            total += math.exp(
                sum(float(row[label]) for row, label in zip(probs, path, strict=True))
            )
    return math.log(total)


@pytest.mark.parametrize("text", ["a", "ab", "aa", "a b", "aab", "it's"])
def test_a_score_is_the_sum_over_all_alignments(text: str):
    probs = random_probs(5)
    found = letters.score(probs, ["xyz", text, ""])  # beside longer and shorter ones
    assert found[1] == pytest.approx(over_all_alignments(probs, text), abs=1e-4)


def test_a_text_of_more_letters_than_frames_is_as_good_as_impossible():
    assert letters.score(random_probs(3), ["four"])[0] < -500


def test_long_audio_underflows_nowhere():
    (found,) = letters.score(random_probs(3_000), ["four eight one five"])
    assert math.isfinite(found)
    assert found < -1_000


def head_that_spells(text: str) -> tuple[LetterHead, Samples]:
    """A head, and encoder output in which it hears that text, a blank after every letter."""
    weight = np.zeros((BLANK + 1, BLANK + 1), dtype=np.float32)
    np.fill_diagonal(weight, 8.0)
    heard = [label for letter in text for label in (ALPHABET.index(letter), BLANK)]
    encoded = np.eye(BLANK + 1, dtype=np.float32)[heard]
    return LetterHead(weight, np.zeros(BLANK + 1, dtype=np.float32)), encoded


def tokens(text: str) -> int:
    return len(text.split()) + 1


def test_letters_choose_between_hypotheses_that_are_close():
    head, encoded = head_that_spells("four eight one")
    doubled = Hypothesis(text="four eight eight one", log_prob=-0.20)
    right = Hypothesis(text="four eight one", log_prob=-0.25)
    found = head.weigh(lambda: encoded, [doubled, right], tokens)
    assert [one.text for one in found] == [right.text, doubled.text]
    assert found[0] == right  # what the letters find likeliest keeps its own probability
    assert found[1].log_prob < doubled.log_prob


def test_letters_are_not_asked_when_one_is_far_ahead():
    head, _ = head_that_spells("no")
    far = [Hypothesis(text="yes", log_prob=-0.1), Hypothesis(text="no", log_prob=-5.0)]

    def encoded() -> Samples:
        raise AssertionError("asked")

    assert head.weigh(encoded, far, tokens) == tuple(far)
    assert head.weigh(encoded, far[:1], tokens) == tuple(far[:1])
    assert head.weigh(encoded, [], tokens) == ()


def test_what_was_too_far_behind_to_be_asked_for_does_not_overtake():
    head, encoded = head_that_spells("one")
    found = head.weigh(
        lambda: encoded,
        [
            Hypothesis(text="nine", log_prob=-0.2),
            Hypothesis(text="one", log_prob=-0.3),
            Hypothesis(text="wine and dine", log_prob=-2.0),
        ],
        tokens,
    )
    assert [one.text for one in found] == ["one", "nine", "wine and dine"]


def test_a_saved_head_is_found_again_and_a_folder_without_one_has_none(tmp_path: Path):
    assert LetterHead.beside(tmp_path) is None
    rng = np.random.default_rng(3)
    weight = rng.normal(size=(BLANK + 1, WIDTH)).astype(np.float32)
    bias = rng.normal(size=BLANK + 1).astype(np.float32)
    letters.save(tmp_path, weight, bias)
    found = LetterHead.beside(tmp_path)
    assert found is not None
    encoded = rng.normal(size=(20, WIDTH)).astype(np.float32)
    assert np.allclose(found.probs(encoded), LetterHead(weight, bias).probs(encoded), atol=0.05)
    assert np.allclose(np.exp(found.probs(encoded)).sum(axis=1), 1.0, atol=1e-4)


def zeros(*shape: int) -> Samples:
    return np.zeros(shape, dtype=np.float32)


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "shape"])
def test_a_damaged_head_is_named(tmp_path: Path, damage: str):
    path = tmp_path / letters.FILE
    letters.save(tmp_path, zeros(BLANK + 1, WIDTH), zeros(BLANK + 1))
    match damage:
        case "cut":
            path.write_bytes(path.read_bytes()[:-200])
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("weights")
        case _:
            letters.save(tmp_path, zeros(BLANK, WIDTH), zeros(BLANK))
    with pytest.raises(DamagedModelError, match=r"letters\.npz"):
        LetterHead.beside(tmp_path)
