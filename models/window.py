"""Windows of an utterance on their way through the engine, and what becomes of them together.

Most utterances are one window; what is longer than the model was trained for is cut at pauses
(models/utterance.py), and its windows' hypotheses are joined here into one transcript.
"""

import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from models.confidence import Confidence
from models.constraint import LENGTH_BONUS, Vocabulary
from models.decoding import FRAMES_PER_S, SUSPECT_LOG_PROB, Decoded, Encoded
from models.request import Prepared, Request
from models.speech import Samples, Word
from models.transcript import Hypothesis, Transcript, distinct, scored

_TOKENS_PER_S: Final = 12.0  # fast spelling: six letters a second of two tokens each
_TOKENS_MIN: Final = 12
_TOKENS_MAX: Final = 200  # Whisper's decoder has 448 positions, the prompt takes up to half

REJECT_LOG_PROB: Final = -1.3
"""Most noise, clicks and coughs decode below it. Of 1,000 utterances, half of them in noise and
babble at 10 dB, two did, and what was heard in them was wrong."""

NO_SPEECH: Final = 0.6
"""Whisper's threshold on its no-speech token, where the log probability is suspect too."""


@dataclass(slots=True, eq=False)
class Window:
    """One window on its way through the engine.

    plain: the hypotheses of the free search as the decoder alone ranked them.
    """

    features: Samples
    request: Request
    length: int
    encoded: Encoded | None = None
    decoded: Decoded | None = None
    plain: tuple[Hypothesis, ...] = ()
    engine_s: float = 0.0
    prompt: tuple[int, ...] = field(default=())

    @property
    def cap(self) -> int:
        return token_cap(self.features.shape[1] / FRAMES_PER_S)


def preferred_first(found: Iterable[Hypothesis], within: Vocabulary) -> tuple[Hypothesis, ...]:
    """Likeliest first, where a value of the wanted length is LENGTH_BONUS likelier than it is."""

    def rank(one: Hypothesis) -> float:
        return -one.log_prob - (LENGTH_BONUS if within.prefers(one.text) else 0.0)

    return tuple(sorted(found, key=rank))


def token_cap(speech_s: float) -> int:
    """The most tokens an utterance of that length can hold; a loop ends there."""
    return min(_TOKENS_MAX, _TOKENS_MIN + round(_TOKENS_PER_S * speech_s))


def rejected(log_prob: float, no_speech_prob: float) -> bool:
    """Whether what was decoded is not speech."""
    if log_prob < REJECT_LOG_PROB:
        return True
    return no_speech_prob > NO_SPEECH and log_prob < SUSPECT_LOG_PROB


@contextmanager
def clocked(group: Sequence[Window]) -> Generator[None]:
    """Add the time spent inside the engine to the windows, in equal shares.

    Our own clock cannot see the engine's thread. It has one core, so that the time spent waiting
    for it is its CPU time where cores are free, and more where they are not.
    """
    begun_s = time.monotonic()
    yield
    share_s = (time.monotonic() - begun_s) / len(group)
    for window in group:
        window.engine_s += share_s


def grouped(every: Iterable[Window]) -> list[list[Window]]:
    """Windows that can be searched together."""
    groups: dict[tuple[object, ...], list[Window]] = {}
    for window in every:
        groups.setdefault((window.length, window.prompt), []).append(window)
    return list(groups.values())


def transcript_of(
    prepared: Prepared, found: Sequence[Window], confidence: Confidence
) -> Transcript:
    cpu_s = prepared.cpu_s + sum(window.engine_s for window in found)
    if not found:
        return Transcript(cpu_s=cpu_s)
    decoded = _together(found, prepared)
    if not decoded.hypotheses or rejected(decoded.log_prob, decoded.no_speech_prob):
        return Transcript(no_speech_prob=decoded.no_speech_prob, cpu_s=cpu_s)
    return replace(
        scored(decoded.hypotheses, decoded.no_speech_prob, cpu_s, confidence),
        constrained=decoded.constrained,
        words=decoded.words,
    )


def _together(found: Sequence[Window], prepared: Prepared) -> Decoded:
    """One result for the windows of an utterance: the n-th best of each, or its best."""
    parts = [window.decoded for window in found if window.decoded is not None]
    words = _timed(found, parts, prepared)
    spoken = [part for part in parts if part.hypotheses]
    if len(parts) == 1 or not spoken:
        return replace(parts[0], words=words)
    within = found[0].request.within
    constrained = [part.constrained for part in spoken]
    return Decoded(
        distinct(_joined([part.hypotheses for part in spoken])),
        min(part.no_speech_prob for part in spoken),
        preferred_first(_joined(constrained), within) if within and all(constrained) else (),
        words,
    )


def _timed(
    found: Sequence[Window], parts: Sequence[Decoded], prepared: Prepared
) -> tuple[Word, ...]:
    """The words in seconds of the request's audio, inside of where it sounds.

    Alignment gives the silence at the edges to the words beside it.
    """
    first_s, last_s = prepared.sound_s
    at_s = prepared.begin_s
    words: list[Word] = []
    for window, part in zip(found, parts, strict=True):
        for word in part.words:
            start_s = min(max(at_s + word.start_s, first_s), last_s)
            words.append(Word(word.text, start_s, max(start_s, min(at_s + word.end_s, last_s))))
        at_s += window.features.shape[1] / FRAMES_PER_S
    return tuple(words)


def _joined(parts: Sequence[Sequence[Hypothesis]]) -> list[Hypothesis]:
    joined: list[Hypothesis] = []
    for rank in range(max(map(len, parts))):
        chosen = [part[min(rank, len(part) - 1)] for part in parts]
        mean = sum(one.log_prob for one in chosen) / len(chosen)
        joined.append(Hypothesis(text=" ".join(one.text for one in chosen), log_prob=mean))
    return joined
