"""Recognition for all calls that an engine serves: one line before it, the most urgent first.

Theory of operation. Turns that callers have ended go before those that are only looked at in case
the caller is done: somebody is waiting for the former. Among each the earliest deadline is next.
Worker threads, one core each, take from the line; utterances are encoded one by one. Where a model
gives many utterances the same encoder length (stock models: all under 8 s), those waiting with the
same one join the beam search, which is then bound by arithmetic and no longer by memory.

The line is bounded. Where it is full an ended turn displaces the least urgent guess; who cannot be
served is told at once. Whoever no longer wants an answer cancels the future: what has not begun is
never done.
"""

import heapq
import itertools
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, Protocol

from models.errors import SpeechOverloadedError
from models.stt import Prepared, Request
from models.transcript import Transcript

_WINDOW_S: Final = 5.0  # waits older than that say nothing about now
_MOST_WAITS: Final = 1_000
_PERCENTILE: Final = 0.95

DEADLINE_S: Final = 0.3
"""From asking: with the silence before it and the reply's start after it a natural gap."""


class Engine(Protocol):
    """What the pool asks of models.stt.SttEngine."""

    @property
    def batches(self) -> bool: ...

    def prepare(self, request: Request) -> Prepared: ...

    def transcribe_batch(self, prepared: Sequence[Prepared]) -> list[Transcript]: ...


@dataclass(slots=True, eq=False)
class _Job:
    request: Request
    future: Future[Transcript]
    urgency: tuple[bool, float, int]  # a guess, deadline, order of asking
    asked_at_s: float
    prepared: Prepared | None = None

    def __lt__(self, other: "_Job") -> bool:
        return self.urgency < other.urgency


class RecognitionPool:
    """Serves an engine to many calls.

    Args:
        threads: utterances, or batches of them, at a time.
        most_waiting: utterances in line; each call has at most two, its guess and its turn.
        most_together: utterances in one beam search.
        clock: monotonic seconds.

    Raises:
        ValueError: a figure is below 1.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        threads: int = 1,
        most_waiting: int = 256,
        most_together: int = 8,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if min(threads, most_waiting, most_together) < 1:
            raise ValueError("threads, most_waiting and most_together must be 1 or more")
        self._engine = engine
        self._most_waiting, self._most_together = most_waiting, most_together
        self._clock = clock
        self._line: list[_Job] = []  # a heap
        self._changed = threading.Condition()
        self._order = itertools.count()
        self._waits: deque[tuple[float, float]] = deque(maxlen=_MOST_WAITS)
        self._closed = False
        self._began_s: dict[int, float] = {}  # of what each thread recognises
        self.batch_sizes: Counter[int] = Counter()
        """How many beam searches served so many utterances."""
        self._threads = [
            threading.Thread(target=self._work, name=f"stt-{n}", daemon=True)
            for n in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self, request: Request, *, deadline_s: float | None = None, speculative: bool = False
    ) -> Future[Transcript]:
        """Put an utterance into the line; never blocks.

        Args:
            deadline_s: by the pool's clock; DEADLINE_S from now when None.
            speculative: the caller may go on: whoever has ended a turn goes first.

        Returns:
            A future with what SttEngine.transcribe returns or raises. It fails with
            SpeechOverloadedError when a more urgent utterance needed its place. Cancel it when the
            answer is no longer wanted.

        Raises:
            SpeechOverloadedError: the line is full.
            RuntimeError: the pool is closed.
        """
        now_s = self._clock()
        deadline_s = now_s + DEADLINE_S if deadline_s is None else deadline_s
        urgency = speculative, deadline_s, next(self._order)
        job = _Job(request, Future(), urgency, now_s)
        with self._changed:
            if self._closed:
                raise RuntimeError("the recognition pool is closed")
            displaced = self._make_room(job)
            heapq.heappush(self._line, job)
            self._changed.notify()
        if displaced is not None and displaced.future.set_running_or_notify_cancel():
            displaced.future.set_exception(SpeechOverloadedError("displaced by an ended turn"))
        return job.future

    @property
    def waiting(self) -> int:
        """Utterances in line."""
        with self._changed:
            return sum(not job.future.cancelled() for job in self._line)

    @property
    def wait_s(self) -> float:
        """How long utterances wait in line before their turn, 95th percentile of the last 5 s.

        Those still waiting count with what they have waited so far.
        """
        now_s = self._clock()
        with self._changed:
            waits = [wait_s for at_s, wait_s in self._waits if now_s - at_s <= _WINDOW_S]
            waits += [now_s - job.asked_at_s for job in self._line if not job.future.cancelled()]
        if not waits:
            return 0.0
        return sorted(waits)[math.ceil(_PERCENTILE * len(waits)) - 1]

    @property
    def busy_s(self) -> float:
        """For how long the slowest of what is being recognised has taken; 0.0: nothing is."""
        began = tuple(self._began_s.values())
        return self._clock() - min(began) if began else 0.0

    def close(self) -> None:
        """Cancel what waits, and wait for what has begun; idempotent."""
        with self._changed:
            self._closed = True
            dropped, self._line = self._line, []
            self._changed.notify_all()
        for job in dropped:
            job.future.cancel()
        for thread in self._threads:
            thread.join()

    def _make_room(self, job: _Job) -> _Job | None:
        """Have room for the job; the one displaced for it, if any. Holds the lock."""
        if len(self._line) < self._most_waiting:
            return None
        self._line = [one for one in self._line if not one.future.cancelled()]
        heapq.heapify(self._line)
        if len(self._line) < self._most_waiting:
            return None
        last = max(self._line)
        if not last.urgency[0] or job.urgency[0]:
            raise SpeechOverloadedError(
                f"{len(self._line)} utterances wait for the recogniser, no more are taken"
            )
        self._line.remove(last)
        heapq.heapify(self._line)
        return last

    def _work(self) -> None:
        while (job := self._next()) is not None:
            batch = [job, *self._mates(job)]
            self.batch_sizes[len(batch)] += 1
            self._began_s[threading.get_ident()] = self._clock()
            self._serve(batch)
            del self._began_s[threading.get_ident()]

    def _next(self) -> _Job | None:
        """The most urgent job, begun and prepared; None when the pool closes."""
        while True:
            with self._changed:
                while not self._line and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return None
                job = heapq.heappop(self._line)
            if self._begin(job) and self._prepare(job):
                return job

    def _mates(self, first: _Job) -> list[_Job]:
        """Waiting jobs that can share the first one's beam search; taken out of the line."""
        if not self._engine.batches or self._most_together < 2:
            return []
        found: list[_Job] = []
        for job in self._looked_at():
            if self._prepare(job) and _together(first, job):
                with self._changed:
                    if job not in self._line:  # another thread has it
                        continue
                    self._line.remove(job)
                    heapq.heapify(self._line)
                if self._begin(job):
                    found.append(job)
            if len(found) + 1 >= self._most_together:
                break
        return found

    def _looked_at(self) -> list[_Job]:
        with self._changed:
            return heapq.nsmallest(2 * self._most_together, self._line)

    def _begin(self, job: _Job) -> bool:
        if not job.future.set_running_or_notify_cancel():
            return False
        now_s = self._clock()
        with self._changed:
            self._waits.append((now_s, now_s - job.asked_at_s))
        return True

    def _prepare(self, job: _Job) -> bool:
        if job.prepared is None:
            try:
                job.prepared = self._engine.prepare(job.request)
            except Exception as error:  # whatever it is, whoever asked must hear of it
                if job.future.running():
                    job.future.set_exception(error)
                return False
        return True

    def _serve(self, batch: Sequence[_Job]) -> None:
        try:
            heard = self._engine.transcribe_batch([one.prepared for one in batch if one.prepared])
        except Exception as error:
            for job in batch:
                job.future.set_exception(error)
            return
        for job, transcript in zip(batch, heard, strict=True):
            job.future.set_result(transcript)


def _together(first: _Job, other: _Job) -> bool:
    assert first.prepared is not None
    assert other.prepared is not None
    return first.prepared.batch_key == other.prepared.batch_key
