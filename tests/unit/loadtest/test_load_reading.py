"""Prompts are recognised once, however many calls hear them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import numpy as np
import pytest

from loadtest.listening import Understood
from loadtest.load.reading import RememberingReader
from loadtest.pcm import Pcm

MEANT = Understood(matches=())


class SlowPool(Executor):
    """Recognises nothing until told to."""

    def __init__(self) -> None:
        self.asked: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        self.asked.append(Future())
        return self.asked[-1]


def prompt(seed: int) -> Pcm:
    return np.random.default_rng(seed).normal(0, 6_000, 8_000).astype(np.int16)


async def begun(reader: RememberingReader, *prompts: Pcm) -> "list[asyncio.Task[Understood]]":
    tasks = [asyncio.create_task(reader.understand_later(each)) for each in prompts]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


async def test_calls_that_hear_the_same_together_ask_once():
    pool = SlowPool()
    tasks = await begun(RememberingReader(pool, 1.0), *[prompt(1)] * 30, prompt(2))
    assert len(pool.asked) == 2
    for asked in pool.asked:
        asked.set_result((MEANT, 1.5))
    assert await asyncio.gather(*tasks) == [MEANT] * 31


async def test_call_that_ends_does_not_take_the_answer_from_another():
    pool = SlowPool()
    reader = RememberingReader(pool, 1.0)
    first, second = await begun(reader, prompt(1), prompt(1))
    first.cancel()
    await asyncio.sleep(0)
    pool.asked[0].set_result((MEANT, 1.5))
    assert await second == MEANT
    assert reader.cpu_s == pytest.approx(0.5)
    assert await reader.understand_later(prompt(1)) == MEANT
    assert len(pool.asked) == 1
