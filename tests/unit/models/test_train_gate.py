"""What a model must reach before it is released, and that it is no worse than the one before."""

import pytest

from models.train import gate
from models.train.evaluate import Row
from models.train.scoring import ErrorRate, Share


def row(name: str, condition: str, wrong: float, right: float = 1.0) -> Row:
    return Row(
        name=name,
        condition=condition,
        rate=ErrorRate(((round(1_000 * wrong), 1_000),)),
        exact=Share(0, 1),
        cpu_ms=1.0,
        slot=(Share(0, 100), Share(round(100 * right), 100)),
    )


SILENT = Share(200, 200)


@pytest.mark.parametrize(
    ("one", "misses"),
    [
        (row("flow, espeak", "mu-law", 0.08), 0),
        (row("flow, espeak", "mu-law", 0.081), 1),
        (row("flow, flite", "babble 10 dB", 0.12), 0),
        (row("flow, flite", "babble 10 dB", 0.13), 1),
        (row("flow, flite", "bad line", 0.9), 0),
        (row("digits 6-10, flite", "mu-law", 0.5, 0.95), 0),
        (row("digits 6-10, flite", "mu-law", 0.0, 0.94), 1),
        (row("yes/no, espeak", "mu-law", 0.0, 0.98), 1),
        (row("6 recorded digits, george", "mu-law", 0.0, 0.59), 1),
        (row("English, espeak", "mu-law", 1.0), 0),
    ],
)
def test_targets_that_are_missed_are_named(one: Row, misses: int) -> None:
    found = gate.missed("ours", [one], SILENT)
    assert len(found) == misses
    assert all(one.name in line for line in found)


def test_words_heard_in_silence_are_named() -> None:
    assert gate.missed("ours", [], Share(198, 200)) == []
    assert len(gate.missed("ours", [], Share(197, 200))) == 1


def rate(*errors: int) -> ErrorRate:
    return ErrorRate(tuple((wrong, 5) for wrong in errors))


def test_a_model_that_errs_in_every_tenth_utterance_more_is_worse() -> None:
    before = rate(*[0, 1] * 100)
    assert gate.is_worse(before, rate(*[0, 2, 0, 1, 0, 1, 0, 1, 0, 1] * 20))


def test_chance_alone_does_not_make_a_model_worse() -> None:
    before = rate(*[0, 1] * 100)
    assert not gate.is_worse(before, before)
    assert not gate.is_worse(before, rate(*[1, 0] * 100))
    assert not gate.is_worse(before, rate(2, *[1, 0] * 99, 0))
    assert not gate.is_worse(before, rate(*[0, 0] * 100))
    assert not gate.is_worse(ErrorRate(()), ErrorRate(()))


def test_rates_of_other_utterances_are_refused() -> None:
    with pytest.raises(ValueError, match="different utterances"):
        gate.is_worse(rate(1, 2), rate(1, 2, 0))


def test_rows_that_are_worse_are_named_with_both_figures() -> None:
    good, bad = rate(*[0] * 100), rate(*[1] * 100)

    def rows(first: ErrorRate, second: ErrorRate) -> list[Row]:
        return [
            Row(name="flow", condition=c, rate=r, exact=Share(0, 1), cpu_ms=1.0)
            for c, r in (("mu-law", first), ("bad line", second))
        ]

    (line,) = gate.worse(rows(good, good), rows(good, bad))
    assert line.startswith("flow, bad line: 20.0%")
    assert "0.0%" in line
