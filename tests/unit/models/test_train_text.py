import json
import random
import re
from pathlib import Path

import pytest

from models.train import phrases, slots
from models.train.text import TEMPLATES, Texts, filled, flow_examples, held_out, spoken

FLOW = Path("dialog/flows/orders.yaml")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "zero"),
        (14, "fourteen"),
        (40, "forty"),
        (99, "ninety nine"),
        (100, "one hundred"),
        (507, "five hundred seven"),
        (12_345, "twelve thousand three hundred forty five"),
        (2_000_001, "two million one"),
    ],
)
def test_numbers_are_said_as_words(value: int, words: str) -> None:
    assert slots.words_for(value) == words


def test_joiner_stands_only_before_the_last_two_digits() -> None:
    assert slots.words_for(1_205, joiner="and ") == "one thousand two hundred and five"
    assert slots.words_for(2_300, joiner="and ") == "two thousand three hundred"


@pytest.mark.parametrize("length", range(1, 13))
def test_digit_string_has_its_length_whatever_the_words(length: int) -> None:
    times = {"double": 2, "triple": 3}
    for seed in range(100):
        words = slots.string(random.Random(seed), length).split()
        said = 0
        for before, word in zip(["", *words], words, strict=False):
            if word not in times:
                assert word == "oh" or word in slots.DIGITS
                said += times.get(before, 1)
        assert said == length


def test_one_string_says_zero_in_one_way() -> None:
    for seed in range(200):
        words = slots.string(random.Random(seed), 12).split()
        assert not {"oh", "zero"} <= set(words)


def test_every_template_can_be_filled_with_sayable_words() -> None:
    rng = random.Random(1)
    for template in TEMPLATES:
        assert re.fullmatch(r"[a-z' ]+", filled(template, rng)), template


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Where's my card?", "where's my card"),
        ("I paid 25 dollars", "i paid twenty five dollars"),
        ("50% off", "fifty percent off"),
        ("see https://x.y/z", ""),
        ("naïve", ""),
        ("word " * 15, ""),
        ("", ""),
    ],
)
def test_only_what_is_clear_to_say_is_spoken(written: str, said: str) -> None:
    assert spoken(written) == said


def test_examples_of_the_flow_are_among_the_texts() -> None:
    assert "where is my order" in flow_examples([FLOW])


def test_flow_without_intents_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "flow.yaml"
    broken.write_text("name: x\n")
    with pytest.raises(ValueError, match="no intents"):
        flow_examples([broken])


def test_training_and_evaluation_share_no_sentence(tmp_path: Path) -> None:
    corpus = tmp_path / "said.jsonl"
    sentences = [f"tell me about {slots.words_for(n)}" for n in range(200)]
    corpus.write_text("\n".join(json.dumps({"text": text}) for text in sentences))
    drawn = {
        side: {
            Texts([FLOW], [corpus], evaluation=side).draw(random.Random(seed), "sentence").text
            for seed in range(400)
        }
        for side in (False, True)
    }
    assert all(held_out(text) for text in drawn[True])
    assert not any(held_out(text) for text in drawn[False])


def test_composed_requests_are_sayable_and_many() -> None:
    rng = random.Random(1)
    texts = Texts([FLOW], [])
    said = {texts.draw(rng, "composed").text for _ in range(500)}
    assert len(said) > 450
    for text in said:
        assert re.fullmatch(r"[a-z' ]+", text), text


def test_a_request_held_out_as_a_template_is_never_composed_for_training() -> None:
    rng = random.Random(1)
    composed = {phrases.composed(rng) for _ in range(20_000)}
    barred = {template for template in composed if held_out(template)}
    assert barred
    texts = Texts([FLOW], [])
    drawn = {texts.template(random.Random(seed)) for seed in range(5_000)}
    assert not barred & drawn


def test_unknown_kind_of_text_is_refused() -> None:
    with pytest.raises(ValueError, match="no kind of text"):
        Texts([FLOW], []).draw(random.Random(1), "opera")
