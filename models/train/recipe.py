# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
"""A training run from texts to an exported model, each step kept in the work folder.

Run again, it goes on where it stopped: shards that are there are kept, training resumes from its
last checkpoint.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch

from models.train import build, corpus, ct2_weights, digits, evaluate, people, vocabulary
from models.train.batches import Batches
from models.train.config import QUANTISATIONS, Recipe, RecipeError
from models.train.export import checkpoint, export
from models.train.greedy import WordErrors
from models.train.model import Shape, Whisper
from models.train.text import Texts
from models.train.trainer import Trainer
from models.train.vocabulary import Vocabulary

_SENTENCES: Final = 60_000  # to learn a vocabulary from
_CHECKED: Final = 240  # utterances in the evaluation while training

Say = Callable[[str], None]


def run(recipe: Recipe, say: Say) -> Path:
    """Build, train and export; the folder of the int8 model.

    Raises:
        RecipeError: see the message. OSError: a file cannot be read or written.
    """
    make_shards(recipe, say)
    tokenizer = _tokenizer(recipe)
    train(recipe, Vocabulary(tokenizer), say)
    state, shape = checkpoint(recipe.work / "checkpoints" / "last.pt")
    for quantisation in QUANTISATIONS:
        folder = recipe.work / quantisation
        export(state, shape, tokenizer, folder, quantisation=quantisation)
        say(f"{folder}: {evaluate.size_of(folder) / 1e6:.1f} MB")
    return recipe.work / "int8"


def make_shards(recipe: Recipe, say: Say) -> None:
    """The utterances to train on, and those to evaluate with, where they are not there yet."""
    found = digits.recordings(*recipe.digits) if recipe.digits else None
    speakers = tuple(s for s in found or () if s not in recipe.held_out_speakers)
    if found and not speakers:
        raise RecipeError("held_out_speakers leaves nobody to train on")
    said = (
        people.recordings(recipe.people, without=recipe.held_out_speakers) if recipe.people else ()
    )
    studio = build.Studio(Texts(recipe.flows, recipe.corpora), found, speakers, said=said)
    for path, count, hours in build.build(
        studio,
        recipe.work / "train",
        seed=recipe.seed,
        shards=recipe.shards,
        each=recipe.utterances_per_shard,
    ):
        say(f"{path.name}: {count} utterances, {hours:.1f} hours")
    path = recipe.work / "evaluation.npz"
    if not path.exists():
        corpus.save(path, evaluation_set(recipe, found))


def evaluation_set(recipe: Recipe, found: digits.Recordings | None) -> list[corpus.Utterance]:
    """Voices, phrases and speakers that training does not have."""
    texts = Texts(recipe.flows, recipe.corpora, evaluation=True)
    studio = build.Studio(texts, None, (), evaluation=True)
    each = recipe.evaluation_per_set
    said = evaluate.utterances(studio, texts, each, recipe.seed)
    if found:
        said += evaluate.recorded(found, recipe.held_out_speakers, each, recipe.seed)
    return said


def train(recipe: Recipe, words: Vocabulary, say: Say) -> None:
    """Train from the start model or afresh, or go on from the last checkpoint."""
    torch.set_num_threads(recipe.plan.threads)
    model = Whisper(Shape(vocabulary=words.size))
    if recipe.start:
        # What it has no weights for, the phonemes, is learnt afresh.
        model.load_state_dict(ct2_weights.start(recipe.start), strict=False)
    batches = Batches(
        recipe.work / "train",
        words,
        seconds=recipe.plan.batch_seconds,
        long_share=recipe.plan.long_share,
        seed=recipe.seed,
    )
    held_out = corpus.load(recipe.work / "evaluation.npz")
    random.Random(recipe.seed).shuffle(held_out)
    trainer = Trainer(
        model,
        words,
        batches,
        recipe.plan,
        recipe.work / "checkpoints",
        evaluate=WordErrors(held_out[:_CHECKED], words),
        say=say,
    )
    if trainer.resume():
        say(f"goes on after {trainer.progress.seen} utterances")
    trainer.train()


def _tokenizer(recipe: Recipe) -> Path:
    if recipe.start:
        return recipe.start / "tokenizer.json"
    path = recipe.work / "tokenizer.json"
    if not path.exists():
        texts, rng = Texts(recipe.flows, recipe.corpora), random.Random(recipe.seed)
        vocabulary.build((texts.draw(rng).text for _ in range(_SENTENCES)), path)
    return path
