"""Two recognisers: the second answers when the first gives nothing by its deadline."""

import asyncio

import numpy as np
import pytest

from tests.fakes.voice import FakeStt
from voice.events import Expectation, SpeechError, Transcription
from voice.failover import Failover, FailoverOptions
from voice.frames import Pcm

PCM = np.zeros(800, dtype=np.int16)


class Silent:
    """Never answers; knows when it was given up."""

    def __init__(self) -> None:
        self.given_up = 0

    async def transcribe(
        self, pcm: Pcm, *, expects: Expectation, speculative: bool = False
    ) -> Transcription:
        try:
            await asyncio.Event().wait()
        finally:
            self.given_up += 1
        raise AssertionError


class Clock:
    now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


async def heard(failover: Failover) -> str:
    return (await failover.transcribe(PCM, expects=Expectation())).text


async def test_the_first_answers_when_it_can():
    failover = Failover(FakeStt("first"), FakeStt(), clock=Clock())
    assert await heard(failover) == "first"
    assert failover.taken_over == 0


async def test_the_second_answers_when_the_first_fails():
    failover = Failover(FakeStt(None, "first"), FakeStt("second"), clock=Clock())
    assert await heard(failover) == "second"
    assert await heard(failover) == "first"
    assert failover.taken_over == 1


async def test_the_second_answers_when_the_first_gives_nothing_by_its_deadline():
    silent = Silent()
    options = FailoverOptions(deadline_s=0.01)
    failover = Failover(silent, FakeStt("second"), options, clock=Clock())
    assert await heard(failover) == "second"
    assert silent.given_up == 1


async def test_nothing_said_is_an_answer():
    failover = Failover(FakeStt(""), FakeStt(), clock=Clock())
    assert await heard(failover) == ""


async def test_a_first_that_keeps_failing_rests_and_is_tried_again():
    clock = Clock()
    first = FakeStt(None, None, None, "well again")
    options = FailoverOptions(failures=2, rest_s=30.0)
    failover = Failover(first, FakeStt(*"abcd"), options, clock=clock)
    assert [await heard(failover) for _ in range(3)] == ["a", "b", "c"]
    assert len(first.heard) == 2, "it rests after two failures"
    clock.now_s += 30.0
    assert await heard(failover) == "d", "one more failure and it rests again"
    clock.now_s += 30.0
    assert await heard(failover) == "well again"


async def test_when_both_fail_the_caller_is_asked_again():
    failover = Failover(FakeStt(None), FakeStt(None), clock=Clock())
    with pytest.raises(SpeechError):
        await heard(failover)


async def test_a_call_that_ends_is_no_failure_of_the_first():
    silent = Silent()
    failover = Failover(silent, FakeStt("second"), FailoverOptions(failures=1), clock=Clock())
    task = asyncio.create_task(heard(failover))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert silent.given_up == 1
    assert failover.taken_over == 0


@pytest.mark.parametrize("wrong", [{"deadline_s": 0.0}, {"rest_s": -1.0}])
def test_figures_that_make_no_sense_are_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError, match="must be"):
        FailoverOptions(**wrong)  # pyright: ignore[reportArgumentType]
