"""Which known phrase is inside a stretch of speech, by its sound.

Theory of operation. Both become cepstra: 12 coefficients of a mel spectrum, blind to level and, the
bands being wide, nearly blind to pitch, plus the loudness of the frame against its own recording.
The phrase is laid into the speech by subsequence dynamic time warping: it may begin and end
anywhere, at half to twice the speed. What decides is not the mean distance along the path, which
would let "43 Oak Street" pass for "42 Oak Street", but the worst fifth of a second of it: one wrong
syllable is a miss. A phrase is kept as it sounds before a full stop, a question mark and a comma,
because clauses change intonation and length with what follows.

Meant for synthetic speech of a known voice: two people saying the same words do not match.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from loadtest.activity import sounding_span
from loadtest.pcm import RATE_HZ, Pcm

Features: TypeAlias = NDArray[np.float32]
"""One row per 16 ms, shape (n, 13)."""

HOP_S: Final = 0.016
THRESHOLD: Final = 0.5  # a phrase scoring this or more was heard

_WINDOW: Final = 256  # 32 ms
_HOP: Final = 128
_BANDS: Final = 24
_CEPSTRA: Final = 12
_FLOOR: Final = 1e-4  # 40 dB under the loudest band: below it lies line noise
_WORST_FRAMES: Final = 12  # 192 ms, about a syllable
# Distance at which score is 0.5. Measured over the shipped prompts with µ-law, 3% loss and 10 dB of
# level difference: the right phrase stays under 1.5, the nearest wrong one over 2.8.
_HALF_DISTANCE: Final = 2.2
_HOPELESS: Final = 1.25  # half distances on average over the whole path
_SKIP_WEIGHT: Final = 0.5  # of a speech frame skipped to follow slower speech
_FAR: Final = np.float32(1e6)


def _mel(frequency_hz: float) -> float:
    return 2595 * math.log10(1 + frequency_hz / 700)


def _mel_bank() -> NDArray[np.float32]:
    """Triangular bands, equally spaced in mel from 120 to 3800 Hz, shape (129, 24)."""
    low, high = _mel(120), _mel(3800)
    steps = [low + (high - low) * band / (_BANDS + 1) for band in range(_BANDS + 2)]
    edges = [700 * (10 ** (mel / 2595) - 1) for mel in steps]
    bins = np.arange(_WINDOW // 2 + 1, dtype=np.float32) * (RATE_HZ / _WINDOW)
    bands = [
        np.maximum(0, np.minimum((bins - left) / (top - left), (right - bins) / (right - top)))
        for left, top, right in zip(edges, edges[1:], edges[2:], strict=False)
    ]
    return np.stack(bands, axis=1).astype(np.float32)


def _cosines() -> NDArray[np.float32]:
    """The discrete cosine transform without its constant, shape (24, 12)."""
    band, order = np.arange(_BANDS)[:, None] + 0.5, np.arange(1, _CEPSTRA + 1)[None]
    return (np.cos(np.pi / _BANDS * band * order) * np.sqrt(2 / _BANDS)).astype(np.float32)


_MEL: Final = _mel_bank()
_COSINES: Final = _cosines()
_TAPER: Final = np.hanning(_WINDOW).astype(np.float32)


def features(pcm: Pcm) -> Features:
    """Cepstra of `pcm`, int16 mono 8 kHz; shape (0, 13) for less than 32 ms or pure silence."""
    if pcm.size < _WINDOW or not pcm.any():
        return np.zeros((0, _CEPSTRA + 1), dtype=np.float32)
    samples = pcm.astype(np.float32) / np.float32(np.abs(pcm.astype(np.int32)).max())
    emphasised = samples.copy()
    emphasised[1:] -= 0.9 * samples[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(emphasised, _WINDOW)[::_HOP]
    power = (np.abs(np.fft.rfft(frames * _TAPER)) ** 2).astype(np.float32) @ _MEL
    logs = np.log10(power + _FLOOR * power.max())
    return np.hstack([logs @ _COSINES, logs.mean(axis=1, keepdims=True)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """A phrase to listen for, in the intonations it may have."""

    text: str
    variants: tuple[Features, ...]

    @classmethod
    def of(cls, text: str, renderings: Iterable[Pcm]) -> "Phrase":
        """Learn a phrase from renderings of it, int16 mono 8 kHz, silence around them allowed."""
        return cls(text=text, variants=tuple(features(_trimmed(pcm)) for pcm in renderings))


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Where a phrase fits best, and how well: 1 is identical, from THRESHOLD on it was heard."""

    text: str
    score: float
    start_s: float
    end_s: float


def intonations(text: str) -> tuple[str, ...]:
    """The texts to render for `Phrase.of`: a statement, a question, the front of a clause."""
    bare = text.rstrip(" .,?!;:")
    return tuple(bare + mark for mark in ".?,")


def find(phrases: Sequence[Phrase], speech: Features) -> tuple[Match, ...]:
    """Lay each phrase into `speech` where it fits best; one match per phrase, in their order."""
    variants = [
        (index, variant)
        for index, phrase in enumerate(phrases)
        for variant in phrase.variants
        if 2 <= len(variant) <= 2 * len(speech) - 2  # else no sound, or too long at double speed
    ]
    best = [Match(text=phrase.text, score=0.0, start_s=0.0, end_s=0.0) for phrase in phrases]
    for (index, _), fit in zip(variants, _warp([v for _, v in variants], speech), strict=True):
        score = float(0.5 ** (fit.distance / _HALF_DISTANCE))
        if score > best[index].score:
            best[index] = Match(
                text=best[index].text,
                score=score,
                start_s=fit.start * HOP_S,
                end_s=(fit.end + 1) * HOP_S,
            )
    return tuple(best)


def _trimmed(pcm: Pcm) -> Pcm:
    start, end = sounding_span(pcm)
    return pcm[start:end]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    distance: float
    start: int  # speech frames
    end: int


def _distances(variants: Sequence[Features], speech: Features) -> NDArray[np.float32]:
    """Euclidean distance of phrase to speech frames, shape (longest, variants, m); 0 beyond."""
    rows = np.concatenate(variants)
    squares = (rows**2).sum(axis=1)[:, None] + (speech**2).sum(axis=1)[None]
    flat = np.sqrt(np.maximum(squares - 2 * rows @ speech.T, 0))
    cost = np.zeros((max(map(len, variants)), len(variants), len(speech)), dtype=np.float32)
    at = 0
    for index, variant in enumerate(variants):
        cost[: len(variant), index] = flat[at : at + len(variant)]
        at += len(variant)
    return cost


def _warp(variants: Sequence[Features], speech: Features) -> list[_Fit]:
    """The best path of each variant through `speech`, all computed side by side.

    Steps are (1,1), (1,2) and (2,1) in (phrase, speech), so a row depends only on rows before it
    and is computed at once. Longest first, so that those which have ended fall off the end.
    """
    if not variants:
        return []
    order = sorted(range(len(variants)), key=lambda index: -len(variants[index]))
    lengths = [len(variants[index]) for index in order]
    cost = _distances([variants[index] for index in order], speech)
    step = np.zeros(cost.shape, dtype=np.int8)
    totals: list[NDArray[np.float32]] = [cost[0]]
    before = np.full_like(cost[0], _FAR)
    for row in range(1, len(cost)):
        running = sum(length > row for length in lengths)
        last, here = totals[-1][:running], cost[row, :running]
        best = np.full_like(here, _FAR)
        best[:, 1:] = last[:, :-1]
        skip = last[:, :-2] + np.float32(_SKIP_WEIGHT) * here[:, 1:-1]
        double = before[:running, :-1] + cost[row - 1, :running, 1:]
        _take(best[:, 2:], skip, step[row, :running, 2:], 1)
        _take(best[:, 1:], double, step[row, :running, 1:], 2)
        best += here
        totals.append(best)
        before = last
    fits: dict[int, _Fit] = {}
    for place, (index, length) in enumerate(zip(order, lengths, strict=True)):
        fits[index] = _trace(cost[:length, place], step[:, place], totals[length - 1][place])
    return [fits[index] for index in range(len(variants))]


def _take(
    best: NDArray[np.float32], other: NDArray[np.floating[Any]], step: NDArray[np.int8], kind: int
) -> None:
    """Where `other` is less than `best`, take it and note the kind of step, in place."""
    np.copyto(step, kind, where=other < best)
    np.minimum(best, other, out=best)


def _trace(cost: NDArray[np.float32], step: NDArray[np.int8], totals: NDArray[np.float32]) -> _Fit:
    """Walk one variant's best path back from its end; see `_warp`."""
    row, column = len(cost) - 1, int(totals.argmin())
    end, mean = column, float(totals.min()) / len(cost)
    if mean > _HOPELESS * _HALF_DISTANCE:  # its worst stretch is no better: not worth walking
        return _Fit(distance=mean, start=column, end=column)
    along = np.zeros(len(cost), dtype=np.float32)
    while True:
        along[row] = cost[row, column]
        if row == 0:
            break
        match int(step[row, column]):
            case 0:
                row, column = row - 1, column - 1
            case 1:
                row, column = row - 1, column - 2
            case _:
                along[row - 1] = cost[row - 1, column]
                row, column = row - 2, column - 1
    width = min(_WORST_FRAMES, len(along))
    worst = np.convolve(along, np.ones(width, dtype=np.float32) / width, "valid").max()
    return _Fit(distance=float(worst), start=column, end=end)
