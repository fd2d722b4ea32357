"""Utterances on disk, in shards: audio, text, voice and phoneme targets.

A shard is one .npz file: all audio in one int16 array at 8 kHz, all targets in another, and where
each utterance begins. Training reads one shard at a time, so that a corpus may be larger than
memory, and a shard that is being written has another name until it is whole.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """What was said, who said it, and how it sounds before any telephone.

    pcm: int16, shape (n,), 8 kHz. targets: int16, shape (m,), 50 a second; empty where unknown.
    kind: what sort of text it is, for the tables of the evaluation.
    """

    text: str
    voice: str
    kind: str
    pcm: NDArray[np.int16]
    targets: NDArray[np.int16]

    @property
    def seconds(self) -> float:
        return len(self.pcm) / RATE_HZ


NO_TARGETS: Final[NDArray[np.int16]] = np.zeros(0, dtype=np.int16)


def save(path: Path, utterances: Sequence[Utterance]) -> None:
    """Write a shard; it appears under its name only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = [[u.text, u.voice, u.kind] for u in utterances]
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        meta=np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8),
        pcm=_joined([u.pcm for u in utterances]),
        pcm_at=_offsets(len(u.pcm) for u in utterances),
        targets=_joined([u.targets for u in utterances]),
        targets_at=_offsets(len(u.targets) for u in utterances),
    )
    partial.replace(path)


def load(path: Path) -> list[Utterance]:
    """Read a shard.

    Raises:
        OSError, ValueError, KeyError: it is missing or is not a shard.
    """
    with np.load(path) as data:
        meta: list[list[str]] = json.loads(data["meta"].tobytes())
        pcm, pcm_at = data["pcm"], data["pcm_at"]
        targets, targets_at = data["targets"], data["targets_at"]
    return [
        Utterance(
            text=text,
            voice=voice,
            kind=kind,
            pcm=pcm[pcm_at[n] : pcm_at[n + 1]],
            targets=targets[targets_at[n] : targets_at[n + 1]],
        )
        for n, (text, voice, kind) in enumerate(meta)
    ]


def shards(folder: Path) -> list[Path]:
    """The whole shards of a folder, in the order of their names."""
    return sorted(p for p in folder.glob("*.npz") if not p.name.endswith(".partial.npz"))


def floats(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    """The same samples from -1 to 1."""
    return pcm.astype(np.float32) * np.float32(1 / 32768)


def renamed(utterance: Utterance, **changes: Any) -> Utterance:
    """The utterance with other fields."""
    return replace(utterance, **changes)


def _joined(parts: Sequence[NDArray[np.int16]]) -> NDArray[np.int16]:
    return np.concatenate(parts) if parts else NO_TARGETS


def _offsets(lengths: Iterable[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *lengths], dtype=np.int64)
