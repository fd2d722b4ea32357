"""Speech to text with Whisper models, at the cost of the utterance and not of 30 seconds.

faster-whisper loads the model; transcribing is ours. Whisper pads every input to 30 s, which for a
3 s utterance is nine tenths of the work. CTranslate2 encodes any length, so the encoder is given
what the model's context rule says (models/catalog.py): bundled and adapted models the utterance
itself, stock ones at least 10 s.

An utterance goes: is there anything but silence -> its edges cut or padded to what models are used
to (models/utterance.py) -> features -> encode -> beam search -> does this look like speech ->
n-best (models/transcript.py). A decode that looks wrong is done again at full length, and the
likelier of the two is kept.
"""

import threading
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from models import catalog
from models.catalog import ContextRule, Rule
from models.errors import EngineError
from models.speech import RATE_HZ, Pcm, Samples, resample
from models.transcript import Hypothesis, Transcript, distinct, normalise, scored
from models.utterance import Utterance, windows

ENGINE_HZ: Final = 16_000
_FRAMES_PER_S: Final = 100  # mel frames

MAX_UTTERANCE_S: Final = 60.0
"""Only the last minute of a longer utterance is transcribed: time stays bounded."""

BEAM: Final = 5
"""Whisper's usual width, and as many hypotheses as the n-best can hold."""

_TOKENS_PER_S: Final = 12.0  # fast spelling: six letters a second of two tokens each
_TOKENS_MIN: Final = 12
_TOKENS_MAX: Final = 200  # Whisper's decoder has 448 positions, the prompt takes up to half

SUSPECT_LOG_PROB: Final = -1.0
"""Mean per token: below it, and above SUSPECT_COMPRESSION, Whisper's authors decode again."""

SUSPECT_COMPRESSION: Final = 2.4
"""Text that zlib shrinks more than this repeats itself."""

REJECT_LOG_PROB: Final = -1.45
"""Noise, clicks and coughs decode at -1.5 and below, speech even at 0 dB SNR above -1.1."""

NO_SPEECH: Final = 0.6
"""Whisper's threshold on its no-speech token, where the log probability is suspect too."""


@dataclass(frozen=True, slots=True)
class _Decoded:
    hypotheses: tuple[Hypothesis, ...]
    no_speech_prob: float

    @property
    def log_prob(self) -> float:
        return self.hypotheses[0].log_prob if self.hypotheses else -10.0

    @property
    def suspect(self) -> bool:
        if not self.hypotheses:
            return False
        raw = self.hypotheses[0].text.encode()
        repeats = len(raw) / len(zlib.compress(raw)) > SUSPECT_COMPRESSION
        return repeats or self.log_prob < SUSPECT_LOG_PROB


class SttEngine:
    """A Whisper model, blocking and thread-safe.

    Up to `threads` utterances are decoded at a time, one core each; more callers wait. A decode is
    not interrupted once begun: it takes tens of milliseconds with the bundled model, so whoever no
    longer wants the answer drops it.

    Args:
        model: a folder with a CTranslate2 Whisper model, or a name of the catalogue.
        context: how much audio the encoder sees; the catalogue's rule when None, and for a folder
            outside it the rule of stock models.
        threads: utterances decoded at a time.
        compute_type: of CTranslate2: int8, int8_float32, float32.
        language: for multilingual models.
        retry: decode again at full length what looks wrong.

    Raises:
        UnknownModelError, MissingModelError, DamagedModelError: see `catalog.locate`.
        EngineError: the model does not load.
        ValueError: threads below 1.
    """

    def __init__(
        self,
        model: str | Path = "frontdesk-small",
        context: ContextRule | None = None,
        *,
        threads: int = 1,
        compute_type: str = "int8",
        language: str = "en",
        retry: bool = True,
    ) -> None:
        if threads < 1:
            raise ValueError(f"threads is {threads}, not 1 or more")
        entry = catalog.entries().get(str(model))
        path = catalog.locate(str(model))
        self.name = str(model)
        self._rule = context or (entry and entry.context) or STOCK_CONTEXT
        self._prompts = entry is None or entry.prompts
        self._retry = retry
        self._slots = threading.BoundedSemaphore(threads)
        self._whisper = _loaded(path, threads, compute_type)
        self._tokens = _Tokens(self._whisper, language)
        self._mels = int(self._whisper.model.n_mels)

    def transcribe(self, pcm: Pcm, *, hint: str | None = None) -> Transcript:
        """Transcribe one utterance.

        Args:
            pcm: int16, mono, 8 kHz, shape (n,). Under 100 ms, silence, and sounds without the ups
                and downs of speech (noise, tones) give an empty transcript; of more than 60 s the
                last 60 are transcribed.
            hint: words that are likely, as a sentence; models without prompts ignore it.

        Raises:
            ValueError: another dtype or shape.
            EngineError: the engine failed.
        """
        check_pcm(pcm)
        begun_s = time.thread_time()
        utterance = Utterance.of(pcm[-round(MAX_UTTERANCE_S * RATE_HZ) :])
        if utterance is None:
            return Transcript(cpu_s=time.thread_time() - begun_s)
        with self._slots:
            decoded, engine_s = self._decode_all(utterance, hint)
        cpu_s = time.thread_time() - begun_s + engine_s
        if not decoded.hypotheses or rejected(decoded.log_prob, decoded.no_speech_prob):
            return Transcript(no_speech_prob=decoded.no_speech_prob, cpu_s=cpu_s)
        return scored(decoded.hypotheses, decoded.no_speech_prob, cpu_s)

    def _decode_all(self, utterance: Utterance, hint: str | None) -> tuple[_Decoded, float]:
        """Decode window by window; also the seconds spent inside the engine."""
        prompt = self._tokens.prompt(hint if self._prompts else None)
        parts: list[_Decoded] = []
        engine_s = 0.0
        for samples in windows(utterance, self._rule.longest_s):
            features = self._features(samples)
            decoded, took_s = self._decode(features, self._rule, prompt)
            engine_s += took_s
            if decoded.suspect and self._retry and self._rule.rule is not Rule.FULL:
                again, took_s = self._decode(features, ContextRule(rule=Rule.FULL), prompt)
                engine_s += took_s
                decoded = max(decoded, again, key=lambda d: (not d.suspect, d.log_prob))
            parts.append(decoded)
        return _together(parts), engine_s

    def _features(self, pcm: Pcm) -> Samples:
        """Log-mel features of the audio alone, float32, shape (mels, frames)."""
        wide = resample(pcm.astype(np.float32) / 32768.0, RATE_HZ, ENGINE_HZ)
        features = self._whisper.feature_extractor(wide, padding=0)
        return cast(Samples, features[:, : len(wide) * _FRAMES_PER_S // ENGINE_HZ])

    def _decode(
        self, features: Samples, rule: ContextRule, prompt: list[int]
    ) -> tuple[_Decoded, float]:
        frames = features.shape[1]
        length = encoder_frames(rule.seconds(frames / _FRAMES_PER_S), frames, self._mels)
        padded = np.zeros((1, self._mels, length), dtype=np.float32)
        used = min(frames, length)
        padded[0, :, :used] = features[:, :used]
        # Our own clock cannot see the engine's thread. It has one core, so that the time spent
        # waiting for it is its CPU time where cores are free, and more where they are not.
        begun_s = time.monotonic()
        try:
            result = self._generate(padded, prompt, token_cap(frames / _FRAMES_PER_S))
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"{self.name} failed: {' '.join(str(error).split())}") from error
        return self._read(result), time.monotonic() - begun_s

    def _generate(self, features: Samples, prompt: list[int], cap: int) -> Any:
        import ctranslate2

        model: Any = self._whisper.model
        encoded = model.encode(ctranslate2.StorageView.from_array(features))
        return model.generate(
            encoded,
            [prompt],
            beam_size=BEAM,
            num_hypotheses=BEAM,
            max_length=len(prompt) + cap,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=False,
        )[0]

    def _read(self, result: Any) -> _Decoded:
        found: list[Hypothesis] = []
        for ids, score in zip(result.sequences_ids, result.scores, strict=True):
            text = normalise(self._tokens.text(ids))
            # CTranslate2 divides by the length without the end token, whose probability it counts.
            found.append(Hypothesis(text=text, log_prob=score * len(ids) / (len(ids) + 1)))
        return _Decoded(distinct(found), float(result.no_speech_prob))


STOCK_CONTEXT: Final = ContextRule(rule=Rule.FLOOR, floor_s=10.0, margin_s=2.0)
"""For weights as published: about 9 times cheaper than 30 s for short utterances, no loss."""


class _Tokens:
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
        if not hint or self._previous is None:
            return self._start
        words: list[int] = self._tokenizer.encode(f" {hint.strip()}", add_special_tokens=False).ids
        return [self._previous, *words[-_PROMPT_TOKENS:], *self._start]

    def text(self, ids: Sequence[int]) -> str:
        # Special tokens and timestamps come after the end token in every Whisper vocabulary.
        return str(self._tokenizer.decode([token for token in ids if token < self._end]))


_PROMPT_TOKENS: Final = 200  # under half of the decoder's positions, as Whisper's authors have it


def check_pcm(pcm: NDArray[Any]) -> None:
    """Raise ValueError unless the audio is int16 of shape (n,)."""
    if not isinstance(pcm, np.ndarray):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"audio must be a NumPy array, not {type(pcm).__name__}")  # noqa: TRY004
    if pcm.dtype != np.int16 or pcm.ndim != 1:
        raise ValueError(f"audio must be int16 of shape (n,), not {pcm.dtype} {pcm.shape}")


def encoder_frames(context_s: float, frames: int, mels: int) -> int:
    """Mel frames to encode: even, at least what the context rule says, never 2 * mels.

    CTranslate2 tells features from encoder output by their shapes, and takes an encoder output of
    `mels` rows for features to encode.
    """
    length = max(round(context_s * _FRAMES_PER_S), min(frames, 3000))
    length += length % 2
    return length + 2 if length == 2 * mels else length


def token_cap(speech_s: float) -> int:
    """The most tokens an utterance of that length can hold; a loop ends there."""
    return min(_TOKENS_MAX, _TOKENS_MIN + round(_TOKENS_PER_S * speech_s))


def rejected(log_prob: float, no_speech_prob: float) -> bool:
    """Whether what was decoded is not speech."""
    if log_prob < REJECT_LOG_PROB:
        return True
    return no_speech_prob > NO_SPEECH and log_prob < SUSPECT_LOG_PROB


def _together(parts: Sequence[_Decoded]) -> _Decoded:
    """One result for the windows of a long utterance: the n-th best of each, or its best."""
    if len(parts) == 1:
        return parts[0]
    spoken = [part for part in parts if part.hypotheses]
    if not spoken:
        return parts[0]
    ranks = max(len(part.hypotheses) for part in spoken)
    joined: list[Hypothesis] = []
    for rank in range(ranks):
        chosen = [part.hypotheses[min(rank, len(part.hypotheses) - 1)] for part in spoken]
        mean = sum(h.log_prob for h in chosen) / len(chosen)
        joined.append(Hypothesis(text=" ".join(h.text for h in chosen), log_prob=mean))
    return _Decoded(distinct(joined), min(part.no_speech_prob for part in spoken))


def _one_blas_thread() -> None:
    """Keep NumPy's BLAS from using threads of its own, in the whole process.

    Its threads spin between calls: the small matrix product in the features would keep a second
    core busy while the first one goes on, which doubles what an utterance costs.
    """
    from threadpoolctl import threadpool_limits

    cast(Any, threadpool_limits)(limits=1, user_api="blas")


def _loaded(path: Path, threads: int, compute_type: str) -> Any:
    from faster_whisper import WhisperModel  # half a second to import: only for those who listen

    whisper: Any = WhisperModel
    _one_blas_thread()
    try:
        return whisper(
            str(path),
            device="cpu",
            compute_type=compute_type,
            cpu_threads=1,
            num_workers=threads,
            local_files_only=True,
        )
    except Exception as error:  # RuntimeError, ValueError, OSError, tokenizers' bare Exception
        raise EngineError(f"{path} does not load: {' '.join(str(error).split())}") from error
