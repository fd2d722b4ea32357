"""Synthesised speech: what every voice returns, and how its audio is finished.

Engines differ in rate, level and in the silence they leave at the edges. `finish` makes them alike:
8 kHz, about -20 dBFS, hardly any silence before the first word, so that a reply starts when it is
sent and prompts of different voices can be played one after the other.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 8_000

LEAD_S: Final = 0.005
"""Silence kept before the first sound: enough that the onset is not cut."""

TAIL_S: Final = 0.04
"""Silence kept after the last sound: two frames, so that final consonants ring out."""

LEVEL_DBFS: Final = -20.0
"""RMS while sounding. ITU-T P.56 levels of telephone speech lie around -26 to -18 dBFS."""

PEAK_DBFS: Final = -1.0
"""No sample louder than this: A-law and mu-law clip hard above full scale."""

_FLOOR_DBFS: Final = -50.0
"""Below this, relative to the loudest 5 ms, audio counts as silence."""

_BLOCK: Final = RATE_HZ // 200  # 5 ms

Pcm: TypeAlias = NDArray[np.int16]
Samples: TypeAlias = NDArray[np.float32]
Timing: TypeAlias = tuple[str, float, float]
"""A word with its start and end in seconds."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word as written, punctuation included, and where it sounds, in seconds."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """Rendered speech: int16, mono, 8 kHz, shape (n,).

    The words, joined by spaces, are the rendered text with its white space collapsed. They are in
    order, do not overlap and lie inside the audio.
    """

    pcm: Pcm
    words: tuple[Word, ...]

    @property
    def duration_s(self) -> float:
        return len(self.pcm) / RATE_HZ


SILENT: Final = Speech(pcm=np.zeros(0, dtype=np.int16), words=())
"""What a text without anything to say becomes."""

_UNSPEAKABLE: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff\ufffe\uffff]"
)
_SOUNDING: Final = re.compile(r"[^\W_]|[%$€£&@+=#*/°]")

MAX_TEXT: Final = 20_000
"""Characters: about 25 minutes of speech; more is a mistake of the author."""


def clean_text(text: str) -> str:
    """The text with control characters out and white space collapsed.

    Raises:
        ValueError: more than MAX_TEXT characters, or lone surrogates.
    """
    if len(text) > MAX_TEXT:
        raise ValueError(
            f"text to speak has {len(text)} characters, at most {MAX_TEXT} are allowed"
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError("text to speak holds half a surrogate pair") from error
    return " ".join(_UNSPEAKABLE.sub(" ", text).split())


def speakable(text: str) -> bool:
    """Whether the text holds anything but punctuation."""
    return _SOUNDING.search(text) is not None


def finish(samples: Samples, rate_hz: int, timings: Sequence[Timing]) -> Speech:
    """Resample to 8 kHz, trim the edges to LEAD_S and TAIL_S, set the level.

    Args:
        samples: float32, mono, shape (n,), any scale.
        timings: word, start and end in seconds in `samples`, in order; an end may include the pause
            after the word.
    """
    narrow = resample(samples, rate_hz, RATE_HZ)
    loud = _sounding_blocks(narrow)
    if len(loud) == 0:
        return SILENT
    begin = max(0, int(loud[0]) * _BLOCK - round(LEAD_S * RATE_HZ))
    sound_end = min(len(narrow), (int(loud[-1]) + 1) * _BLOCK)
    end = min(len(narrow), sound_end + round(TAIL_S * RATE_HZ))
    spans = _apart(timings, begin / RATE_HZ, sound_end / RATE_HZ)
    words = tuple(
        Word(text, start_s - begin / RATE_HZ, _sounding_end(loud, start_s, end_s) - begin / RATE_HZ)
        for text, start_s, end_s in spans
    )
    return Speech(pcm=_levelled(narrow[begin:end]), words=words)


def resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """The whole of `samples` at another rate, float32, shape (n,)."""
    if from_hz == to_hz:
        return samples
    import soxr  # on first use: the command line lists voices without it

    return cast(Samples, cast(Any, soxr).resample(samples, from_hz, to_hz, quality="HQ"))


def joined(parts: Sequence[Speech], *, pause_s: float = 0.0) -> Speech:
    """The parts one after the other with `pause_s` of silence between them."""
    gap = np.zeros(round(pause_s * RATE_HZ), dtype=np.int16)
    pieces: list[Pcm] = []
    words: list[Word] = []
    at = 0
    for part in parts:
        if pieces:
            pieces.append(gap)
            at += len(gap)
        offset_s = at / RATE_HZ
        words += [Word(w.text, w.start_s + offset_s, w.end_s + offset_s) for w in part.words]
        pieces.append(part.pcm)
        at += len(part.pcm)
    if not pieces:
        return SILENT
    return Speech(pcm=np.concatenate(pieces), words=tuple(words))


def pause(seconds: float) -> Iterator[Speech]:
    """Silence between two parts of a stream, if there is to be any."""
    if seconds > 0:
        yield Speech(pcm=np.zeros(round(seconds * RATE_HZ), dtype=np.int16), words=())


def _block_levels(samples: Samples) -> Samples:
    """RMS of each 5 ms block, shape (ceil(n / 40),)."""
    padded = np.pad(samples, (0, -len(samples) % _BLOCK)).reshape(-1, _BLOCK)
    return np.sqrt(np.mean(padded * padded, axis=1))


def _sounding_blocks(samples: Samples) -> NDArray[np.intp]:
    """Indices of the 5 ms blocks that are not silence."""
    if len(samples) == 0:
        return np.zeros(0, dtype=np.intp)
    levels = _block_levels(samples)
    return np.flatnonzero(levels > max(float(levels.max()) * 10 ** (_FLOOR_DBFS / 20), 1e-6))


def _levelled(samples: Samples) -> Pcm:
    """int16 at LEVEL_DBFS over the sounding blocks, with no peak above PEAK_DBFS."""
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < 1e-9:
        return np.zeros(len(samples), dtype=np.int16)
    levels = _block_levels(samples)
    # Pauses are not part of the level: a slow prompt would come out louder than a fast one.
    active = levels[levels > levels.max() * 0.03]
    rms = float(np.sqrt(np.mean(active * active)))
    gain = min(10 ** (LEVEL_DBFS / 20) / rms, 10 ** (PEAK_DBFS / 20) / peak)
    return np.round(samples * (gain * 32767.0)).astype(np.int16)


def _apart(timings: Sequence[Timing], begin_s: float, end_s: float) -> list[Timing]:
    """The timings in order, without overlaps, inside [begin_s, end_s]."""
    starts: list[float] = []
    for _, start_s, _ in timings:
        starts.append(min(end_s, max(starts[-1] if starts else begin_s, start_s)))
    nexts = [*starts[1:], end_s]
    return [
        (text, start_s, min(next_s, max(start_s, stop_s)))
        for (text, _, stop_s), start_s, next_s in zip(timings, starts, nexts, strict=True)
    ]


def _sounding_end(loud: NDArray[np.intp], start_s: float, end_s: float) -> float:
    """Where the last sound in the span ends: a pause belongs to no word."""
    last = int(np.searchsorted(loud, round(end_s * RATE_HZ / _BLOCK))) - 1
    if last < 0:
        return end_s
    return min(end_s, max(start_s, int(loud[last] + 1) * _BLOCK / RATE_HZ))
