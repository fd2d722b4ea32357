"""What is found out in a caller's pause: what they said so far, and whether they are done.

Two questions are asked, one after the other, and neither delays anything: the quiet goes on being
counted meanwhile, and an answer that comes too late is not waited for.

1. What did they say, and what would come of it (voice/anticipation.py)? The words of an answer
   mostly tell whether it is complete.
2. Where words cannot tell, in an open question and in an address, how did it sound? A turn model
   says how likely the turn is over. It costs many times a recognition, so it is asked nowhere else.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from voice.anticipation import Anticipation
from voice.events import Expects, Readiness, SpeechError
from voice.frames import Pcm
from voice.ports import TurnModel

log = logging.getLogger(__name__)

_UNTOLD: Final = frozenset({Expects.FREE, Expects.ADDRESS})
"""Answers whose words do not tell whether more will come."""


class Foresight:
    """One call's; knows about one pause at a time.

    Args:
        prepare: recognises what was said so far and prepares the answer to it.
        turn_model: the second opinion; None: there is none.
        on_words: told of the words as soon as they are known, unless the caller spoke on.
    """

    def __init__(
        self,
        prepare: Callable[[Pcm], Awaitable[Anticipation]],
        turn_model: TurnModel | None,
        on_words: Callable[[Anticipation], None],
    ) -> None:
        self._prepare, self._turn_model, self._on_words = prepare, turn_model, on_words
        self._words: asyncio.Future[Anticipation] | None = None
        self._sound: asyncio.Task[float] | None = None
        self._pcm: Pcm | None = None
        self._expects = Expects.NOTHING
        self.readiness: Readiness | None = None
        """How complete the answer is by its words; None: not known."""
        self.finished: float | None = None
        """How likely the turn is over by its sound, in [0, 1]; None: not known."""

    def look(self, pcm: Pcm, expects: Expects, *, second_opinion: bool) -> None:
        """The caller paused: find out about the utterance so far, int16, shape (n,)."""
        self.forget()
        self._pcm = pcm if second_opinion else None
        self._expects = expects
        self._words = asyncio.ensure_future(self._prepare(pcm))
        self._words.add_done_callback(self._words_known)

    def forget(self) -> None:
        """The caller spoke on, or it was no speech: what was found out is void."""
        self.readiness = self.finished = None
        for task in (self._words, self._sound):
            if task is not None:
                task.cancel()
        self._words = self._sound = None

    def take(self) -> "asyncio.Future[Anticipation] | None":
        """The turn is over: what was prepared for it, perhaps not ready yet."""
        words, self._words = self._words, None
        self.forget()
        return words

    def _words_known(self, task: "asyncio.Future[Anticipation]") -> None:
        if task.cancelled() or task.exception() is not None:
            return  # the turn itself will recognise, and report what is wrong
        if task is not self._words:
            return
        self.readiness = task.result().readiness
        if self._turn_model is not None and self._pcm is not None and self._words_cannot_tell:
            self._sound = asyncio.create_task(self._turn_model.finished(self._pcm))
            self._sound.add_done_callback(self._sound_known)
        self._on_words(task.result())

    @property
    def _words_cannot_tell(self) -> bool:
        return self.readiness is Readiness.OPEN and self._expects in _UNTOLD

    def _sound_known(self, task: "asyncio.Task[float]") -> None:
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, SpeechError):
            log.warning("the turn model failed: %s", error)
        elif error is not None:
            log.error("the turn model failed by a defect", exc_info=error)
        elif task is self._sound:
            self.finished = task.result()
