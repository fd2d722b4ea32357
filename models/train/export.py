# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
"""A trained model as a CTranslate2 folder, which stock faster-whisper reads.

Goes straight to CTranslate2's own specification: the names of models/train/ct2_weights.py the
other way round, and the same quantisation as its converters.
"""

import itertools
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from models import catalog, letters
from models.train.config import QUANTISATIONS, TRAINED_CONTEXT
from models.train.model import ENCODER_POSITIONS, Shape, sinusoids
from models.train.vocabulary import Vocabulary

_PREPROCESSOR: Final = {
    "feature_size": 80,
    "sampling_rate": 16_000,
    "hop_length": 160,
    "chunk_length": 30,
    "n_fft": 400,
}


def checkpoint(path: Path, *, average: bool = True) -> tuple[dict[str, Tensor], Shape]:
    """Weights and shape out of a checkpoint.

    Raises:
        OSError, KeyError, RuntimeError: it is missing or no checkpoint.
    """
    kept: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    return kept["average" if average else "model"], Shape(**kept["shape"])


def mean_of(paths: list[Path]) -> tuple[dict[str, Tensor], Shape]:
    """The mean of the averaged weights of several checkpoints."""
    states, shapes = zip(*(checkpoint(path) for path in paths), strict=True)
    mixed = {
        name: torch.stack([state[name].float() for state in states]).mean(0) for name in states[0]
    }
    return mixed, shapes[0]


def export(
    state: Mapping[str, Tensor],
    shape: Shape,
    tokenizer: Path,
    folder: Path,
    *,
    quantisation: str = "int8",
) -> None:
    """Write model.bin, config.json, vocabulary.json, tokenizer.json, preprocessor_config.json, the
    context rule, and the head over letters where the weights have one.

    Raises:
        ValueError: an unknown quantisation, or the vocabulary is not the model's.
        OSError: the folder cannot be written.
    """
    vocabulary = Vocabulary(tokenizer)
    if vocabulary.size != shape.vocabulary:
        raise ValueError(
            f"{tokenizer} has {vocabulary.size} entries and the model {shape.vocabulary}"
        )
    write(state, shape, vocabulary.tokens(), folder, quantisation=quantisation)
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    folder.joinpath("preprocessor_config.json").write_text(json.dumps(_PREPROCESSOR))
    if "letters.weight" in state:
        letters.save(folder, state["letters.weight"].numpy(), state["letters.bias"].numpy())
    catalog.state_context(folder, TRAINED_CONTEXT)


def write(
    state: Mapping[str, Tensor],
    shape: Shape,
    entries: Sequence[str],
    folder: Path,
    *,
    quantisation: str,
    config: Mapping[str, Any] | None = None,
) -> None:
    """Write model.bin, config.json and vocabulary.json.

    Args:
        entries: of the vocabulary, in their order.
        config: what config.json says of tokens and alignment heads; that of a model of our own
            when None.

    Raises:
        ValueError: an unknown quantisation. OSError: the folder cannot be written.
    """
    from ctranslate2.specs import whisper_spec

    if quantisation not in QUANTISATIONS:
        raise ValueError(f"quantisation is {quantisation!r}, not one of {QUANTISATIONS}")
    spec: Any = whisper_spec.WhisperSpec(
        shape.encoder_layers, shape.heads, shape.decoder_layers, shape.heads
    )
    # Copies, since CTranslate2 quantises in place.
    _fill(spec, {name: value.float().numpy().copy() for name, value in state.items()}, shape)
    spec.register_vocabulary(list(entries))
    for name, value in (config or _own_config(shape)).items():
        setattr(spec.config, name, value)
    spec.validate()
    spec.optimize(quantization=None if quantisation == "float32" else quantisation)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))


def _own_config(shape: Shape) -> dict[str, Any]:
    upper = range(shape.decoder_layers // 2, shape.decoder_layers)
    heads = list(itertools.product(upper, range(shape.heads)))
    return {
        "suppress_ids": [],
        "suppress_ids_begin": [],
        "lang_ids": [],
        "alignment_heads": heads,
    }


_Arrays = Mapping[str, "np.ndarray[Any, Any]"]


def _fill(spec: Any, state: _Arrays, shape: Shape) -> None:
    for name in ("conv1", "conv2"):
        conv = getattr(spec.encoder, name)
        conv.weight, conv.bias = state[f"{name}.weight"], state[f"{name}.bias"]
    places = state.get("places")
    if places is None:
        places = sinusoids(ENCODER_POSITIONS, shape.width).numpy()
    spec.encoder.position_encodings.encodings = places
    spec.decoder.position_encodings.encodings = state["positions"]
    spec.decoder.embeddings.weight = state["embedding.weight"]
    spec.decoder.projection.weight = state["embedding.weight"]
    for side in ("encoder", "decoder"):
        part = getattr(spec, side)
        _norm(part.layer_norm, state, f"{side}_norm")
        for number, layer in enumerate(part.layer):
            _layer(layer, state, f"{side}.{number}")


def _layer(layer: Any, state: _Arrays, name: str) -> None:
    attention = layer.self_attention
    _norm(attention.layer_norm, state, f"{name}.self_norm")
    _fused(attention.linear[0], state, f"{name}.self_attention", "qkv")
    _linear(attention.linear[1], state, f"{name}.self_attention.out")
    if f"{name}.cross_norm.weight" in state:
        _norm(layer.attention.layer_norm, state, f"{name}.cross_norm")
        _linear(layer.attention.linear[0], state, f"{name}.cross_attention.q")
        _fused(layer.attention.linear[1], state, f"{name}.cross_attention", "kv")
        _linear(layer.attention.linear[2], state, f"{name}.cross_attention.out")
    _norm(layer.ffn.layer_norm, state, f"{name}.ffn_norm")
    _linear(layer.ffn.linear_0, state, f"{name}.ffn_in")
    _linear(layer.ffn.linear_1, state, f"{name}.ffn_out")


def _norm(norm: Any, state: _Arrays, name: str) -> None:
    norm.gamma, norm.beta = state[f"{name}.weight"], state[f"{name}.bias"]


def _linear(linear: Any, state: _Arrays, name: str) -> None:
    linear.weight, linear.bias = state[f"{name}.weight"], state[f"{name}.bias"]


def _fused(linear: Any, state: _Arrays, name: str, parts: str) -> None:
    matrices = [state[f"{name}.{part}.weight"] for part in parts]
    none = np.zeros(len(matrices[0]), dtype=np.float32)  # Whisper's keys have no bias
    biases = [state.get(f"{name}.{part}.bias", none) for part in parts]
    linear.weight, linear.bias = np.concatenate(matrices), np.concatenate(biases)
