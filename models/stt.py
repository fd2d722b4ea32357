"""Speech to text with Whisper models, at the cost of the utterance and not of 30 seconds.

faster-whisper loads the model; transcribing is ours. Whisper pads every input to 30 s, which for a
3 s utterance is nine tenths of the work. CTranslate2 encodes any length, so the encoder is given
what the model's context rule says (models/catalog.py): bundled and adapted models the utterance
itself, stock ones at least 10 s.

An utterance goes: is there anything but silence -> its edges cut or padded to what models are used
to (models/utterance.py) -> features -> encode -> beam search (models/decoding.py) -> a second
opinion (models/letters.py) -> does this look like speech -> n-best (models/window.py). A decode
that looks wrong is done again at full length, where that may help, and the likelier of the two is
kept. Where a closed slot is being asked
for (models/constraint.py) and the best hypothesis does not fit it, the same encoder output is
searched once more for what the slot allows.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models import catalog
from models.catalog import ContextRule, Rule
from models.confidence import Confidence
from models.constraint import Vocabulary
from models.decoding import (
    CONSTRAINED_BEAM,
    Search,
    WhisperDecoder,
    comparable,
)
from models.request import Prepared, Request
from models.speech import RATE_HZ, Pcm
from models.transcript import Transcript
from models.utterance import Utterance, windows
from models.window import Window, clocked, grouped, preferred_first, transcript_of

MAX_UTTERANCE_S: Final = 60.0
"""Only the last minute of a longer utterance is transcribed: time stays bounded."""

BEAM: Final = 5
"""Whisper's usual width, and as many hypotheses as the n-best can hold."""

STOCK_CONTEXT: Final = ContextRule(rule=Rule.FLOOR, floor_s=10.0, margin_s=2.0)
"""For weights as published: about 9 times cheaper than 30 s for short utterances, no loss."""

_FULL: Final = ContextRule(rule=Rule.FULL)


class SttEngine:
    """A Whisper model, blocking and thread-safe.

    Up to `threads` utterances are decoded at a time, one core each; more callers wait. A decode is
    not interrupted once begun: it takes tens of milliseconds with the bundled model, so whoever no
    longer wants the answer drops it.

    Args:
        model: a folder with a CTranslate2 Whisper model, or a name of the catalogue.
        context: how much audio the encoder sees; the catalogue's rule when None, and for a folder
            outside it what it states itself, else the rule of stock models.
        threads: utterances decoded at a time.
        compute_type: of CTranslate2: int8, int8_float32, float32, on a GPU also float16 and
            int8_float16; auto: int8 on a CPU, float16 on a GPU, int8_float16 for large models.
        language: for multilingual models.
        retry: decode again at full length what looks wrong.
        device: cpu, cuda, or auto: cuda where there is a GPU.
        beam: width of the free search; its hypotheses are the n-best.

    Raises:
        UnknownModelError, MissingModelError, DamagedModelError: see `catalog.verify`.
        EngineError: the model does not load.
        ValueError: threads or beam below 1.
    """

    def __init__(
        self,
        model: str | Path = "frontdesk-small",
        context: ContextRule | None = None,
        *,
        threads: int = 1,
        compute_type: str = "auto",
        language: str = "en",
        retry: bool = True,
        device: str = "auto",
        beam: int = BEAM,
    ) -> None:
        if threads < 1:
            raise ValueError(f"threads is {threads}, not 1 or more")
        if beam < 1:
            raise ValueError(f"beam is {beam}, not 1 or more")
        entry = catalog.entries().get(str(model))
        self.name = str(model)
        stated = entry.context if entry else catalog.stated_context(Path(model))
        self._rule = context or stated or STOCK_CONTEXT
        # Models that were trained here, and so state their context, never saw a prompt.
        self._prompts = entry.prompts if entry else stated is None
        self._confidence = (entry and entry.confidence) or Confidence()
        self._retry = retry
        self._beam = beam
        self._slots = threading.BoundedSemaphore(threads)
        self.decoder = WhisperDecoder(
            catalog.verify(str(model)),
            threads=threads,
            device=device,
            compute_type=compute_type,
            language=language,
        )

    @property
    def batches(self) -> bool:
        """Whether utterances often have the same encoder length, so that they can be batched."""
        return self._rule.shares_lengths

    def transcribe(
        self,
        pcm: Pcm,
        *,
        hint: str | None = None,
        within: Vocabulary | None = None,
        words: bool = False,
    ) -> Transcript:
        """Transcribe one utterance.

        Args:
            pcm: int16, mono, 8 kHz, shape (n,). Under 100 ms, silence, and sounds without the ups
                and downs of speech (noise, tones) give an empty transcript; of more than 60 s the
                last 60 are transcribed.
            hint: words that are likely, as a sentence; models without prompts ignore it.
            within: what a closed slot allows: fills `Transcript.constrained`.
            words: fill `Transcript.words`.

        Raises:
            ValueError: another dtype or shape.
            EngineError: the engine failed.
        """
        prepared = self.prepare(Request(pcm=pcm, hint=hint, within=within, words=words))
        return self.transcribe_batch([prepared])[0]

    def prepare(self, request: Request) -> Prepared:
        """The features of a request: all that needs no turn at the engine.

        Raises:
            ValueError: see `transcribe`.
        """
        check_pcm(request.pcm)
        begun_s = time.thread_time()
        first = max(0, len(request.pcm) - round(MAX_UTTERANCE_S * RATE_HZ))
        utterance = Utterance.of(request.pcm[first:])
        if utterance is None:
            return Prepared(request=request, cpu_s=time.thread_time() - begun_s)
        found = tuple(map(self.decoder.features, windows(utterance, self._rule.longest_s)))
        begin = first + utterance.begin
        sound = utterance.sound or (0, len(utterance.pcm))
        return Prepared(
            request=request,
            windows=found,
            begin_s=begin / RATE_HZ,
            sound_s=((begin + sound[0]) / RATE_HZ, (begin + sound[1]) / RATE_HZ),
            lengths=tuple(self.decoder.length_of(one, self._rule) for one in found),
            cpu_s=time.thread_time() - begun_s,
        )

    def transcribe_batch(self, prepared: Sequence[Prepared]) -> list[Transcript]:
        """Transcribe together; those of one `batch_key` share their beam searches.

        Raises:
            EngineError: the engine failed.
        """
        asked = [self._windows(one) for one in prepared]
        every = [window for one in asked for window in one]
        with self._slots:
            for window in every:
                self._encode(window)
            for group in grouped(every):
                self._search(group)
            for window in every:
                self._look_again(window)
                self._weigh(window)
                self._constrain(window)
                self._time_words(window)
        return [
            transcript_of(one, found, self._confidence)
            for one, found in zip(prepared, asked, strict=True)
        ]

    def _windows(self, prepared: Prepared) -> list[Window]:
        request = prepared.request
        prompt = self.decoder.tokens.prompt(request.hint if self._prompts else None)
        return [
            Window(features, request, length, prompt=tuple(prompt))
            for features, length in zip(prepared.windows, prepared.lengths, strict=True)
        ]

    def _encode(self, window: Window) -> None:
        with clocked([window]):
            window.encoded = self.decoder.encode(window.features, window.length)

    def _search(self, group: Sequence[Window]) -> None:
        encoded = [window.encoded for window in group if window.encoded is not None]
        cap = max(window.cap for window in group)
        search = Search(prompt=group[0].prompt, cap=cap, beam=self._beam)
        with clocked(group):
            found = self.decoder.generate(encoded, search)
        for window, decoded in zip(group, found, strict=True):
            window.decoded = decoded

    def _look_again(self, window: Window) -> None:
        """Decode at full length what looks wrong; keep the likelier.

        What models of short inputs are unsure of they are unsure of at any length: on 1,600
        utterances in noise, babble and on a bad line the second look cost as much again as
        everything else and changed no figure. They are asked again only where they repeat.
        """
        first, encoded = window.decoded, window.encoded
        if first is None or not self._retry or self._rule.rule is Rule.FULL:
            return
        if not (first.repeats if self._rule.rule is Rule.EXACT else first.suspect):
            return
        length = self.decoder.length_of(window.features, _FULL)
        if length == window.length:
            return
        window.length = length
        self._encode(window)
        self._search([window])
        assert window.decoded is not None
        if (first.suspect, -first.log_prob) <= (window.decoded.suspect, -window.decoded.log_prob):
            window.decoded, window.encoded = first, encoded

    def _weigh(self, window: Window) -> None:
        """Ask the letters what they make of the decoder's hypotheses."""
        decoded, encoded = window.decoded, window.encoded
        if decoded is None or encoded is None:
            return
        window.plain = decoded.hypotheses
        with clocked([window]):
            weighed = self.decoder.weighed(encoded, decoded.hypotheses)
        window.decoded = replace(decoded, hypotheses=weighed)

    def _constrain(self, window: Window) -> None:
        """Find what the slot allows, where anything was said."""
        within, decoded, encoded = window.request.within, window.decoded, window.encoded
        if within is None or decoded is None or encoded is None or not decoded.hypotheses:
            return
        if within.prefers(decoded.hypotheses[0].text):
            # The search among these alone would have found the same, at the same price again.
            found = tuple(one for one in decoded.hypotheses if within.fits(one.text))
        else:
            search = Search(
                prompt=window.prompt,
                cap=window.cap,
                beam=max(CONSTRAINED_BEAM, self._beam),
                suppress=self.decoder.suppressed_for(within),
            )
            with clocked([window]):
                (only,) = self.decoder.generate([encoded], search)
                allowed = tuple(one for one in only.hypotheses if within.fits(one.text))
                found = comparable(self.decoder, encoded, window.plain, allowed)
                found = self.decoder.weighed(encoded, found)
        window.decoded = replace(decoded, constrained=preferred_first(found, within))

    def _time_words(self, window: Window) -> None:
        decoded = window.decoded
        if not window.request.words or not decoded or not decoded.hypotheses:
            return
        assert window.encoded is not None
        with clocked([window]):
            found = self.decoder.word_times(window.encoded, decoded.hypotheses[0].text)
        window.decoded = replace(decoded, words=found)


def check_pcm(pcm: NDArray[Any]) -> None:
    """Raise ValueError unless the audio is int16 of shape (n,)."""
    if not isinstance(pcm, np.ndarray):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"audio must be a NumPy array, not {type(pcm).__name__}")  # noqa: TRY004
    if pcm.dtype != np.int16 or pcm.ndim != 1:
        raise ValueError(f"audio must be int16 of shape (n,), not {pcm.dtype} {pcm.shape}")
