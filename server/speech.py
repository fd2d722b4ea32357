"""The speech engines behind voice's ports: blocking engines, moved off the event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice, zip_longest
from typing import Final, Protocol

from dialog.flow import Flow
from models import constraint
from models.constraint import Kind, Vocabulary
from models.errors import ModelError
from models.request import Request
from models.transcript import Hypothesis as Heard
from models.transcript import Transcript
from models.tts import Voice
from server.precedence import help_calls
from voice.events import (
    Expectation,
    Expects,
    Hypothesis,
    SpeechChunk,
    SpeechError,
    Transcription,
    WordTiming,
)
from voice.frames import Pcm

MARGINS: Final[Mapping[Kind, float]] = {
    Kind.DIGITS: 0.1,
    Kind.CHARACTERS: 0.1,
    Kind.YES_NO: 0.3,
    Kind.CHOICES: 0.3,
    Kind.WORDS: 0.1,
}
"""How much less likely, in mean log probability, what the slot allows may be than what it does not
and still be taken for what was said.

Measured on 960 utterances, half of them in babble, most of them no answer: at 0.1 it mends two
numbers of 28 that came out as something else and takes 42 of 424 other utterances for numbers, at
0.4 four and 121; at 0.3 it mends 19 of 43 answers of yes and no (5 come out reversed) and takes 20
of 797 others for one, at 1.0 28, 10 and 83. Callers who are asked answer oftener than that.
"""

_ALSO_LIKELY: Final = 0.3
"""In mean log probability: what is less likely than the best that fits by more is left out. Every
hypothesis votes for the slot's value, and a number that the caller has only half said must not be
completed by guesses."""


_HINTED: Final = 3  # examples of an intent


class Line(Protocol):
    """Where utterances wait for an engine: models/pool.py here, or that of another process."""

    @property
    def wait_s(self) -> float:
        """How long utterances wait, 95th percentile of the last seconds."""
        ...

    def submit(self, request: Request, *, speculative: bool = False) -> Future[Transcript]:
        """Put an utterance into it; a cancelled future takes it out.

        Raises:
            ModelError, RuntimeError: it is not taken.
            ValueError: it is no audio.
        """
        ...


class Recogniser:
    """SpeechToText on an engine of models/.

    Ended turns go before guesses, and cancelling the task takes an utterance out of the line.
    """

    def __init__(
        self,
        line: Line,
        *,
        second_opinion: Callable[[], bool] = lambda: True,
        hint: str | None = None,
    ) -> None:
        """
        Args:
            line: the caller's to close.
            hint: what callers are likely to say where they may say anything.
            second_opinion: asked for each utterance: may it be decoded a second time, within what
                the slot allows?
        """
        self._line = line
        self._second_opinion = second_opinion
        self._hint = hint

    @property
    def wait_s(self) -> float:
        """How long utterances wait for the engine, 95th percentile of the last seconds."""
        return self._line.wait_s

    async def transcribe(
        self, pcm: Pcm, *, expects: Expectation, speculative: bool = False
    ) -> Transcription:
        """See SpeechToText."""
        within = vocabulary_of(expects) if self._second_opinion() else None
        hint = self._hint if expects.kind is Expects.FREE else None
        request = Request(pcm=pcm, within=within, hint=hint)
        try:
            asked = self._line.submit(request, speculative=speculative)
            heard = await asyncio.wrap_future(asked)
        except (ModelError, RuntimeError, ValueError) as error:
            raise SpeechError(str(error)) from error
        return Transcription(
            hypotheses=tuple(
                Hypothesis(text=one.text, log_prob=one.log_prob) for one in merged(heard, within)
            ),
            no_speech_prob=heard.no_speech_prob,
            confidence=heard.confidence,
            cpu_s=heard.cpu_s,
        )


def hint_of(flow: Flow) -> str | None:
    """A sentence or two for each thing that the flow's callers want, for models that take hints.

    One example after another of each intent in turn, since only so many words are read.
    """
    turns = zip_longest(*(intent.examples for intent in flow.intents.values()))
    chosen = [text for turn in islice(turns, _HINTED) for text in turn if text]
    return ". ".join(chosen) + "." if chosen else None


def vocabulary_of(expects: Expectation) -> Vocabulary | None:
    """What the dialog's expectation allows to be said; None: anything."""
    match expects.kind:
        case Expects.DIGITS:
            return constraint.digits(expects.min_length, expects.max_length)
        case Expects.POSTCODE:
            return constraint.characters(expects.min_length, expects.max_length)
        case Expects.YES_NO:
            return constraint.yes_no()
        case Expects.FREE | Expects.ADDRESS | Expects.NOTHING:
            return None


def merged(heard: Transcript, within: Vocabulary | None) -> tuple[Heard, ...]:
    """The free and the constrained hypotheses as one n-best, texts distinct.

    Where the best free hypothesis is an answer, the answers keep the order of the constrained
    search, which knows the wanted length. Where it is not, they go first if they are hardly less
    likely, and are left out if they are: the caller said something else.
    """
    free, allowed = heard.hypotheses, heard.constrained
    if within is None or not free or not allowed:
        return free
    best = allowed[0]
    if not within.fits(free[0].text) and best.log_prob < free[0].log_prob - MARGINS[within.kind]:
        return free
    likely = [one for one in allowed if one.log_prob >= best.log_prob - _ALSO_LIKELY]
    return _distinct([*likely, *free])


def _distinct(hypotheses: Sequence[Heard]) -> tuple[Heard, ...]:
    seen: dict[str, Heard] = {}
    for one in hypotheses:
        seen.setdefault(one.text, one)
    return tuple(seen.values())


class Speaker:
    """TextToSpeech on a voice of models/; one thread, because espeak-ng is one global state."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="tts", initializer=help_calls)

    async def synthesise(self, text: str) -> AsyncIterator[SpeechChunk]:
        """See TextToSpeech."""
        loop = asyncio.get_running_loop()
        parts = self._voice.stream(text)
        while True:
            try:
                part = await loop.run_in_executor(self._pool, next, parts, None)
            except (ModelError, RuntimeError, ValueError) as error:
                raise SpeechError(str(error)) from error
            if part is None:
                return
            words = tuple(
                WordTiming(word=word.text, start_s=word.start_s, end_s=word.end_s)
                for word in part.words
            )
            yield SpeechChunk(pcm=part.pcm, words=words)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
