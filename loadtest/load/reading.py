"""Recognising prompts cheaply, beside the callers' clock.

Theory of operation. A frontdesk says the same prompts to everybody, and a prompt that is rendered
once sounds the same to the last sample in every call. So what was recognised once is remembered
with its sound; comparing is a hundred times cheaper than recognising. What is new, or was damaged
on its way, goes to a process of its own: the callers' clock must not share its interpreter.
"""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Iterable
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import asynccontextmanager
from multiprocessing import get_context
from typing import Final, Generic, TypeVar

import numpy as np

from loadtest.listening import PhraseBook, Understood
from loadtest.pcm import RATE_HZ, Pcm
from loadtest.speech import VoiceSettings

_EDGE: Final = 600  # an amplitude that only speech has: where a prompt begins and ends
_BLOCK: Final = RATE_HZ // 100
_TOLERANCE: Final = 330.0  # RMS of a 10 ms block, -40 dB: line noise, and no word
_MAX_REMEMBERED: Final = 500  # prompts; the oldest is forgotten
_NICENESS: Final = 5  # callers take 600 ms to think; their clock cannot wait

Meaning = TypeVar("Meaning")


class PromptMemory(Generic[Meaning]):
    """Prompts as they sounded, and what was understood of them."""

    def __init__(self) -> None:
        self._known: dict[int, list[tuple[Pcm, Meaning]]] = {}  # by length in samples
        self._count = 0

    def recall(self, speech: Pcm) -> Meaning | None:
        """What the same sound meant before; None when it is new."""
        sound = _core(speech)
        for known, meaning in self._known.get(sound.size, []):
            if _same(sound, known):
                return meaning
        return None

    def keep(self, speech: Pcm, meaning: Meaning) -> None:
        """Remember what `speech` meant."""
        sound = _core(speech)
        if not sound.size:
            return
        if self._count >= _MAX_REMEMBERED:
            oldest = next(iter(self._known))
            self._count -= len(self._known.pop(oldest))
        self._known.setdefault(sound.size, []).append((sound.copy(), meaning))
        self._count += 1


def _core(speech: Pcm) -> Pcm:
    """From the first loud sample to the last: the same wherever the window was laid."""
    loud = np.flatnonzero((speech > _EDGE) | (speech < -_EDGE))
    return speech[loud[0] : loud[-1] + 1] if loud.size else speech[:0]


def _same(one: Pcm, other: Pcm) -> bool:
    """No 10 ms of the two differ by more than line noise."""
    difference = one.astype(np.float32) - other
    whole = difference[: difference.size - difference.size % _BLOCK].reshape(-1, _BLOCK)
    return not bool((np.square(whole).mean(axis=1) > _TOLERANCE**2).any())


class RememberingReader:
    """Recalls what it can, and asks a process for the rest; a `scenario_call.Reader`."""

    def __init__(self, pool: Executor, cpu_before_s: float) -> None:
        self._pool = pool
        # What is still being recognised is remembered too: calls that begin together hear the same
        # greeting together, and only one of them need ask.
        self._memory = PromptMemory[asyncio.Future[Understood]]()
        self._cpu_before_s = cpu_before_s
        self.cpu_s = 0.0
        """Spent on recognition so far."""

    async def understand_later(self, speech: Pcm) -> Understood:
        answer = self._memory.recall(speech)
        if answer is None:
            answer = asyncio.ensure_future(self._ask(speech))
            self._memory.keep(speech, answer)
        # Shielded: a call that ends must not take the answer from the others.
        return await asyncio.shield(answer)

    async def _ask(self, speech: Pcm) -> Understood:
        loop = asyncio.get_running_loop()
        understood, cpu_s = await loop.run_in_executor(self._pool, _understand, speech)
        self.cpu_s = cpu_s - self._cpu_before_s
        return understood


@asynccontextmanager
async def remembering_reader(
    phrases: Iterable[str], voice: VoiceSettings
) -> AsyncGenerator[RememberingReader]:
    """A reader that knows `phrases` as `voice` says them; its process ends with the context.

    Raises:
        VoiceError: the voice is unknown, or a phrase makes no sound.
    """
    book = await PhraseBook.learn(phrases, voice)
    # Spawned, since a fork of a program with threads may inherit their locks.
    pool = ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), initializer=_begin, initargs=(book,)
    )
    try:
        # Begun now: starting a process holds the event loop up, and then nobody speaks yet.
        cpu_s = await asyncio.get_running_loop().run_in_executor(pool, time.process_time)
        yield RememberingReader(pool, cpu_s)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


_book: PhraseBook | None = None  # in the reading process only


def _begin(book: PhraseBook) -> None:
    global _book
    _book = book
    os.nice(_NICENESS)


def _understand(speech: Pcm) -> tuple[Understood, float]:
    assert _book is not None
    return _book.understand(speech), time.process_time()
