"""A worker's way into the line of the recogniser that it shares with the other workers.

Theory of operation. There is one connection, opened again whenever it is lost, and up once the
recogniser has said how long its line is. An utterance that is asked about meanwhile goes out at
once. When the connection ends, all that were on the way fail: one of them may be what the
recogniser died of, so none is asked again by itself. A turn that is asked about while no recogniser
is there waits for the next one, but not longer than a caller bears; a guess does not wait, since
the turn that follows it asks again.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from models.errors import RecogniserGoneError, SpeechOverloadedError
from models.pool import DEADLINE_S
from models.stt import Request, check_pcm
from models.transcript import Transcript
from server.recognition.messages import Asked, Failed, Heard, State, Withdrawn, pack
from server.recognition.stream import read

PATIENCE_S: Final = 2.5
"""A bundled model is back after one second, and who is asked to say it again hears that for two."""

_SILENCE_S: Final = 5.0  # it tells of its line four times a second
_OLD_S: Final = 1.0  # what it said of its line is worth nothing after that
_AGAIN_S: Final = 0.1  # before it is tried again where nobody listens
_MOST_ASKED: Final = 256  # utterances on the way, of one worker; as many as a line of its own had

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Question:
    """An utterance that was asked about and has no answer yet."""

    frame: bytes | None  # None: it was sent
    future: Future[Transcript]
    at_s: float
    giving_up: asyncio.TimerHandle | None = None

    def settle(self) -> bool:
        """Whether its answer is still wanted; it is given now, or never."""
        if self.giving_up is not None:
            self.giving_up.cancel()
        return self.future.set_running_or_notify_cancel()


class RemoteLine:
    """As models/pool.py: RecognitionPool is to whoever asks; the engine is in another process.

    Made for one event loop; nothing of it is for other threads.
    """

    def __init__(
        self,
        path: Path,
        *,
        patience_s: float = PATIENCE_S,
        silence_s: float = _SILENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            path: of the recogniser's socket.
            patience_s: how long a turn waits for a recogniser that is not there.
            silence_s: one that says nothing for so long is as good as gone.
            clock: monotonic seconds, the same for all processes of the machine.
        """
        self._path, self._clock = path, clock
        self._patience_s, self._silence_s = patience_s, silence_s
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count()
        self._questions: dict[int, _Question] = {}  # in the order of asking
        self._writer: asyncio.StreamWriter | None = None  # while the connection is up
        self._state = State(waiting=0, wait_s=0.0)
        self._told_at_s = clock()
        self._closed = False

    @property
    def connected(self) -> bool:
        """Whether the recogniser is there."""
        return self._writer is not None

    @property
    def wait_s(self) -> float:
        """How long utterances of all workers wait, 95th percentile of the last seconds.

        While the recogniser says nothing: how long the first of our own has waited.
        """
        now_s = self._clock()
        if self._writer is not None and now_s - self._told_at_s <= _OLD_S:
            return self._state.wait_s
        return now_s - next((each.at_s for each in self._questions.values()), now_s)

    def submit(
        self, request: Request, *, deadline_s: float | None = None, speculative: bool = False
    ) -> Future[Transcript]:
        """See RecognitionPool; the future may also fail with RecogniserGoneError.

        Raises:
            SpeechOverloadedError: too many of ours have no answer yet.
            RecogniserGoneError: it is not there, and a guess does not wait for it.
            RuntimeError: the line is closed.
            ValueError: the audio is of another dtype or shape, or a quarter of an hour long.
        """
        check_pcm(request.pcm)
        if self._closed:
            raise RuntimeError("the recognition line is closed")
        if len(self._questions) >= _MOST_ASKED:
            raise SpeechOverloadedError(
                f"{len(self._questions)} utterances wait for the recogniser, no more are taken"
            )
        if speculative and self._writer is None:
            raise _gone()
        number, now_s = next(self._numbers), self._clock()
        asked = Asked(
            number=number,
            request=request,
            deadline_s=now_s + DEADLINE_S if deadline_s is None else deadline_s,
            speculative=speculative,
        )
        question = _Question(frame=pack(asked), future=Future(), at_s=now_s)
        self._questions[number] = question
        question.future.add_done_callback(partial(self._over, number))
        if self._writer is None:
            question.giving_up = self._loop.call_later(self._patience_s, self._give_up, number)
        else:
            self._send(question, self._writer)
        return question.future

    async def keep_connected(self) -> None:
        """Be connected whenever there is a recogniser, until cancelled."""
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._path))
            except OSError:
                await asyncio.sleep(_AGAIN_S)
                continue
            try:
                await self._listen(reader, writer)
            finally:
                writer.close()
                self._lost()
            await asyncio.sleep(_AGAIN_S)

    def close(self) -> None:
        """Cancel what has no answer; idempotent."""
        self._closed = True
        for question in list(self._questions.values()):
            question.future.cancel()

    # --- the connection -------------------------------------------------------------------------

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take what it says until it is gone."""
        # It may only be starting, with the connection kept for it by its parent.
        silence_s: float | None = None
        while True:
            try:
                async with asyncio.timeout(silence_s):
                    message = await read(reader)
            except TimeoutError:
                log.error("the recogniser says nothing")  # noqa: TRY400  where we wait says nothing
                return
            except (OSError, asyncio.IncompleteReadError):
                return
            except ValueError:
                log.exception("the recogniser says what nobody understands")
                return
            silence_s = self._silence_s
            match message:
                case State():
                    self._state, self._told_at_s = message, self._clock()
                    self._be_up(writer)
                case Heard(number=number, transcript=transcript):
                    self._answer(number, transcript)
                case Failed(number=number, error=error):
                    self._fail(number, error)
                case _:
                    pass

    def _be_up(self, writer: asyncio.StreamWriter) -> None:
        if self._writer is not None:
            return
        self._writer = writer
        for question in self._questions.values():
            self._send(question, writer)

    def _lost(self) -> None:
        if self._writer is None:
            return
        self._writer = None
        if not self._closed:
            log.error("the recogniser is gone", extra={"asked": len(self._questions)})
        for number, question in list(self._questions.items()):
            if question.frame is None:
                self._fail(number, _gone())

    @staticmethod
    def _send(question: _Question, writer: asyncio.StreamWriter) -> None:
        if question.giving_up is not None:
            question.giving_up.cancel()
        if question.frame is not None:
            # What the socket does not take yet is kept: no more than _MOST_ASKED utterances.
            writer.write(question.frame)
            question.frame = None

    # --- questions ------------------------------------------------------------------------------

    def _answer(self, number: int, transcript: Transcript) -> None:
        question = self._questions.pop(number, None)
        if question is not None and question.settle():
            question.future.set_result(transcript)

    def _fail(self, number: int, error: Exception) -> None:
        question = self._questions.pop(number, None)
        if question is not None and question.settle():
            question.future.set_exception(error)

    def _give_up(self, number: int) -> None:
        self._fail(number, _gone())

    def _over(self, number: int, future: Future[Transcript]) -> None:
        """Its answer is there, or no longer wanted."""
        question = self._questions.pop(number, None)
        if question is None or not future.cancelled():
            return
        question.settle()
        if question.frame is None and self._writer is not None:
            with suppress(OSError):
                self._writer.write(pack(Withdrawn(number)))


def _gone() -> RecogniserGoneError:
    return RecogniserGoneError("the recogniser is gone; it is being started again")
