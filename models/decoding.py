"""CTranslate2's Whisper: features in, hypotheses out, and the traps of its interface.

    features   log-mel, of the audio alone
    encode     one utterance at a time: a batch is no cheaper, and would have to be padded
    generate   one utterance, or several whose encoder output has the same length; cross-attention
               knows no padding, so that others cannot share a batch

With tokens suppressed the search is over what is left, and so are its scores: the probability of
what was suppressed is missing from the sum. `comparable` puts it back.
"""

import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from models import loading
from models.catalog import ContextRule
from models.constraint import Vocabulary
from models.errors import DamagedModelError, EngineError
from models.features import GrowingFeatures, LogMel
from models.letters import LetterHead
from models.speech import RATE_HZ, Pcm, Samples, Word, resample
from models.transcript import Hypothesis, distinct, normalise

ENGINE_HZ: Final = 16_000
FRAMES_PER_S: Final = 100  # mel frames
_ENCODED_PER_S: Final = 50  # encoder positions

SUSPECT_LOG_PROB: Final = -1.0
"""Mean per token: below it, and above SUSPECT_COMPRESSION, Whisper's authors decode again."""

SUSPECT_COMPRESSION: Final = 2.4
"""Text that zlib shrinks more than this repeats itself."""

CONSTRAINED_BEAM: Final = 8
"""Hypotheses are lost where pieces of words do not make one: wider than the free search."""

_KEPT_LISTS: Final = 32  # of suppressed tokens; a flow has a handful of slots

_PROMPT_TOKENS: Final = 200  # under half of the decoder's positions, as Whisper's authors have it


@dataclass(frozen=True, slots=True)
class Decoded:
    """n-best of one window, best first."""

    hypotheses: tuple[Hypothesis, ...]
    no_speech_prob: float
    constrained: tuple[Hypothesis, ...] = ()
    words: tuple[Word, ...] = ()

    @property
    def log_prob(self) -> float:
        return self.hypotheses[0].log_prob if self.hypotheses else -10.0

    @property
    def repeats(self) -> bool:
        """Whether the best text says the same again and again."""
        if not self.hypotheses:
            return False
        raw = self.hypotheses[0].text.encode()
        return len(raw) / len(zlib.compress(raw)) > SUSPECT_COMPRESSION

    @property
    def suspect(self) -> bool:
        """Whether it looks like a decode that went wrong."""
        return bool(self.hypotheses) and (self.repeats or self.log_prob < SUSPECT_LOG_PROB)


@dataclass(frozen=True, slots=True)
class Encoded:
    """Encoder output of one window. length: mel frames encoded; speech: those with audio."""

    view: Any
    length: int
    speech: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How to decode: `prompt` tokens, at most `cap` new ones, `beam` hypotheses."""

    prompt: tuple[int, ...]
    cap: int
    beam: int
    suppress: tuple[int, ...] = ()


class WhisperDecoder:
    """A loaded model; thread-safe.

    Raises:
        EngineError: the model does not load, or lacks the language.
        DamagedModelError: its letters are damaged, or another model's.
    """

    def __init__(
        self, path: Path, *, threads: int, device: str, compute_type: str, language: str
    ) -> None:
        self._name = path.name
        self._whisper = loading.whisper(path, threads, device, compute_type)
        self.growing = GrowingFeatures(LogMel(self._whisper.feature_extractor))
        self._lock = threading.Lock()
        self._suppressed: dict[tuple[frozenset[str], bool], tuple[int, ...]] = {}
        self.tokens = Tokens(self._whisper, language)
        self.mels = int(self._whisper.model.n_mels)
        self._letters = self._letters_of(path)

    @property
    def device(self) -> str:
        """cpu or cuda."""
        return str(self._whisper.model.device)

    @property
    def compute_type(self) -> str:
        return str(self._whisper.model.compute_type)

    def features(self, pcm: Pcm) -> Samples:
        """Log-mel features of 8 kHz audio, float32, shape (mels, frames)."""
        wide = resample(pcm.astype(np.float32) / 32768.0, RATE_HZ, ENGINE_HZ)
        return self.growing.of(pcm, wide)[:, : len(wide) * FRAMES_PER_S // ENGINE_HZ]

    def length_of(self, features: Samples, rule: ContextRule) -> int:
        """Mel frames to encode under a context rule."""
        frames = features.shape[1]
        return encoder_frames(rule.seconds(frames / FRAMES_PER_S), frames, self.mels)

    def encode(self, features: Samples, length: int) -> Encoded:
        """Encode one utterance, padded with zeros or cut to `length` frames.

        Raises:
            EngineError: the engine failed.
        """
        import ctranslate2

        used = min(features.shape[1], length)
        padded = np.zeros((1, self.mels, length), dtype=np.float32)
        padded[0, :, :used] = features[:, :used]
        try:
            view = self._whisper.model.encode(ctranslate2.StorageView.from_array(padded))
        except (RuntimeError, ValueError) as error:
            raise self._failed(error) from error
        return Encoded(view, length, used)

    def generate(self, encoded: Sequence[Encoded], search: Search) -> list[Decoded]:
        """Decode utterances of one length together.

        Raises:
            EngineError: the engine failed.
        """
        try:
            results = self._whisper.model.generate(
                _batched(encoded),
                [list(search.prompt)] * len(encoded),
                beam_size=search.beam,
                num_hypotheses=search.beam,
                max_length=len(search.prompt) + search.cap,
                return_scores=True,
                return_no_speech_prob=True,
                suppress_blank=False,
                suppress_tokens=list(search.suppress) or [-1],
            )
        except (RuntimeError, ValueError) as error:
            raise self._failed(error) from error
        return [self._read(result) for result in results]

    def weighed(self, encoded: Encoded, found: Sequence[Hypothesis]) -> tuple[Hypothesis, ...]:
        """Hypotheses in the order of decoder and letters together, where the model has letters."""
        if self._letters is None:
            return tuple(found)

        def sounding() -> Samples:
            return _array(encoded)[0, : encoded.speech // 2]

        return self._letters.weigh(sounding, found, lambda text: len(self.tokens.ids(text)) + 1)

    def _letters_of(self, path: Path) -> LetterHead | None:
        head = LetterHead.beside(path)
        if head is not None:
            silence = self.encode(np.zeros((self.mels, FRAMES_PER_S), np.float32), FRAMES_PER_S)
            width = _array(silence).shape[-1]
            if width != head.width:
                raise DamagedModelError(f"{path}: its letters are for an encoder of {head.width}")
        return head

    def suppressed_for(self, within: Vocabulary) -> tuple[int, ...]:
        """The tokens that no text of the vocabulary needs."""
        key = within.words, within.figures
        with self._lock:
            found = self._suppressed.get(key)
            if found is None:
                if len(self._suppressed) >= _KEPT_LISTS:
                    self._suppressed.clear()
                found = self._suppressed[key] = self.tokens.all_but(within)
            return found

    def token_probs(self, encoded: Encoded, texts: Sequence[str]) -> list[float]:
        """Mean log probability per token of each text, its end not counted."""
        aligned = self._align(encoded, texts)
        return [
            float(np.log(np.maximum(one.text_token_probs, 1e-9)).sum())
            / (len(one.text_token_probs) + 1)
            for one in aligned
        ]

    def word_times(self, encoded: Encoded, text: str) -> tuple[Word, ...]:
        """When each word of a text sounds, in seconds from the window's beginning."""
        if not text:
            return ()
        (aligned,) = self._align(encoded, [text])
        begins: dict[int, int] = {}
        ends: dict[int, int] = {}
        for token, position in aligned.alignments:
            begins.setdefault(int(token), int(position))
            ends[int(token)] = int(position) + 1
        found: list[Word] = []
        at = 0
        for word in text.split():
            count = len(self.tokens.ids(word))
            inside = [n for n in range(at, at + count) if n in begins]
            at += count
            start = begins[inside[0]] / _ENCODED_PER_S if inside else 0.0
            end = ends[inside[-1]] / _ENCODED_PER_S if inside else start
            found.append(Word(word, start, max(start, end)))
        return tuple(found)

    def _align(self, encoded: Encoded, texts: Sequence[str]) -> Sequence[Any]:
        try:
            return cast(
                Sequence[Any],
                self._whisper.model.align(
                    _batched([encoded] * len(texts)),
                    self.tokens.prompt(None)[:-1],  # it adds <|notimestamps|> itself
                    [self.tokens.ids(text) for text in texts],
                    [encoded.speech] * len(texts),
                ),
            )
        except (RuntimeError, ValueError) as error:
            raise self._failed(error) from error

    def _read(self, result: Any) -> Decoded:
        found: list[Hypothesis] = []
        for ids, score in zip(result.sequences_ids, result.scores, strict=True):
            text = normalise(self.tokens.text(ids))
            # CTranslate2 divides by the length without the end token, whose probability it counts.
            found.append(Hypothesis(text=text, log_prob=score * len(ids) / (len(ids) + 1)))
        return Decoded(distinct(found), float(result.no_speech_prob))

    def _failed(self, error: Exception) -> EngineError:
        return EngineError(f"{self._name} failed: {' '.join(str(error).split())}")


def comparable(
    decoder: WhisperDecoder,
    encoded: Encoded,
    free: Sequence[Hypothesis],
    constrained: Sequence[Hypothesis],
) -> tuple[Hypothesis, ...]:
    """The constrained hypotheses with log probabilities on the scale of the free ones.

    What suppression leaves out is nearly the same for all hypotheses of an utterance (within 0.01
    per token for nine in ten), so that one which both searches found tells it for all. Where none
    is common, the best one's tokens are scored without suppression. That leaves out its end, which
    the constrained score counts: both are bounds from above, and the lower one is taken.
    """
    if not constrained:
        return ()
    known = {one.text: one.log_prob for one in free}
    shifts = [known[one.text] - one.log_prob for one in constrained if one.text in known]
    if not shifts:
        (bound,) = decoder.token_probs(encoded, [constrained[0].text])
        shifts = [min(0.0, bound - constrained[0].log_prob)]
    shift = sum(shifts) / len(shifts)
    return tuple(replace(one, log_prob=one.log_prob + shift) for one in constrained)


class Tokens:
    """The model's own vocabulary: prompts in, text out."""

    def __init__(self, whisper: Any, language: str) -> None:
        self._tokenizer = whisper.hf_tokenizer
        names = ["<|startoftranscript|>"]
        if whisper.model.is_multilingual:
            names += [f"<|{language}|>", "<|transcribe|>"]
        names.append("<|notimestamps|>")
        self._start = [self._id(name) for name in names]
        self._end = self._id("<|endoftext|>")
        self._previous = self._tokenizer.token_to_id("<|startofprev|>")

    def _id(self, name: str) -> int:
        found = self._tokenizer.token_to_id(name)
        if found is None:
            raise EngineError(f"the model's tokenizer has no {name}")
        return int(found)

    def prompt(self, hint: str | None) -> list[int]:
        """The start of a transcript, after words that are likely."""
        if not hint or self._previous is None:
            return self._start
        return [self._previous, *self.ids(hint.strip())[-_PROMPT_TOKENS:], *self._start]

    def ids(self, text: str) -> list[int]:
        """A text's tokens, with the space before it that Whisper writes."""
        return list(self._tokenizer.encode(f" {text}", add_special_tokens=False).ids)

    def text(self, ids: Sequence[int]) -> str:
        # Special tokens and timestamps come after the end token in every Whisper vocabulary.
        return str(self._tokenizer.decode([token for token in ids if token < self._end]))

    def all_but(self, within: Vocabulary) -> tuple[int, ...]:
        """Every token that no text of the vocabulary needs; the end is always needed.

        Published models write capitals, figures and punctuation, which `normalise` takes out.
        """
        needed = {self._end}
        for word in within.words:
            for form in (word, word.capitalize(), word.upper() if len(word) == 1 else word):
                needed.update(self.ids(form))
        size = int(self._tokenizer.get_vocab_size())
        if within.figures:
            needed.update(t for t in range(self._end) if _is_figures(self._tokenizer.decode([t])))
        return tuple(token for token in range(size) if token not in needed)


def _is_figures(text: str) -> bool:
    stripped = text.strip()
    return stripped in (",", ".", "-", "$", "£", "€") or (stripped.isdecimal())


def encoder_frames(context_s: float, frames: int, mels: int) -> int:
    """Mel frames to encode: even, at least what the context rule says, never 2 * mels.

    CTranslate2 tells features from encoder output by their shapes, and takes an encoder output of
    `mels` rows for features to encode.
    """
    length = max(round(context_s * FRAMES_PER_S), min(frames, 3000))
    length += length % 2
    return length + 2 if length == 2 * mels else length


def _batched(encoded: Sequence[Encoded]) -> Any:
    if len(encoded) == 1:
        return encoded[0].view
    import ctranslate2

    engine: Any = ctranslate2
    return engine.StorageView.from_array(np.concatenate([_array(one) for one in encoded]))


def _array(encoded: Encoded) -> Samples:
    """Encoder output of one window, shape (1, frames / 2, width)."""
    import ctranslate2

    engine: Any = ctranslate2
    return np.array(encoded.view.to_device(engine.Device.cpu))
