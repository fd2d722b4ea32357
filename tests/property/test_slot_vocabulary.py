"""Whatever callers may say for a slot, its vocabulary lets through and reads."""

import random

from hypothesis import given
from hypothesis import strategies as st

from models import constraint
from models.train import slots
from models.train.text import YES_NO
from models.transcript import Hypothesis
from models.window import preferred_first

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.integers(1, 14))
def test_numbers_said_digit_by_digit_have_their_length(seed: int, length: int):
    said = slots.string(random.Random(seed), length)
    within = constraint.digits(length, length)
    assert len(within.value(said) or "") == length
    assert within.prefers(said)
    assert not constraint.digits(length + 1).prefers(said)


@given(SEEDS)
def test_codes_are_allowed(seed: int):
    assert constraint.characters().fits(slots.code(random.Random(seed)))


@given(SEEDS)
def test_dates_and_amounts_are_allowed(seed: int):
    rng = random.Random(seed)
    assert constraint.dates().fits(slots.date(rng))
    assert constraint.amounts().fits(slots.amount(rng))


@given(st.lists(st.sampled_from(YES_NO), min_size=1, max_size=3))
def test_answers_one_after_the_other_are_allowed(said: list[str]):
    assert constraint.yes_no().fits(" ".join(said))


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_without_error(text: str):
    for within in (constraint.digits(), constraint.characters(), constraint.yes_no()):
        assert within.fits(text) == (within.value(text) is not None)


@given(st.lists(st.tuples(SEEDS, st.floats(-3, 0)), max_size=8))
def test_preferring_a_length_loses_and_invents_nothing(drawn: list[tuple[int, float]]):
    found = [
        Hypothesis(text=slots.string(random.Random(seed), 1 + seed % 6), log_prob=log_prob)
        for seed, log_prob in drawn
    ]
    ranked = preferred_first(found, constraint.digits(4, 4))
    assert sorted(map(id, ranked)) == sorted(map(id, found))
