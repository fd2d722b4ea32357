# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
"""Weights out of a CTranslate2 Whisper model, to go on training where it stopped.

The inverse of the conversion: int8 rows are multiplied by their scales again, fused matrices
taken apart. What int8 rounded away is lost, which a few hundred training steps make good.
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import letters

Weights = dict[str, NDArray[np.float32]]

_TYPES: Final[Mapping[int, type]] = {
    0: np.float32,
    1: np.int8,
    2: np.int16,
    3: np.int32,
    4: np.float16,
}


def start(folder: Path) -> dict[str, Tensor]:
    """A state dict to go on from: the weights of a model's folder, and its letters if it has them.

    Raises:
        OSError, ValueError, struct.error, DamagedModelError: it is missing, damaged or no such
            model.
    """
    found = state(read(folder / "model.bin"))
    if head := letters.load(folder):
        weight, bias = map(torch.from_numpy, head)
        found |= {"letters.weight": weight, "letters.bias": bias}
    return found


def read(path: Path) -> Weights:
    """All variables of a model.bin as float32, the scales applied.

    Raises:
        OSError, ValueError, struct.error: it is missing, damaged or no such model.
    """
    raw = path.read_bytes()
    at = 0

    def take(form: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(f"<{form}", raw, at)
        at += struct.calcsize(f"<{form}")
        return int(value)

    def text() -> str:
        nonlocal at
        length = take("H")
        at += length
        return raw[at - length : at - 1].decode()

    take("I")  # version of the file format
    if text() != "WhisperSpec":
        raise ValueError(f"{path} is no Whisper model of CTranslate2")
    take("I")  # revision of the specification
    found: dict[str, NDArray[np.float32]] = {}
    for _ in range(take("I")):
        name = text()
        dims = [take("I") for _ in range(take("B"))]
        kind, size = take("B"), take("I")
        if kind in _TYPES:
            values = np.frombuffer(
                raw, dtype=_TYPES[kind], count=size // np.dtype(_TYPES[kind]).itemsize, offset=at
            )
            found[name] = values.reshape(dims).astype(np.float32)
        at += size
    # What is the same as another variable is stored as its name only.
    aliases = [(text(), text()) for _ in range(take("I"))]
    return _scaled(found | {name: found[same] for name, same in aliases if same in found})


def _scaled(found: Weights) -> Weights:
    for name in [name for name in found if name.endswith("_scale")]:
        scale = found[name]
        weight = name.removesuffix("_scale")
        found[weight] = found[weight] / scale.reshape(-1, *[1] * (found[weight].ndim - 1))
    return {name: value for name, value in found.items() if not name.endswith("_scale")}


def state(weights: Weights) -> dict[str, Tensor]:
    """The same as a state dict of models/train/model.py, without the heads for training."""
    found: dict[str, NDArray[np.float32]] = {
        "embedding.weight": weights["decoder/embeddings/weight"],
        "positions": weights["decoder/position_encodings/encodings"],
    }
    for conv in ("conv1", "conv2"):
        found[f"{conv}.weight"] = weights[f"encoder/{conv}/weight"]
        found[f"{conv}.bias"] = weights[f"encoder/{conv}/bias"]
    for side in ("encoder", "decoder"):
        _norm(found, f"{side}_norm", weights, f"{side}/layer_norm")
        number = 0
        while f"{side}/layer_{number}/ffn/linear_0/bias" in weights:
            _layer(found, f"{side}.{number}", weights, f"{side}/layer_{number}")
            number += 1
    return {name: torch.from_numpy(np.array(value)) for name, value in found.items()}


def _layer(found: Weights, to: str, weights: Weights, source: str) -> None:
    _norm(found, f"{to}.self_norm", weights, f"{source}/self_attention/layer_norm")
    _norm(found, f"{to}.ffn_norm", weights, f"{source}/ffn/layer_norm")
    _linear(found, f"{to}.ffn_in", weights, f"{source}/ffn/linear_0")
    _linear(found, f"{to}.ffn_out", weights, f"{source}/ffn/linear_1")
    attention = f"{source}/self_attention"
    _fused(found, f"{to}.self_attention", "qkv", weights, f"{attention}/linear_0")
    _linear(found, f"{to}.self_attention.out", weights, f"{attention}/linear_1")
    attention = f"{source}/attention"
    if f"{attention}/linear_0/bias" in weights:
        _norm(found, f"{to}.cross_norm", weights, f"{attention}/layer_norm")
        _linear(found, f"{to}.cross_attention.q", weights, f"{attention}/linear_0")
        _fused(found, f"{to}.cross_attention", "kv", weights, f"{attention}/linear_1")
        _linear(found, f"{to}.cross_attention.out", weights, f"{attention}/linear_2")


def _norm(found: Weights, to: str, weights: Weights, source: str) -> None:
    found[f"{to}.weight"] = weights[f"{source}/gamma"]
    found[f"{to}.bias"] = weights[f"{source}/beta"]


def _linear(found: Weights, to: str, weights: Weights, source: str) -> None:
    found[f"{to}.weight"] = weights[f"{source}/weight"]
    found[f"{to}.bias"] = weights[f"{source}/bias"]


def _fused(found: Weights, to: str, parts: str, weights: Weights, source: str) -> None:
    matrices = np.split(weights[f"{source}/weight"], len(parts))
    biases = np.split(weights[f"{source}/bias"], len(parts))
    for part, matrix, bias in zip(parts, matrices, biases, strict=True):
        found[f"{to}.{part}.weight"] = matrix
        if part != "k":  # keys have no bias: CTranslate2 stores zeros
            found[f"{to}.{part}.bias"] = bias
