"""Workers in one line before a recogniser that is not theirs: real sockets, a scripted engine."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from models.errors import EngineError, RecogniserGoneError, SpeechOverloadedError
from models.pool import RecognitionPool
from models.request import Request
from models.transcript import Transcript
from server.lifetime import background
from server.observability import RecogniserMetrics
from server.recognition.look import shown_by
from server.recognition.messages import Look, State, pack
from server.recognition.remote_line import RemoteLine
from server.recognition.service import RecognitionService
from server.speech import Recogniser
from tests.fakes.gated_engine import GatedEngine
from tests.fakes.sip_leg_world import until
from voice.events import Expectation, SpeechError

FOREVER_S = 60.0


class House:
    """A recogniser that can die and come back, with one worker thread, and lines to it."""

    def __init__(self, path: Path, parts: AsyncExitStack) -> None:
        self.path, self._parts = path, parts
        self.engine = GatedEngine()
        self._alive: AsyncExitStack | None = None
        # As its parent does: whoever connects is kept for the next life.
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        parts.callback(self._listener.close)

    async def begin(self, *, most_waiting: int = 256) -> None:
        self._alive = AsyncExitStack()
        self.pool = RecognitionPool(self.engine, most_waiting=most_waiting)
        self._alive.callback(self.pool.close)
        self._alive.callback(self.engine.gate.release, 1_000)
        self.service = RecognitionService(
            self.pool, exposition=RecogniserMetrics(self.pool).exposition
        )
        await self._alive.enter_async_context(self.service.answering(self._listener.dup()))

    async def die(self) -> None:
        """The connections end, whatever was asked on them."""
        if self._alive is not None:
            alive, self._alive = self._alive, None
            await alive.aclose()
            self.engine = GatedEngine()

    async def line(self, *, patience_s: float = FOREVER_S, silence_s: float = 5.0) -> RemoteLine:
        line = RemoteLine(self.path, patience_s=patience_s, silence_s=silence_s)
        await background(self._parts, line.keep_connected(), "line")
        self._parts.callback(line.close)
        if self._alive is not None:
            await until(lambda: line.connected)
        return line

    async def busy(self, line: RemoteLine) -> "asyncio.Future[Transcript]":
        """The engine has begun with something, and others wait."""
        first = asyncio.wrap_future(line.submit(request("first")))
        await until(lambda: self.engine.begun.acquire(blocking=False))
        return first

    @property
    def order(self) -> list[str]:
        return [name for batch in self.engine.served for name in batch]


@asynccontextmanager
async def house(folder: Path) -> AsyncGenerator[House]:
    async with AsyncExitStack() as parts:
        made = House(folder / "recogniser.sock", parts)
        try:
            yield made
        finally:
            await made.die()


def request(name: str) -> Request:
    return Request(pcm=np.zeros(8, dtype=np.int16), hint=name)


async def test_ended_turns_of_one_worker_go_before_guesses_of_another(tmp_path: Path):
    async with house(tmp_path) as made:
        await made.begin()
        one, two = await made.line(), await made.line()
        await made.busy(one)
        guess = asyncio.wrap_future(one.submit(request("guess"), speculative=True))
        await until(lambda: made.pool.waiting == 1)
        turn = asyncio.wrap_future(two.submit(request("turn")))
        await until(lambda: made.pool.waiting == 2)
        made.engine.gate.release(3)
        assert [heard.text for heard in await asyncio.gather(guess, turn)] == ["guess", "turn"]
        assert made.order == ["first", "turn", "guess"]


async def test_utterances_of_several_workers_share_a_beam_search(tmp_path: Path):
    async with house(tmp_path) as made:
        made.engine.batches = True
        await made.begin()
        one, two = await made.line(), await made.line()
        await made.busy(one)
        theirs = [asyncio.wrap_future(line.submit(request("same"))) for line in (one, two)]
        await until(lambda: made.pool.waiting == 2)
        made.engine.gate.release(2)
        await asyncio.gather(*theirs)
        assert made.engine.served == [["first"], ["same", "same"]]


async def test_deadlines_are_those_of_all_workers(tmp_path: Path):
    async with house(tmp_path) as made:
        await made.begin()
        one, two = await made.line(), await made.line()
        await made.busy(one)
        late = asyncio.wrap_future(one.submit(request("late"), deadline_s=9e9))
        await until(lambda: made.pool.waiting == 1)
        soon = asyncio.wrap_future(two.submit(request("soon"), deadline_s=8e9))
        await until(lambda: made.pool.waiting == 2)
        made.engine.gate.release(3)
        await asyncio.gather(late, soon)
        assert made.order == ["first", "soon", "late"]


async def test_what_nobody_wants_any_more_is_never_done(tmp_path: Path):
    async with house(tmp_path) as made:
        await made.begin()
        line = await made.line()
        await made.busy(line)
        unwanted = asyncio.wrap_future(line.submit(request("unwanted")))
        await until(lambda: made.pool.waiting == 1)
        unwanted.cancel()
        await until(lambda: made.pool.waiting == 0)
        last = asyncio.wrap_future(line.submit(request("last")))
        made.engine.gate.release(3)
        await last
        assert made.order == ["first", "last"]


async def test_worker_that_is_gone_leaves_the_line(tmp_path: Path):
    async with house(tmp_path) as made:
        await made.begin()
        line = await made.line()
        await made.busy(line)
        async with AsyncExitStack() as worker:
            theirs = RemoteLine(made.path)
            await background(worker, theirs.keep_connected(), "another worker")
            await until(lambda: theirs.connected)
            theirs.submit(request("theirs"))
            await until(lambda: made.pool.waiting == 1)
        await until(lambda: made.pool.waiting == 0)


async def test_failures_reach_who_asked(tmp_path: Path):
    async with house(tmp_path) as made:
        await made.begin(most_waiting=1)
        one, two = await made.line(), await made.line()
        await made.busy(one)
        fails = asyncio.wrap_future(one.submit(request("fails")))
        await until(lambda: made.pool.waiting == 1)
        with pytest.raises(SpeechOverloadedError, match="1 utterances wait"):
            await asyncio.wrap_future(two.submit(request("no room")))
        made.engine.gate.release(2)
        with pytest.raises(EngineError, match="memory"):
            await fails
        with pytest.raises(ValueError, match="int16"):
            await asyncio.wrap_future(two.submit(request("damaged")))
        with pytest.raises(ValueError, match="shape"):
            two.submit(Request(pcm=np.zeros((9, 9), dtype=np.int16)))


async def test_when_the_recogniser_dies_its_utterances_fail_at_once(tmp_path: Path):
    async with house(tmp_path) as made:
        await made.begin()
        line = await made.line()
        first = await made.busy(line)
        waits = asyncio.wrap_future(line.submit(request("waits")))
        await until(lambda: made.pool.waiting == 1)
        await made.die()
        for asked in (first, waits):
            with pytest.raises(RecogniserGoneError, match="started again"):
                await asked


async def test_turn_waits_for_the_next_recogniser_and_a_guess_does_not(tmp_path: Path):
    async with house(tmp_path) as made:
        line = await made.line()
        turn = asyncio.wrap_future(line.submit(request("turn")))
        with pytest.raises(RecogniserGoneError):
            line.submit(request("guess"), speculative=True)
        await made.begin()
        made.engine.gate.release()
        assert (await turn).text == "turn"
        await made.die()
        await until(lambda: not line.connected)
        again = asyncio.wrap_future(line.submit(request("again")))
        await made.begin()
        made.engine.gate.release()
        assert (await again).text == "again"


async def test_turn_that_has_waited_long_enough_fails(tmp_path: Path):
    async with house(tmp_path) as made:
        line = await made.line(patience_s=0.01)
        with pytest.raises(RecogniserGoneError):
            await asyncio.wrap_future(line.submit(request("turn")))
        await made.begin()
        await until(lambda: line.connected)
        made.engine.gate.release()
        assert (await asyncio.wrap_future(line.submit(request("next")))).text == "next"
        assert made.order == ["next"]


async def test_waiting_is_known_to_those_who_do_not_wait(tmp_path: Path):
    async with house(tmp_path) as made:
        await made.begin()
        one, two = await made.line(), await made.line()
        await made.busy(one)
        one.submit(request("waits"))
        await until(lambda: two.wait_s > 0.01)
        await made.die()
        await until(lambda: not two.connected)
        assert two.wait_s == 0.0
        two.submit(request("turn"))
        await until(lambda: two.wait_s > 0.01)


async def test_recogniser_that_says_nothing_is_as_good_as_gone(tmp_path: Path):
    """It is stopped, or hangs: a socket that is never read or written is no recogniser."""
    path = tmp_path / "recogniser.sock"
    connections: list[asyncio.StreamWriter] = []

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(pack(State(waiting=0, wait_s=0.0)))
        connections.append(writer)

    async with AsyncExitStack() as parts:
        await parts.enter_async_context(await asyncio.start_unix_server(hang, path))
        line = RemoteLine(path, silence_s=0.05)
        await background(parts, line.keep_connected(), "line")
        await until(lambda: line.connected)
        with pytest.raises(RecogniserGoneError):
            await asyncio.wrap_future(line.submit(request("turn")))
        for connection in connections:
            connection.close()


async def test_its_metrics_are_its_own(tmp_path: Path):
    async with house(tmp_path) as made:
        assert await shown_by(made.path, within_s=0.01) is None
        await made.begin()
        line = await made.line()
        await made.busy(line)
        line.submit(request("waits"))
        await until(lambda: made.pool.waiting == 1)
        shown = await shown_by(made.path, within_s=5)
        assert shown is not None
        assert "frontdesk_recognition_waiting 1.0\n" in shown
        assert 'frontdesk_recognition_batches_total{size="1"} 1.0\n' in shown
        assert 'frontdesk_cpu_seconds_total{part="recognition"}' in shown
        assert "process_resident_memory_bytes" in shown


async def test_what_is_no_question_ends_that_connection_only(tmp_path: Path):
    async with house(tmp_path) as made:
        await made.begin()
        line = await made.line()
        reader, writer = await asyncio.open_unix_connection(str(made.path))
        writer.write(b"\xff" * len(pack(Look())))
        await reader.read()
        writer.close()
        made.engine.gate.release()
        assert (await asyncio.wrap_future(line.submit(request("fine")))).text == "fine"


async def test_closed_line_takes_nothing_and_wants_nothing(tmp_path: Path):
    async with house(tmp_path) as made:
        line = await made.line()
        waits = line.submit(request("waits"))
        line.close()
        assert waits.cancelled()
        with pytest.raises(RuntimeError, match="closed"):
            line.submit(request("late"))


async def test_calls_hear_of_it_as_of_any_recogniser_that_failed(tmp_path: Path):
    async with house(tmp_path) as made:
        recogniser = Recogniser(await made.line(patience_s=0.01))
        pcm = np.zeros(8, dtype=np.int16)
        for speculative in (False, True):
            with pytest.raises(SpeechError, match="started again"):
                await recogniser.transcribe(pcm, expects=Expectation(), speculative=speculative)
