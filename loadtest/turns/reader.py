"""Recognition in a process of its own: the callers' 20 ms clocks must not share its interpreter."""

import asyncio
import os
from collections.abc import AsyncGenerator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from multiprocessing import get_context
from typing import Final, Protocol

from loadtest.listening import PhraseBook, Understood
from loadtest.pcm import Pcm
from loadtest.speech import VoiceSettings
from loadtest.turns.spans import learn_prompts

_NICENESS: Final = 5  # a caller thinks for 600 ms before it answers; its clock cannot wait

_book: PhraseBook | None = None  # in the reading process only


class Reader(Protocol):
    """Tells what was said; a PhraseBook is one."""

    async def understand_later(self, speech: Pcm) -> Understood: ...


class _ProcessReader:
    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    async def understand_later(self, speech: Pcm) -> Understood:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, _understand, speech)


@asynccontextmanager
async def reading(voice: VoiceSettings) -> AsyncGenerator[Reader]:
    """A process that knows the prompts as `voice` says them; it ends with the context.

    Raises:
        VoiceError: the voice is unknown.
    """
    book = await learn_prompts(voice)
    # Spawned, since a fork of a program with threads may inherit their locks.
    pool = ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), initializer=_begin, initargs=(book,)
    )
    try:
        # Starting a process waits, in whoever asks for the first result, until it has imported
        # what this program imports: in a call that would be the caller's clock.
        await asyncio.to_thread(lambda: pool.submit(_is_up).result())
        yield _ProcessReader(pool)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _is_up() -> bool:
    return _book is not None


def _begin(book: PhraseBook) -> None:
    global _book
    _book = book
    os.nice(_NICENESS)


def _understand(speech: Pcm) -> Understood:
    assert _book is not None
    return _book.understand(speech)
