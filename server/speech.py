"""The speech engines behind voice's ports: blocking engines, moved off the event loop."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from models.errors import ModelError
from models.stt import SttEngine
from models.tts import Voice
from voice.events import (
    Expectation,
    Hypothesis,
    SpeechChunk,
    SpeechError,
    Transcription,
    WordTiming,
)
from voice.frames import Pcm


class Recogniser:
    """SpeechToText on an engine of models/: `threads` utterances at a time, the rest wait in line.

    The line is no longer than the number of calls: a call waits for one utterance before its next.
    """

    def __init__(self, engine: SttEngine, *, threads: int) -> None:
        self._engine = engine
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="stt")

    async def transcribe(self, pcm: Pcm, *, expects: Expectation) -> Transcription:
        """See SpeechToText."""
        loop = asyncio.get_running_loop()
        try:
            heard = await loop.run_in_executor(self._pool, self._engine.transcribe, pcm)
        except (ModelError, RuntimeError, ValueError) as error:
            raise SpeechError(str(error)) from error
        return Transcription(
            hypotheses=tuple(
                Hypothesis(text=one.text, log_prob=one.log_prob) for one in heard.hypotheses
            ),
            no_speech_prob=heard.no_speech_prob,
            confidence=heard.confidence,
            cpu_s=heard.cpu_s,
        )

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


class Speaker:
    """TextToSpeech on a voice of models/; one thread, because espeak-ng is one global state."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="tts")

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
