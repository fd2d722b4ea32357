"""The dialog behind voice's port, thinking in a thread of its own: held there by its classifier."""

import asyncio
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dialog.flow import load_flow
from dialog.session import Dialog
from server.dialog_port import DialogPort
from voice.events import (
    CallerKeyed,
    CallerSaid,
    CallStarted,
    Effect,
    Expects,
    Hypothesis,
    PromptInterrupted,
    Readiness,
    Speak,
    Transcription,
)

FLOW = load_flow(Path(__file__).parents[3] / "dialog" / "flows" / "orders.yaml")
STATUS = CallerSaid(
    transcription=Transcription(hypotheses=(Hypothesis(text="track it now", log_prob=-0.1),))
)


class Classifier:
    """Everything is about an order's status, once it may say so."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.asked = threading.Semaphore(0)
        self.threads: list[str] = []
        self.error: Exception | None = None

    def rank(self, text: str) -> Sequence[tuple[str, float]]:
        self.threads.append(threading.current_thread().name)
        self.asked.release()
        self.may.wait()
        if self.error is not None:
            raise self.error
        return [("order_status", 0.9)]


class World:
    """One call's dialog, greeted."""

    def __init__(self) -> None:
        self.classifier = Classifier()
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="dialogs")
        self.dialog = Dialog(FLOW, self.classifier, "call-1", facts={"caller": "+15550100"})
        self.port = DialogPort(self.dialog, self.pool)

    async def is_asked(self) -> None:
        """Wait until the classifier is at work."""
        await asyncio.to_thread(self.classifier.asked.acquire)


@pytest.fixture
def world() -> Generator[World, None, None]:
    made = World()
    try:
        yield made
    finally:
        made.classifier.may.set()
        made.pool.shutdown(cancel_futures=True)


def said(effects: Sequence[Effect]) -> str:
    return " ".join(effect.text for effect in effects if isinstance(effect, Speak))


async def test_what_a_caller_said_is_understood_in_another_thread_and_moves_the_dialog_once(
    world: World,
):
    await world.port.receive(CallStarted())
    before, standing = world.port.expects, world.dialog.state
    hearing = asyncio.ensure_future(world.port.receive(STATUS))
    await world.is_asked()
    assert world.port.expects is before
    assert world.dialog.state is standing
    world.classifier.may.set()
    assert said(await hearing) == "What is your order number?"
    assert world.port.expects.kind is Expects.DIGITS
    assert world.port.understanding is not None
    assert world.port.understanding.intent == "order_status"
    assert world.classifier.threads[0].startswith("dialogs")


async def test_keys_and_the_greeting_need_no_other_thread(world: World):
    world.pool.shutdown()
    assert said(await world.port.receive(CallStarted())).startswith("Welcome")
    assert await world.port.receive(CallerKeyed(digits="0")) != []


async def test_what_happens_while_it_thinks_is_taken_afterwards_in_order(world: World):
    await world.port.receive(CallStarted())
    hearing = asyncio.ensure_future(world.port.receive(STATUS))
    await world.is_asked()
    keyed = asyncio.ensure_future(world.port.receive(CallerKeyed(digits="4815")))
    looked = asyncio.ensure_future(world.port.preview(STATUS))
    await asyncio.sleep(0)
    assert not keyed.done()
    world.classifier.may.set()
    alone = Dialog(FLOW, world.classifier, "call-1", facts={"caller": "+15550100"})
    port = DialogPort(alone)
    await port.receive(CallStarted())
    assert await hearing == await port.receive(STATUS)
    assert await keyed == await port.receive(CallerKeyed(digits="4815"))
    assert await looked == await port.preview(STATUS)
    assert world.dialog.state == alone.state


async def test_a_look_ahead_changes_nothing_and_an_event_meanwhile_waits_for_it(world: World):
    await world.port.receive(CallStarted())
    standing = world.dialog.state
    looking = asyncio.ensure_future(world.port.preview(STATUS))
    await world.is_asked()
    keyed = asyncio.ensure_future(world.port.receive(CallerKeyed(digits="0")))
    await asyncio.sleep(0)
    assert not keyed.done()
    assert world.dialog.state is standing
    world.classifier.may.set()
    preview = await looking
    assert preview.readiness is Readiness.COMPLETE
    assert said(preview.effects) == "What is your order number?"
    await keyed
    keyed_to = world.dialog.state
    assert keyed_to is not standing
    await world.port.preview(STATUS)
    assert world.dialog.state is keyed_to


async def test_an_interruption_and_what_was_said_are_one_step(world: World):
    world.classifier.may.set()
    two = World()
    two.classifier.may.set()
    try:
        for port in (world.port, two.port):
            await port.receive(CallStarted())
        cut = PromptInterrupted(heard="Welcome to")
        together = await world.port.receive(cut, STATUS)
        apart = [*await two.port.receive(cut), *await two.port.receive(STATUS)]
        assert together == apart
        assert world.dialog.state == two.dialog.state
        assert world.port.understanding == two.port.understanding
    finally:
        two.pool.shutdown()


async def test_a_receive_that_is_cancelled_never_happened(world: World):
    await world.port.receive(CallStarted())
    standing = world.dialog.state
    hearing = asyncio.ensure_future(world.port.receive(STATUS))
    await world.is_asked()
    in_line = asyncio.ensure_future(world.port.preview(STATUS))
    await asyncio.sleep(0)
    for task in (hearing, in_line):
        task.cancel()
    await asyncio.wait({hearing, in_line})
    world.classifier.may.set()
    assert hearing.cancelled()
    assert in_line.cancelled()
    assert world.dialog.state is standing
    assert said(await world.port.receive(STATUS)) == "What is your order number?"


async def test_a_defect_of_the_engine_reaches_whoever_asked_and_moves_nothing(world: World):
    await world.port.receive(CallStarted())
    standing = world.dialog.state
    world.classifier.may.set()
    world.classifier.error = ZeroDivisionError("scripted")
    with pytest.raises(ZeroDivisionError):
        await world.port.preview(STATUS)
    with pytest.raises(ZeroDivisionError):
        await world.port.receive(STATUS)
    assert world.dialog.state is standing
    world.classifier.error = None
    assert said(await world.port.receive(STATUS)) == "What is your order number?"


async def test_what_was_understood_is_kept_while_we_hear_of_our_own_doing(world: World):
    world.classifier.may.set()
    await world.port.receive(CallStarted())
    await world.port.receive(STATUS)
    understood = world.port.understanding
    assert understood is not None
    await world.port.receive(PromptInterrupted(heard="What is"))
    assert world.port.understanding == understood
