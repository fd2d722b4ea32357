"""One line before the recogniser: who goes first, who is told to go, who is decoded together."""

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from models.errors import EngineError, SpeechOverloadedError
from models.pool import RecognitionPool
from models.stt import Request
from tests.fakes.gated_engine import SOON_S, GatedEngine


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def request(name: str, samples: int = 0) -> Request:
    return Request(pcm=np.zeros(samples, dtype=np.int16), hint=name)


@pytest.fixture
def engine() -> GatedEngine:
    return GatedEngine()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pool(engine: GatedEngine, clock: Clock) -> Iterator[RecognitionPool]:
    """One worker, kept busy with "first" until the gate opens; three may wait."""
    made = RecognitionPool(engine, most_waiting=3, clock=clock)
    made.submit(request("first"))
    assert engine.begun.acquire(timeout=SOON_S)
    yield made
    engine.gate.release(100)
    made.close()


def order(engine: GatedEngine) -> list[str]:
    return [name for batch in engine.served for name in batch]


def test_the_earliest_deadline_goes_first(pool: RecognitionPool, engine: GatedEngine):
    late = pool.submit(request("late"), deadline_s=109.0)
    early = pool.submit(request("early"), deadline_s=101.0)
    engine.gate.release(3)
    assert late.result(SOON_S).text == "late"
    assert early.result(SOON_S).text == "early"
    assert order(engine) == ["first", "early", "late"]


def test_ended_turns_go_before_guesses(pool: RecognitionPool, engine: GatedEngine):
    guess = pool.submit(request("guess"), deadline_s=101.0, speculative=True)
    pool.submit(request("turn"), deadline_s=109.0)
    engine.gate.release(3)
    guess.result(SOON_S)
    assert order(engine) == ["first", "turn", "guess"]


def test_what_is_cancelled_in_line_is_never_done(pool: RecognitionPool, engine: GatedEngine):
    unwanted = pool.submit(request("unwanted"))
    last = pool.submit(request("last"))
    assert unwanted.cancel()
    assert pool.waiting == 1
    engine.gate.release(3)
    last.result(SOON_S)
    assert order(engine) == ["first", "last"]


def test_a_full_line_refuses_at_once(pool: RecognitionPool):
    for n in range(3):
        pool.submit(request(str(n)))
    with pytest.raises(SpeechOverloadedError, match="3 utterances wait") as raised:
        pool.submit(request("one too many"))
    assert raised.value.retryable


def test_in_a_full_line_an_ended_turn_displaces_the_last_guess(
    pool: RecognitionPool, engine: GatedEngine
):
    kept = pool.submit(request("kept"), deadline_s=101.0, speculative=True)
    displaced = pool.submit(request("displaced"), deadline_s=102.0, speculative=True)
    pool.submit(request("turn"))
    pool.submit(request("urgent"))
    with pytest.raises(SpeechOverloadedError, match="displaced"):
        displaced.result(SOON_S)
    engine.gate.release(4)
    kept.result(SOON_S)
    assert order(engine) == ["first", "turn", "urgent", "kept"]


def test_places_of_cancelled_utterances_are_free(pool: RecognitionPool):
    futures = [pool.submit(request(str(n))) for n in range(3)]
    futures[1].cancel()
    pool.submit(request("fits"))


def test_failures_reach_who_asked_and_nobody_else(pool: RecognitionPool, engine: GatedEngine):
    fails = pool.submit(request("fails"))
    damaged = pool.submit(request("damaged"))
    fine = pool.submit(request("fine"))
    engine.gate.release(4)
    with pytest.raises(EngineError, match="memory"):
        fails.result(SOON_S)
    with pytest.raises(ValueError, match="int16"):
        damaged.result(SOON_S)
    assert fine.result(SOON_S).text == "fine"


def test_the_wait_is_measured_and_forgotten(
    pool: RecognitionPool, engine: GatedEngine, clock: Clock
):
    waited = pool.submit(request("waited"))
    clock.now_s += 0.4
    assert pool.wait_s == pytest.approx(0.4)
    engine.gate.release(2)
    waited.result(SOON_S)
    assert pool.wait_s == pytest.approx(0.4)
    clock.now_s += 60.0
    assert pool.wait_s == 0.0


def test_how_long_the_engine_has_been_at_it_is_known(
    pool: RecognitionPool, engine: GatedEngine, clock: Clock
):
    second = pool.submit(request("second"))
    clock.now_s += 4.0
    assert pool.busy_s == 4.0
    engine.gate.release(2)
    second.result(SOON_S)
    pool.close()
    assert pool.busy_s == 0.0


def test_closing_cancels_what_waits(engine: GatedEngine):
    pool = RecognitionPool(engine)
    pool.submit(request("first"))
    assert engine.begun.acquire(timeout=SOON_S)
    waiting = pool.submit(request("waiting"))
    engine.gate.release()
    threading.Thread(target=pool.close).start()
    with pytest.raises(BaseException):  # noqa: B017, PT011 (CancelledError is none of Exception's)
        waiting.result(SOON_S)
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(request("late"))


def test_utterances_of_one_length_are_decoded_together():
    engine = GatedEngine(batches=True)
    pool = RecognitionPool(engine, most_together=3)
    pool.submit(request("x", 7))
    assert engine.begun.acquire(timeout=SOON_S)
    asked = [pool.submit(request("x", length)) for length in (5, 9, 5, 5, 5)]
    engine.gate.release(10)
    for future in asked:
        assert future.result(SOON_S).text == "x"
    assert sorted(map(len, engine.served)) == [1, 1, 1, 3]
    assert pool.batch_sizes == {1: 3, 3: 1}
    pool.close()


def test_models_without_equal_lengths_are_served_one_by_one(
    pool: RecognitionPool, engine: GatedEngine
):
    asked = [pool.submit(request("same", 5)) for _ in range(3)]
    engine.gate.release(4)
    for future in asked:
        future.result(SOON_S)
    assert pool.batch_sizes == {1: 4}


@pytest.mark.parametrize("wrong", ["threads", "most_waiting", "most_together"])
def test_figures_below_one_are_refused(engine: GatedEngine, wrong: str):
    figures: dict[str, Any] = {wrong: 0}
    with pytest.raises(ValueError, match="1 or more"):
        RecognitionPool(engine, **figures)
