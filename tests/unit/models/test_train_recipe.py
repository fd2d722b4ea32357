from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.train import vocabulary
from models.train.config import RecipeError, load
from models.train.scoring import Share, word_errors
from models.train.vocabulary import SPECIAL, Vocabulary
from server.training_cli import eval_app, train_app


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("one two three", "one two three", 0),
        ("one two three", "one two two three", 1),
        ("one two three", "one three", 1),
        ("one two three", "one too three", 1),
        ("", "one", 1),
        ("one two", "", 2),
    ],
)
def test_word_errors_count_insertions_deletions_and_replacements(
    said: str, heard: str, errors: int
) -> None:
    assert word_errors(said.split(), heard.split()) == errors


def test_interval_of_a_share_narrows_with_trials_and_stays_possible() -> None:
    low, high = Share(10, 10).interval
    assert 0.6 < low < 0.8
    assert high == pytest.approx(1.0)
    narrow, _ = Share(1_000, 1_000).interval
    assert narrow > 0.99
    assert Share(0, 0).interval == (0.0, 1.0)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    path = tmp_path_factory.mktemp("vocabulary") / "tokenizer.json"
    vocabulary.build(["my order number is four eight one five"] * 50, path, size=300)
    return Vocabulary(path)


def test_any_text_has_an_encoding(learnt: Vocabulary) -> None:
    for text in ("my order", "zyzzyva", "naïve 世界"):
        assert learnt.decode(learnt.encode(text)) == text


def test_special_tokens_and_times_come_after_the_text(learnt: Vocabulary) -> None:
    tokens = learnt.tokens()
    assert tokens[learnt.end : learnt.end + len(SPECIAL)] == list(SPECIAL)
    assert tokens[learnt.first_time] == "<|0.00|>"
    assert learnt.time(1.0) == learnt.first_time + 50
    assert learnt.time(99.0) == learnt.size - 1


def test_suppressed_symbols_do_not_take_the_bare_space_with_them(learnt: Vocabulary) -> None:
    tokens = learnt.tokens()
    for symbol in ("-", "'", "♪", "<<", "(("):
        assert len(learnt.encode(symbol)) == 1, symbol
        assert tokens[learnt.encode(symbol)[0]] != "Ġ"


def recipe(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


def test_recipe_of_the_bundled_model_names_its_plan() -> None:
    text = Path("models/train/telephone.toml").read_text()
    assert "[plan]" in text
    assert "held_out_speakers" in text


def test_work_folder_can_be_replaced(tmp_path: Path) -> None:
    path = recipe(tmp_path, "work = 'here'\n[plan]\nminutes = 5\n")
    assert load(path).work == Path("here")
    assert load(path, work=tmp_path).work == tmp_path
    assert load(path).plan.minutes == 5


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("shrads = 3", "shrads"),
        ("[plan]\nminuts = 3", "minuts"),
        ("[plan]\nminutes = 0", "minutes"),
        ("[plan]\nminutes = 'long'", "minutes"),
        ("corpora = ['not/there.jsonl']", "not there"),
        ("shards = ", "recipe.toml"),
    ],
)
def test_faulty_recipe_is_refused_by_name(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        load(recipe(tmp_path, text))


def test_missing_recipe_is_one_line() -> None:
    result = CliRunner().invoke(train_app, ["--config", "nowhere.toml"])
    assert isinstance(result.exception, RecipeError)
    assert "\n" not in str(result.exception)


def test_unknown_condition_is_refused_with_those_there_are() -> None:
    result = CliRunner().invoke(eval_app, ["stt", "frontdesk-small", "--condition", "underwater"])
    assert isinstance(result.exception, RecipeError)
    assert "mu-law" in str(result.exception)


def test_missing_evaluation_set_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        eval_app, ["stt", "frontdesk-small", "--set", str(tmp_path / "x.npz")]
    )
    assert isinstance(result.exception, RecipeError)


def test_a_confidence_is_fitted_only_from_an_evaluation_set(tmp_path: Path) -> None:
    arguments = ["confidence", "frontdesk-small", "--set", str(tmp_path / "x.npz")]
    result = CliRunner().invoke(eval_app, arguments)
    assert isinstance(result.exception, RecipeError)
