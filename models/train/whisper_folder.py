# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
"""A CTranslate2 Whisper folder, ours or a published one, as a model to train, and back.

The shape is read off the weights. Everything but the weights (vocabulary, tokens to suppress,
alignment heads) is taken over from the folder as it is.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from models import catalog
from models.catalog import ContextRule
from models.errors import EngineError
from models.train import ct2_weights, export
from models.train.model import Shape, Whisper

_MULTILINGUAL: Final = 51_865
"""Entries of a vocabulary from which on CTranslate2 takes a Whisper for multilingual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A model to train; `prompt`: the tokens before a transcript without timestamps; `end`: the
    one after it."""

    model: Whisper
    source: Path
    tokenizer: Any
    prompt: tuple[int, ...]
    end: int

    def encode(self, text: str) -> list[int]:
        """Tokens of a text, with the space before it that Whisper writes."""
        return list(self.tokenizer.encode(f" {text}", add_special_tokens=False).ids)


def opened(folder: Path, language: str = "en") -> Opened:
    """Read a model.

    Raises:
        EngineError: it is no such model, or knows no such language.
    """
    from tokenizers import Tokenizer

    try:
        weights = ct2_weights.read(folder / "model.bin")
        state = ct2_weights.state(weights)
        tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # struct.error, KeyError, OSError, tokenizers' bare Exception
        raise EngineError(f"{folder} is no Whisper model to train ({error})") from error
    model = Whisper(_shape(weights, state))
    model.places.copy_(torch.from_numpy(weights["encoder/position_encodings/encodings"]))
    missing, unknown = model.load_state_dict(state, strict=False)
    if unknown or any(not name.startswith(("letters.", "sounds.")) for name in missing):
        raise EngineError(f"{folder} has other layers than Whisper: {(*missing, *unknown)[0]}")
    names = ["<|startoftranscript|>"]
    if model.shape.vocabulary >= _MULTILINGUAL:
        names += [f"<|{language}|>", "<|transcribe|>"]
    names += ["<|notimestamps|>", "<|endoftext|>"]
    ids = [tokenizer.token_to_id(name) for name in names]
    if None in ids:
        raise EngineError(f"the tokenizer of {folder} has no {names[ids.index(None)]}")
    *prompt, end = (int(one) for one in ids)
    return Opened(model=model, source=folder, tokenizer=tokenizer, prompt=tuple(prompt), end=end)


def save(opened: Opened, folder: Path, context: ContextRule, quantisation: str = "int8") -> None:
    """Write the model as it is now beside the other files of its source.

    Raises:
        ValueError: an unknown quantisation. OSError: the folder cannot be written.
    """
    config = json.loads((opened.source / "config.json").read_text())
    state = {
        name: value.detach().cpu()
        for name, value in opened.model.state_dict().items()
        if not name.startswith(("letters.", "sounds."))
    }
    kept = ("suppress_ids", "suppress_ids_begin", "lang_ids", "alignment_heads")
    export.write(
        state | {"places": opened.model.places.cpu()},
        opened.model.shape,
        _entries(opened.source),
        folder,
        quantisation=quantisation,
        config={name: config[name] for name in kept if name in config},
    )
    for path in opened.source.iterdir():
        if path.is_file() and path.name not in ("model.bin", "README.md", catalog.MANIFEST):
            shutil.copyfile(path, folder / path.name)
    catalog.state_context(folder, context)


def _shape(weights: ct2_weights.Weights, state: dict[str, Any]) -> Shape:
    def layers(side: str) -> int:
        return len({name.split(".")[1] for name in state if name.startswith(f"{side}.")})

    vocabulary, width = state["embedding.weight"].shape
    return Shape(
        vocabulary=int(vocabulary),
        width=int(width),
        heads=int(weights["encoder/num_heads"]),
        encoder_layers=layers("encoder"),
        decoder_layers=layers("decoder"),
        mels=int(state["conv1.weight"].shape[1]),
    )


def _entries(folder: Path) -> list[str]:
    """The vocabulary, in the order of its numbers: vocabulary.json, or .txt in older folders."""
    newer = folder / "vocabulary.json"
    if newer.is_file():
        return list(json.loads(newer.read_text()))
    return folder.joinpath("vocabulary.txt").read_text().split("\n")[:-1]
