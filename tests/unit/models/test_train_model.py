# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""Training itself; needs PyTorch, which the server does not."""

import random
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: train)")

from models import catalog  # noqa: E402
from models.train import corpus, ct2_weights  # noqa: E402
from models.train.batches import FULL_FRAMES, Batches  # noqa: E402
from models.train.config import TRAINED_CONTEXT, Plan  # noqa: E402
from models.train.corpus import RATE_HZ, Utterance  # noqa: E402
from models.train.export import export  # noqa: E402
from models.train.model import Shape, Whisper  # noqa: E402
from models.train.trainer import Trainer  # noqa: E402
from models.train.vocabulary import Vocabulary  # noqa: E402

BUNDLED = Path("models/bundled/stt")
VOCABULARY = Vocabulary(BUNDLED / "tokenizer.json")


def said(count: int) -> list[Utterance]:
    rng = np.random.default_rng(1)
    return [
        Utterance(
            text=random.Random(n).choice(("yes", "no", "four eight one five")),
            voice="noise",
            kind="digits",
            pcm=rng.integers(-8_000, 8_000, RATE_HZ // 2).astype(np.int16),
            targets=np.full(25, 4, dtype=np.int16),
        )
        for n in range(count)
    ]


@pytest.fixture
def batches(tmp_path: Path) -> Batches:
    corpus.save(tmp_path / "train" / "a.npz", said(8))
    return Batches(tmp_path / "train", VOCABULARY, seconds=8.0, long_share=0.0)


def test_bundled_weights_survive_being_read_and_written(tmp_path: Path) -> None:
    weights = ct2_weights.start(BUNDLED)
    export(weights, Shape(vocabulary=VOCABULARY.size), BUNDLED / "tokenizer.json", tmp_path)
    for name in ("model.bin", "config.json", "vocabulary.json", "letters.npz"):
        assert (tmp_path / name).read_bytes() == (BUNDLED / name).read_bytes(), name
    assert catalog.stated_context(tmp_path) == TRAINED_CONTEXT


def test_exporting_leaves_the_weights_as_they_were(tmp_path: Path) -> None:
    weights = ct2_weights.state(ct2_weights.read(BUNDLED / "model.bin"))
    before = {name: value.clone() for name, value in weights.items()}
    export(weights, Shape(vocabulary=VOCABULARY.size), BUNDLED / "tokenizer.json", tmp_path)
    for name, value in weights.items():
        assert torch.equal(value, before[name]), name


def test_batch_says_words_and_sounds_in_their_places(batches: Batches) -> None:
    batch = batches.batch(said(6))
    assert batch.mels.shape[0] == 6
    assert batch.mels.shape[2] == 2 * batch.sounds.shape[1]
    for row, wanted in zip(batch.inputs, batch.outputs, strict=True):
        assert row[0] == VOCABULARY.start
        assert VOCABULARY.end in wanted


def test_padded_batches_have_the_length_of_stock_whisper(tmp_path: Path) -> None:
    corpus.save(tmp_path / "a.npz", said(4))
    batch = Batches(tmp_path, VOCABULARY, seconds=8.0, long_share=1.0).batch(said(4))
    assert batch.mels.shape[2] == FULL_FRAMES
    assert float(batch.mels[:, :, -500:].abs().max()) == 0.0


def test_training_lowers_the_loss_and_resumes_where_it_was(
    tmp_path: Path, batches: Batches
) -> None:
    torch.manual_seed(1)

    def trainer() -> Trainer:
        return Trainer(
            Whisper(Shape(vocabulary=VOCABULARY.size, width=64, encoder_layers=1)),
            VOCABULARY,
            batches,
            Plan(minutes=1.0, utterances=1_000, rate=3e-3, warm_up=1),
            tmp_path / "checkpoints",
            evaluate=lambda model: 1.0,
            say=lambda line: None,
        )

    first, batch = trainer(), batches.batch(said(6))
    first.step(batch, 3e-3)
    before = first.losses["words"]
    for _ in range(15):
        first.step(batch, 3e-3)
    assert first.losses["words"] < before
    first.save()
    second = trainer()
    assert second.resume()
    assert second.progress == first.progress
    for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_letters_alone_can_be_trained_for_weights_that_have_none(
    tmp_path: Path, batches: Batches
) -> None:
    torch.manual_seed(1)
    model = Whisper(Shape(vocabulary=VOCABULARY.size, width=64, encoder_layers=1))
    before = {name: value.clone() for name, value in model.named_parameters()}
    trainer = Trainer(
        model,
        VOCABULARY,
        batches,
        Plan(minutes=1.0, utterances=1_000, letters_only=True),
        tmp_path / "checkpoints",
        evaluate=lambda model: 1.0,
    )
    batch = batches.batch(said(6))
    trainer.step(batch, 1e-2)
    loss = trainer.losses["letters"]
    for _ in range(10):
        trainer.step(batch, 1e-2)
    assert trainer.losses["letters"] < loss
    changed = {n for n, value in model.named_parameters() if not torch.equal(value, before[n])}
    assert changed == {"letters.weight", "letters.bias"}
