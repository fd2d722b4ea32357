# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportUntypedBaseClass=false
"""A Whisper model to train: the stock architecture at any size, with two heads beside the decoder.

Names and shapes follow CTranslate2's Whisper specification where that is easy; export.py maps them
to Hugging Face's. The CTC head over letters and the head over phonemes look at the encoder and
help it to align. The letters are exported beside the weights, where the engine asks them
(models/letters.py); the phonemes have done their work.
"""

import math
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from models.letters import BLANK
from models.train import phonemes

ENCODER_POSITIONS: Final = 1_500  # 30 s: stock faster-whisper pads every input to it
DECODER_POSITIONS: Final = 448


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The size of a model."""

    vocabulary: int
    width: int = 256
    heads: int = 4
    encoder_layers: int = 4
    decoder_layers: int = 2
    mels: int = 80


def sinusoids(length: int, width: int) -> Tensor:
    """Whisper's fixed positions of the encoder, shape (length, width)."""
    step = math.log(10_000) / (width // 2 - 1)
    angles = torch.arange(length)[:, None] * torch.exp(-step * torch.arange(width // 2))[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class Attention(nn.Module):
    """Multi-head attention, keys without bias, as in Whisper."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width, bias=False)
        self.v = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, source: Tensor | None = None, *, causal: bool = False) -> Tensor:
        source = x if source is None else source

        def split(t: Tensor) -> Tensor:
            return t.view(t.shape[0], t.shape[1], self.heads, -1).transpose(1, 2)

        mixed = F.scaled_dot_product_attention(
            split(self.q(x)), split(self.k(source)), split(self.v(source)), is_causal=causal
        )
        return self.out(mixed.transpose(1, 2).reshape(x.shape))


class Layer(nn.Module):
    """One layer: self-attention, attention to the encoder in the decoder, feed-forward."""

    def __init__(self, shape: Shape, *, decoder: bool) -> None:
        super().__init__()
        width = shape.width
        self.decoder = decoder
        self.self_norm = nn.LayerNorm(width)
        self.self_attention = Attention(width, shape.heads)
        if decoder:
            self.cross_norm = nn.LayerNorm(width)
            self.cross_attention = Attention(width, shape.heads)
        self.ffn_norm = nn.LayerNorm(width)
        self.ffn_in = nn.Linear(width, 4 * width)
        self.ffn_out = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, encoded: Tensor | None = None) -> Tensor:
        x = x + self.self_attention(self.self_norm(x), causal=self.decoder)
        if self.decoder:
            x = x + self.cross_attention(self.cross_norm(x), encoded)
        return x + self.ffn_out(F.gelu(self.ffn_in(self.ffn_norm(x))))


class Whisper(nn.Module):
    """The model; float32 parameters."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.width
        self.conv1 = nn.Conv1d(shape.mels, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.register_buffer("places", sinusoids(ENCODER_POSITIONS, width), persistent=False)
        self.encoder = nn.ModuleList(
            Layer(shape, decoder=False) for _ in range(shape.encoder_layers)
        )
        self.encoder_norm = nn.LayerNorm(width)
        self.embedding = nn.Embedding(shape.vocabulary, width)
        self.positions = nn.Parameter(torch.zeros(DECODER_POSITIONS, width))
        self.decoder = nn.ModuleList(
            Layer(shape, decoder=True) for _ in range(shape.decoder_layers)
        )
        self.decoder_norm = nn.LayerNorm(width)
        self.letters = nn.Linear(width, BLANK + 1)
        self.sounds = nn.Linear(width, phonemes.TARGETS)
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.normal_(self.positions, std=0.01)

    def encode(self, mels: Tensor) -> Tensor:
        """Encoder states, shape (batch, frames / 2, width), for (batch, mels, frames)."""
        x = F.gelu(self.conv2(F.gelu(self.conv1(mels)))).transpose(1, 2)
        x = x + self.places[: x.shape[1]]
        for layer in self.encoder:
            x = layer(x)
        return self.encoder_norm(x)

    def decode(self, tokens: Tensor, encoded: Tensor) -> Tensor:
        """Logits of the token after each, shape (batch, tokens, vocabulary)."""
        x = self.embedding(tokens) + self.positions[: tokens.shape[1]]
        for layer in self.decoder:
            x = layer(x, encoded)
        return self.decoder_norm(x) @ self.embedding.weight.T
