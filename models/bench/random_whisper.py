"""Whisper models of the published sizes with random weights, made in seconds and without a network.

What a model costs depends on its shape, on the audio and on how many tokens it writes, not on what
its weights mean. Random ones would write anything, up to the end of the decoder; these write one
fixed sentence whatever they hear, surely enough that no decoder looks twice: the decoder's
positional embedding of each place points at the token that stands there, and is so much larger
than what the layers add that nothing else comes near.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_TEXT: Final = 50_257  # tokens of text; the special ones follow
_LANGUAGES: Final = 99
_TIMES: Final = 1_501
_POSITIONS: Final = 448
_ENCODER_POSITIONS: Final = 1_500
_MELS: Final = 80

_LOUDNESS: Final = 40.0  # length of a positional embedding; a token's own is 1
_SOFTLY: Final = 0.01  # what layers add, so that a dozen of them do not drown the positions

_MEANT: Final = 20.0  # logit of the token that stands at a place; the others are about 0

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Of a Whisper model; heads are 64 wide."""

    width: int
    layers: int  # of the encoder, and as many of the decoder

    @property
    def heads(self) -> int:
        return self.width // 64


SIZES: Final = {
    "tiny": Size(width=384, layers=4),
    "base": Size(width=512, layers=6),
    "small": Size(width=768, layers=12),
}
"""As published (Radford et al. 2022, table 1)."""


def make(size: Size, folder: Path, *, tokens: int, seed: int = 1) -> None:
    """Write an int8 model that stock faster-whisper reads.

    Args:
        tokens: of text in the sentence it always writes.

    Raises:
        OSError: the folder cannot be written.
        ValueError: the sentence does not fit into the decoder.
    """
    if not 1 <= tokens <= _POSITIONS // 2:
        raise ValueError(f"tokens is {tokens}, not 1 to {_POSITIONS // 2}")
    from ctranslate2.specs import whisper_spec

    rng = np.random.default_rng(seed)
    spec: Any = whisper_spec.WhisperSpec(size.layers, size.heads, size.layers, size.heads)
    names = vocabulary()
    _fill(spec, size, rng, _sentence(tokens, rng), len(names))
    spec.register_vocabulary(names)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.lang_ids = list(range(_TEXT + 2, _TEXT + 2 + _LANGUAGES))
    spec.config.alignment_heads = [(size.layers - 1, head) for head in range(size.heads)]
    spec.validate()
    spec.optimize(quantization="int8")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    spec.save(str(folder))
    folder.joinpath("tokenizer.json").write_text(json.dumps(_tokenizer(names)))


def vocabulary() -> list[str]:
    """As large as Whisper's: bytes, made-up words, Whisper's special tokens, timestamps."""
    from tokenizers.pre_tokenizers import ByteLevel

    alphabet = sorted(ByteLevel.alphabet())
    words = [f"Ġw{n}" for n in range(_TEXT - len(alphabet))]
    languages = ["en", *(f"x{n}" for n in range(1, _LANGUAGES))]
    special = ["endoftext", "startoftranscript", *languages, "translate", "transcribe"]
    special += ["startoflm", "startofprev", "nospeech", "notimestamps"]
    times = [f"{n * 0.02:.2f}" for n in range(_TIMES)]
    return [*alphabet, *words, *(f"<|{name}|>" for name in (*special, *times))]


def _tokenizer(names: Sequence[str]) -> dict[str, Any]:
    """tokenizer.json: byte-level BPE without merges; made-up words are only ever decoded."""
    added = [
        {
            "id": at,
            "content": name,
            "special": True,
            **dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False),
        }
        for at, name in enumerate(names)
        if at >= _TEXT
    ]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    return {
        "version": "1.0",
        "added_tokens": added,
        "pre_tokenizer": level,
        "decoder": level,
        "model": {
            "type": "BPE",
            "vocab": {name: at for at, name in enumerate(names[:_TEXT])},
            "merges": [],
        },
    }


def _sentence(tokens: int, rng: np.random.Generator) -> list[int]:
    """The token meant at each position.

    Position n says what follows n. The prompt takes one place, and one more without timestamps;
    with them a timestamp stands there. Either way the same text follows.
    """
    words = rng.permutation(np.arange(1_000, 40_000))[:tokens]
    first_time = _TEXT + 2 + _LANGUAGES + 6
    end = _TEXT
    meant = [first_time, *(int(word) for word in words)]
    return meant + [end] * (_POSITIONS - len(meant))


def _fill(spec: Any, size: Size, rng: np.random.Generator, meant: list[int], entries: int) -> None:
    width = size.width
    for conv, inputs in ((spec.encoder.conv1, _MELS), (spec.encoder.conv2, width)):
        conv.weight = _normal(rng, (width, inputs, 3), inputs * 3)
        conv.bias = np.zeros(width, dtype=np.float32)
    spec.encoder.position_encodings.encodings = _normal(rng, (_ENCODER_POSITIONS, width), width)
    embedding = _normal(rng, (entries, width), width)
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    spec.decoder.embeddings.weight = embedding
    spec.decoder.projection.weight = embedding.copy()
    spec.decoder.position_encodings.encodings = embedding[meant] * np.float32(_LOUDNESS)
    for side in (spec.encoder, spec.decoder):
        _norm(side.layer_norm, width)
        for layer in side.layer:
            _layer(layer, width, rng)
    # The last norm brings the meant embedding to length sqrt(width).
    spec.decoder.layer_norm.gamma *= np.float32(_MEANT / np.sqrt(width))


def _layer(layer: Any, width: int, rng: np.random.Generator) -> None:
    _norm(layer.self_attention.layer_norm, width)
    _linear(layer.self_attention.linear[0], 3 * width, width, rng)
    _linear(layer.self_attention.linear[1], width, width, rng, _SOFTLY)
    if hasattr(layer, "attention"):
        _norm(layer.attention.layer_norm, width)
        _linear(layer.attention.linear[0], width, width, rng)
        _linear(layer.attention.linear[1], 2 * width, width, rng)
        _linear(layer.attention.linear[2], width, width, rng, _SOFTLY)
    _norm(layer.ffn.layer_norm, width)
    _linear(layer.ffn.linear_0, 4 * width, width, rng)
    _linear(layer.ffn.linear_1, width, 4 * width, rng, _SOFTLY)


def _norm(norm: Any, width: int) -> None:
    norm.gamma = np.ones(width, dtype=np.float32)
    norm.beta = np.zeros(width, dtype=np.float32)


def _linear(
    linear: Any, outputs: int, inputs: int, rng: np.random.Generator, scale: float = 1.0
) -> None:
    linear.weight = _normal(rng, (outputs, inputs), inputs) * np.float32(scale)
    linear.bias = np.zeros(outputs, dtype=np.float32)


def _normal(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> Array:
    """Random weights that keep the size of what goes through them."""
    drawn = rng.standard_normal(shape, dtype=np.float32)
    return drawn * np.float32(1 / np.sqrt(fan_in))
