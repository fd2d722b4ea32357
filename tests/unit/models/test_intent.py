"""The intent engine: sure of what it learnt, unsure of the rest, and the same every time."""

import logging
from pathlib import Path

import numpy as np
import pytest

from models import intent
from models.intent import IntentEngine, IntentExamplesError, train_intents

_EXAMPLES = {
    "balance": [
        *("what is my balance", "how much money do i have", "my account balance please"),
        *("tell me my balance", "check my balance", "how much is in my account"),
        *("what's on my account", "balance", "i'd like to know my balance", "account balance"),
    ],
    "block_card": [
        *("block my card", "i lost my card", "my card was stolen", "someone stole my card"),
        *("please stop my card", "i can't find my card", "cancel my bank card", "lost card"),
        *("my wallet is gone with the card", "freeze my card"),
    ],
}


@pytest.fixture(scope="module")
def engine() -> IntentEngine:
    return train_intents(_EXAMPLES)


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("could you tell me my balance", "balance"),
        ("what's my ballance", "balance"),
        ("I have lost my card!", "block_card"),
        ("my card's been stolen", "block_card"),
    ],
)
def test_intent_is_found_in_other_words(engine: IntentEngine, text: str, intent: str) -> None:
    assert engine.rank(text)[0][0] == intent
    assert engine.rank(text)[0][1] > 0.5


@pytest.mark.parametrize(
    "text", ["what's the weather like", "book a flight to rome", "qwertz", "", "twenty seven"]
)
def test_other_topics_are_out_of_scope(engine: IntentEngine, text: str) -> None:
    assert engine.rank(text)[0][1] < 0.4
    assert engine.out_of_scope(text) > 0.5


def test_probabilities_and_out_of_scope_add_up_to_one(engine: IntentEngine) -> None:
    for text in ("block my card", "hello", "my balance card"):
        total = sum(score for _, score in engine.rank(text)) + engine.out_of_scope(text)
        assert total == pytest.approx(1.0)


@pytest.mark.parametrize(
    "text", ["could you tell me my balance", "my card my card my card", "zzz", "card no 12 34", ""]
)
def test_one_text_is_ranked_as_the_library_would_rank_many(engine: IntentEngine, text: str) -> None:
    weights = engine._weights  # pyright: ignore[reportPrivateUsage]
    vectorizers = intent._vectorizers(weights.words, weights.chars)  # pyright: ignore[reportPrivateUsage]
    for vectorizer, idf in zip(vectorizers, (weights.words_idf, weights.chars_idf), strict=True):
        vectorizer.idf_ = idf
    features = intent._features(vectorizers, ["something else", text])  # pyright: ignore[reportPrivateUsage]
    logits = intent._logits(features, weights.coefficients, weights.intercepts)  # pyright: ignore[reportPrivateUsage]
    expected = intent._softmax(logits / weights.temperature)[1, 1:]  # pyright: ignore[reportPrivateUsage]
    found = dict(engine.rank(text))
    assert [found[name] for name in weights.intents] == pytest.approx(expected.tolist())


def test_same_examples_make_the_same_engine(engine: IntentEngine) -> None:
    again = train_intents(dict(reversed(_EXAMPLES.items())))
    assert again.rank("lost my card") == engine.rank("lost my card")


def test_which_number_was_said_makes_no_difference(engine: IntentEngine) -> None:
    assert engine.rank("balance of 4815") == engine.rank("balance of nine one double two")


def test_trained_engine_is_kept_and_loaded(tmp_path: Path, engine: IntentEngine) -> None:
    train_intents(_EXAMPLES, tmp_path)
    (kept,) = tmp_path.iterdir()
    written = kept.stat().st_mtime_ns
    loaded = train_intents(_EXAMPLES, tmp_path)
    assert kept.stat().st_mtime_ns == written
    assert loaded.rank("lost my card") == engine.rank("lost my card")


def test_kept_engine_holds_no_pickle(tmp_path: Path) -> None:
    train_intents(_EXAMPLES, tmp_path)
    (kept,) = tmp_path.iterdir()
    with np.load(kept, allow_pickle=False) as arrays:
        assert all(arrays[name].dtype.kind != "O" for name in arrays.files)


def test_other_examples_are_kept_beside_the_former(tmp_path: Path) -> None:
    train_intents(_EXAMPLES, tmp_path)
    train_intents(_EXAMPLES | {"balance": ["balance", "my balance", "how rich am i"]}, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign"])
def test_damaged_cache_is_trained_anew(tmp_path: Path, engine: IntentEngine, damage: str) -> None:
    train_intents(_EXAMPLES, tmp_path)
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    middle = len(whole) // 2
    kept.write_bytes(
        {
            "cut": whole[:middle],
            "flipped": whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :],
            "foreign": b"not an archive",
        }[damage]
    )
    assert train_intents(_EXAMPLES, tmp_path).rank("lost my card") == engine.rank("lost my card")
    assert kept.read_bytes() != whole[:middle]
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]
    with np.load(kept, allow_pickle=False) as arrays:
        assert arrays["coefficients"].shape[0] == 3


def test_folder_that_cannot_be_written_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with caplog.at_level(logging.WARNING):
        engine = train_intents(_EXAMPLES, blocked)
    assert engine.rank("block my card")[0][0] == "block_card"
    assert "Intent engine not kept" in caplog.text


def test_one_intent_alone_can_be_trained() -> None:
    engine = train_intents({"block_card": _EXAMPLES["block_card"]})
    assert engine.rank("block my card")[0][1] > 0.6
    assert engine.out_of_scope("what's the weather like") > 0.6


@pytest.mark.parametrize("examples", [{}, {"balance": ["balance"]}])
def test_too_few_examples_are_refused(examples: dict[str, list[str]]) -> None:
    with pytest.raises(IntentExamplesError):
        train_intents(examples)
