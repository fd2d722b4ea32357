# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
"""Adapting a Whisper to short inputs and a flow; needs PyTorch, which the server does not."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: train)")

import ctranslate2  # noqa: E402

from models import catalog  # noqa: E402
from models.bench.random_whisper import Size, make  # noqa: E402
from models.catalog import Rule  # noqa: E402
from models.errors import EngineError  # noqa: E402
from models.espeak import EspeakVoice  # noqa: E402
from models.stt import SttEngine  # noqa: E402
from models.train import build, lora  # noqa: E402
from models.train.adapt import ADAPTED, Adaptation, Adapter, run  # noqa: E402
from models.train.config import RecipeError  # noqa: E402
from models.train.corpus import Utterance  # noqa: E402
from models.train.text import Texts  # noqa: E402
from models.train.whisper_folder import opened, save  # noqa: E402

BUNDLED = Path("models/bundled/stt")
FLOW = Path("dialog/flows/orders.yaml")


@pytest.fixture(scope="module")
def said() -> list[Utterance]:
    studio = build.Studio(Texts([FLOW], []), None, ())
    every = studio.utterances(24, random.Random(1))
    return sorted(every, key=lambda one: one.seconds)[:8]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A multilingual Whisper of published vocabulary, small, weights at random."""
    folder = tmp_path_factory.mktemp("published")
    make(Size(width=128, layers=2), folder, tokens=3)
    return folder


def asked(out: Path, **changes: Any) -> Adaptation:
    return Adaptation(name="frontdesk-small", out=out, flows=(FLOW,), **changes)


def features(model: Any, frames: int) -> Any:
    torch.manual_seed(1)
    return torch.randn(1, model.shape.mels, frames)


def test_a_published_model_is_read_with_its_shape_and_prompt(published: Path) -> None:
    found = opened(published)
    shape = found.model.shape
    assert (shape.width, shape.heads, shape.encoder_layers, shape.mels) == (128, 2, 2, 80)
    assert len(found.prompt) == 4  # start, language, task, no timestamps
    assert len(opened(BUNDLED).prompt) == 2


@pytest.mark.parametrize("ours", [True, False])
def test_a_model_is_read_as_ctranslate2_computes_it(published: Path, ours: bool) -> None:
    folder = BUNDLED if ours else published
    model = opened(folder).model.eval()
    mels = features(model, 300)
    engine = ctranslate2.models.Whisper(str(folder), compute_type="float32")
    view = engine.encode(ctranslate2.StorageView.from_array(mels.numpy()))
    with torch.no_grad():
        np.testing.assert_allclose(model.encode(mels).numpy(), np.array(view), atol=2e-3)


def test_a_model_is_saved_with_all_that_its_folder_had(published: Path, tmp_path: Path) -> None:
    save(opened(published), tmp_path / "out", ADAPTED)
    before = json.loads((published / "config.json").read_text())
    after = json.loads((tmp_path / "out" / "config.json").read_text())
    assert after == before
    for name in ("tokenizer.json", "vocabulary.json", "model.bin"):
        assert (tmp_path / "out" / name).read_bytes() == (published / name).read_bytes(), name
    assert catalog.stated_context(tmp_path / "out") == ADAPTED


def test_the_student_comes_nearer_to_the_teacher_and_to_the_words(
    said: list[Utterance], tmp_path: Path
) -> None:
    adapter = Adapter(opened(BUNDLED), asked(tmp_path, rate=3e-4), lambda _: None)
    heard = adapter.heard(said[:2])
    losses = [adapter.learn(adapter.losses(*heard), 3e-4) for _ in range(6)]
    before, after = losses[0], losses[-1]
    assert after["sound"] < before["sound"]
    assert after["words"] < before["words"]


def test_the_teacher_hears_the_full_context_and_never_changes(
    said: list[Utterance], tmp_path: Path
) -> None:
    adapter = Adapter(opened(BUNDLED), asked(tmp_path, rate=1e-2), lambda _: None)
    kept = {name: value.clone() for name, value in adapter.teacher.state_dict().items()}
    adapter.step(said[:2], 1e-2)
    for name, value in adapter.teacher.state_dict().items():
        assert torch.equal(value, kept[name]), name
    assert not torch.equal(adapter.student.state_dict()["conv1.weight"], kept["conv1.weight"]), (
        "the student did not learn: the test shows nothing"
    )


def test_low_rank_changes_leave_what_was_there_and_are_merged_into_it(
    said: list[Utterance], tmp_path: Path
) -> None:
    found = opened(BUNDLED)
    before = {name: value.clone() for name, value in found.model.state_dict().items()}
    adapter = Adapter(found, asked(tmp_path, rank=4), lambda _: None)
    assert sum(p.numel() for p in found.model.parameters() if p.requires_grad) < 200_000
    adapter.step(said[:2], 5e-3)
    adapter.step(said[:2], 5e-3)
    mels = features(found.model, 100)
    with torch.no_grad():
        changed = found.model.eval().encode(mels)
        lora.merge(found.model)
        merged = found.model.encode(mels)
    assert torch.allclose(changed, merged, atol=1e-5)
    after = found.model.state_dict()
    assert after.keys() == before.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all("attention" in name for name in moved)


def test_adapted_end_to_end_it_still_hears_and_listens_to_the_utterance_alone(
    tmp_path: Path,
) -> None:
    out = tmp_path / "adapted"
    lines: list[str] = []
    run(asked(out, minutes=0.05, utterances=16, together=4, each=1, threads=1), lines.append)
    assert any("| flow, espeak | mu-law |" in line for line in lines)
    engine = SttEngine(out)
    assert catalog.stated_context(out) == ADAPTED
    said = EspeakVoice("en-us").render("four eight one five")
    heard = engine.transcribe(said.pcm)
    assert heard.text == "four eight one five"


@pytest.mark.parametrize(
    "wrong", [{"minutes": 0}, {"utterances": 0}, {"rank": -1}, {"together": 0}]
)
def test_figures_that_make_no_sense_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="figures"):
        asked(tmp_path, **wrong)


def test_a_folder_that_is_taken_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RecipeError, match="not empty"):
        run(asked(tmp_path), lambda _: None)


@pytest.mark.parametrize("content", [b"", b"\x00" * 40, None])
def test_what_is_no_model_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(EngineError, match="no Whisper model to train") as raised:
        opened(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_language_that_a_model_lacks_is_named(published: Path) -> None:
    with pytest.raises(EngineError, match=r"has no <\|tlh\|>"):
        opened(published, "tlh")


def test_a_rank_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="rank"):
        lora.freeze(opened(BUNDLED).model, 0)


assert ADAPTED.rule is Rule.EXACT
