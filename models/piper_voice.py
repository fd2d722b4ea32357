"""Piper voices: neural speech, streamed clause by clause.

Piper renders a sentence at a time at perhaps ten times real time, so a long sentence would keep the
caller waiting for all of it. `stream` gives the first clause as soon as it is rendered and the rest
while it plays. Piper does not say when words sound: the times are estimates from their lengths.
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from models.errors import EngineError, MissingModelError
from models.speech import (
    RATE_HZ,
    SILENT,
    Samples,
    Speech,
    Timing,
    clean_text,
    finish,
    joined,
    speakable,
)

PIPER_WPM: Final = 165
"""How fast Piper's English voices talk at their own length scale, within a tenth."""

FIRST_CLAUSE_WORDS: Final = 7
"""The first part is not longer where the text lets it: about two seconds of speech."""

_CLAUSE_MIN_WORDS: Final = 2  # "Well, ..." is not worth a part of its own
_PART_WORDS: Final = 16  # later parts: the longer, the better the melody

SENTENCE_PAUSE_S: Final = 0.28
CLAUSE_PAUSE_S: Final = 0.12

_SENTENCE_END: Final = re.compile(r"[.!?…][\"')\]]*$")
_CLAUSE_END: Final = re.compile(r"[,;:–—][\"')\]]*$|^[-–—]+$")
_JOINT: Final = re.compile(
    r"and|or|but|because|so|that|which|who|when|where|while|if|to|for|with|on|at|in|from",
    re.IGNORECASE,
)
"""Words before which a speaker may pause."""


class PiperVoice:
    """A Piper voice, blocking and thread-safe.

    Args:
        path: the `.onnx` file with its `.onnx.json` beside it, or a folder with one such pair.
        speed: 1.0 is the voice's own, 2.0 twice as fast.
        threads: cores for one rendering.

    Raises:
        ValueError: speed is not 0.25 to 4.
        MissingModelError: no voice at that path.
        EngineError: the voice does not load.
    """

    def __init__(self, path: Path, *, speed: float = 1.0, threads: int = 1) -> None:
        if not 0.25 <= speed <= 4.0:
            raise ValueError(f"speed is {speed}, not 0.25 to 4")
        model = _model_file(path)
        self._speed = speed
        self._voice = _loaded(model, threads)
        self._rate_hz = int(self._voice.config.sample_rate)
        self._settings = _settings(float(self._voice.config.length_scale) / speed)
        self._name = f"piper:{model.stem} speed {speed:g}"

    @property
    def name(self) -> str:
        return self._name

    def render(self, text: str) -> Speech:
        """Speak `text` sentence by sentence; empty for a text without anything to say.

        Raises:
            ValueError: the text is too long or not valid Unicode.
            EngineError: the engine failed.
        """
        return joined(list(self._parts(sentences(clean_text(text)))))

    def stream(self, text: str) -> Iterator[Speech]:
        """Speak `text` in parts, the first of them short; same errors as `render`."""
        yield from self._parts(clauses(clean_text(text)))

    def _parts(self, texts: Sequence[str]) -> Iterator[Speech]:
        for index, text in enumerate(texts):
            speech = self._spoken(text)
            if index + 1 < len(texts):
                speech = _with_pause(speech, pause_after(text))
            if speech.words:
                yield speech

    def _spoken(self, text: str) -> Speech:
        if not speakable(text):
            return SILENT
        # Piper reads [[...]] as phonemes: a name from a back end must not.
        plain = text.replace("[[", "[ [").replace("]]", "] ]")
        try:
            chunks: list[Any] = list(self._voice.synthesize(plain, self._settings))
        except Exception as error:  # onnxruntime's and espeak's errors share no base class
            raise EngineError(f"{self.name} failed: {' '.join(str(error).split())}") from error
        if not chunks:
            return SILENT
        samples = cast(Samples, np.concatenate([chunk.audio_float_array for chunk in chunks]))
        duration_s = len(samples) / self._rate_hz
        return finish(samples, self._rate_hz, estimated_timings(text, duration_s))


def sentences(text: str) -> list[str]:
    """The sentences of a text with its white space collapsed."""
    groups: list[list[str]] = [[]]
    for word in text.split():
        groups[-1].append(word)
        if _SENTENCE_END.search(word):
            groups.append([])
    return [" ".join(words) for words in groups if words]


def clauses(text: str) -> list[str]:
    """Parts to render one after the other: the first short, later ones up to a sentence.

    Joined by spaces, the parts are the text.
    """
    parts: list[str] = []
    for sentence in sentences(text):
        parts += _cut(sentence.split(" "), _PART_WORDS if parts else FIRST_CLAUSE_WORDS)
    return parts


def pause_after(part: str) -> float:
    """Seconds of silence that belong after a part."""
    if _SENTENCE_END.search(part):
        return SENTENCE_PAUSE_S
    return CLAUSE_PAUSE_S if _CLAUSE_END.search(part.rsplit(" ", 1)[-1]) else 0.0


def estimated_timings(text: str, duration_s: float) -> list[Timing]:
    """Words with times in proportion to their lengths; a digit counts as a word."""
    words = text.split(" ")
    weights = [_weight(word) for word in words]
    total = sum(weights) or 1.0
    ends = list(accumulate(weight / total * duration_s for weight in weights))
    starts = [0.0, *ends[:-1]]
    return list(zip(words, starts, ends, strict=True))


def _cut(words: list[str], most: int) -> list[str]:
    """A sentence in parts of at most `most` words, later ones `_PART_WORDS`, if it can be cut."""
    parts: list[str] = []
    while len(words) > most:
        at = _cut_before(words, most)
        if at is None:
            break
        parts.append(" ".join(words[:at]))
        words, most = words[at:], _PART_WORDS
    parts.append(" ".join(words))
    return parts


def _cut_before(words: list[str], most: int) -> int | None:
    """Where to end the first part: after the last punctuation that fits, else before a joint."""
    fitting = range(min(most, len(words) - 1), _CLAUSE_MIN_WORDS - 1, -1)
    for at in fitting:
        if _CLAUSE_END.search(words[at - 1]):
            return at
    for at in fitting:
        if _JOINT.fullmatch(words[at]):
            return at
    for at in range(most + 1, len(words)):
        if _CLAUSE_END.search(words[at - 1]) or _JOINT.fullmatch(words[at]):
            return at
    return None


def _weight(word: str) -> float:
    letters = sum(character.isalpha() for character in word)
    digits = sum(character.isdigit() for character in word)
    return 1.0 + letters + 4.0 * digits  # a digit is a word of about four letters


def _with_pause(speech: Speech, pause_s: float) -> Speech:
    if not pause_s or not len(speech.pcm):
        return speech
    gap = np.zeros(round(pause_s * RATE_HZ), dtype=np.int16)
    return Speech(pcm=np.concatenate((speech.pcm, gap)), words=speech.words)


def _model_file(path: Path) -> Path:
    found = sorted(path.glob("*.onnx")) if path.is_dir() else [path]
    if len(found) != 1 or not found[0].is_file():
        raise MissingModelError(f"no Piper voice at {path}: there must be one .onnx file")
    return found[0]


def _loaded(model: Path, threads: int) -> Any:
    import onnxruntime  # with piper half a second to import: only for those who use it
    import piper
    from piper.config import PiperConfig

    ort: Any = onnxruntime
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    try:
        config = PiperConfig.from_dict(
            json.loads(model.with_name(f"{model.name}.json").read_text())
        )
        session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        # PiperVoice.load would give one voice all cores.
        return piper.PiperVoice(session=session, config=config)
    except Exception as error:  # a missing file, bad JSON, missing keys, onnxruntime's own
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise EngineError(f"{model} does not load: {reason}") from error


def _settings(length_scale: float) -> Any:
    from piper.config import SynthesisConfig

    return SynthesisConfig(length_scale=length_scale)
