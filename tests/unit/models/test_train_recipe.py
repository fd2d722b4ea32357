from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.errors import ModelError
from models.espeak import EspeakVoice
from models.train import corpus, quantised, vocabulary
from models.train.config import RecipeError, load
from models.train.corpus import NO_TARGETS as NONE
from models.train.corpus import Utterance
from models.train.report import Asked
from models.train.scoring import ErrorRate, Share, word_errors
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


def test_interval_of_an_error_rate_holds_it_and_narrows_with_utterances() -> None:
    few, many = ErrorRate(((1, 4), (0, 4), (2, 4))), ErrorRate(((1, 4), (0, 4), (2, 4)) * 100)
    assert few.value == many.value == pytest.approx(0.25)
    assert few.interval[0] <= few.value <= few.interval[1]
    assert few.interval[1] - few.interval[0] > 3 * (many.interval[1] - many.interval[0])
    assert ErrorRate(((0, 3), (0, 5))).interval == (0.0, 0.0)
    assert ErrorRate(()).interval == (0.0, 1.0)
    assert str(ErrorRate(((1, 4), (1, 4)))) == "25.0% (25-25)"


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


def evaluation_set(path: Path) -> Path:
    voice = EspeakVoice("en-us")
    said = [
        Utterance(
            text=text, voice="en-us", kind="digits 6-10", pcm=voice.render(text).pcm, targets=NONE
        )
        for text in ("four eight one five", "nine two")
    ]
    corpus.save(path, said)
    return path


def test_a_models_types_are_measured_side_by_side_each_in_its_process(tmp_path: Path) -> None:
    said = evaluation_set(tmp_path / "evaluation.npz")
    asked = Asked(said=said, conditions=("mu-law",))
    lines: list[str] = []
    found = quantised.compare(
        quantised.ways(["frontdesk-small"], ["float32", "int8"]), asked, lines.append
    )
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in found.splitlines()[2:]]
    assert [row[1] for row in rows] == ["float32", "int8_float32"]
    for _, _, size, memory, cpu, _, _ in rows:
        assert size == "8.0 MB"
        assert float(memory.split()[0]) > 50
        assert float(cpu.split()[0]) > 0
    assert len(lines) == 2


def test_a_work_folder_is_measured_in_all_the_types_it_holds(tmp_path: Path) -> None:
    for kind in ("int8", "float32"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "model.bin").write_bytes(b"")
    found = quantised.ways([str(tmp_path)], ["float16"])
    assert [Path(way.name).name for way in found] == ["float32", "int8"]
    assert {way.compute_type for way in found} == {"default"}


def test_a_model_that_does_not_load_is_one_line(tmp_path: Path) -> None:
    said = evaluation_set(tmp_path / "evaluation.npz")
    (tmp_path / "model").mkdir()
    ways = quantised.ways([str(tmp_path / "model")], ["int8"])
    with pytest.raises(ModelError, match="was not measured") as raised:
        quantised.compare(ways, Asked(said=said, conditions=("mu-law",)), lambda _: None)
    assert "\n" not in str(raised.value)


def test_the_gate_closes_on_a_model_that_misses_a_target(tmp_path: Path) -> None:
    said = evaluation_set(tmp_path / "evaluation.npz")
    spoilt = [replace(one, text="five five five five") for one in corpus.load(said)]
    corpus.save(tmp_path / "spoilt.npz", spoilt)
    arguments = ["stt", "frontdesk-small", "--condition", "mu-law", "--gate", "--set"]
    passed = CliRunner().invoke(eval_app, [*arguments, str(said)])
    assert passed.exit_code == 0, passed.output
    failed = CliRunner().invoke(eval_app, [*arguments, str(tmp_path / "spoilt.npz")])
    assert failed.exit_code == 1
    assert "missed: frontdesk-small: digits 6-10" in failed.output
