"""What one of several processes shows for all: metrics and events, over their own sockets."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from server.feed import Feed
from server.observability import Metrics
from server.processes.siblings import Shown, Siblings
from server.processes.table import Count, LineTable
from tests.fakes.sip_leg_world import until


@dataclass
class Process:
    """As much of a worker as its siblings see."""

    siblings: Siblings
    metrics: Metrics
    feed: Feed

    @property
    def shown(self) -> Shown:
        return Shown(metrics=self.metrics.exposition, feed=self.feed)


@asynccontextmanager
async def family(count: int) -> AsyncGenerator[tuple[list[Process], LineTable, AsyncExitStack]]:
    """So many processes; the last one does not answer before the test says so."""
    table = LineTable.create(workers=count, lines=4)
    with TemporaryDirectory(prefix="frontdesk-") as folder:
        made: list[Process] = []
        async with AsyncExitStack() as parts:
            for number in range(count):
                siblings = Siblings(Path(folder), number=number, table=table)
                made.append(Process(siblings, Metrics(), Feed()))
                parts.callback(made[-1].feed.close)
                made[-1].metrics.calls_active.set(10 + number)
            for each in made[:-1]:
                await parts.enter_async_context(each.siblings.answering(each.shown))
                parts.callback(each.feed.close)
            yield made, table, parts
    table.close()


async def test_metrics_are_those_of_all_who_answer():
    async with family(3) as (processes, table, parts):
        table.set(Count.PASSED, 5)
        first, _, last = processes
        text = await first.siblings.exposition(first.metrics.exposition())
        assert 'frontdesk_calls_active{process="0"} 10.0\n' in text
        assert 'frontdesk_calls_active{process="1"} 11.0\n' in text
        assert 'frontdesk_calls_active{process="2"}' not in text
        assert 'frontdesk_process_up{process="2"} 0\n' in text
        assert "frontdesk_sip_passed_total 5\n" in text
        await parts.enter_async_context(last.siblings.answering(last.shown))
        parts.callback(last.feed.close)
        text = await first.siblings.exposition(first.metrics.exposition())
        assert 'frontdesk_calls_active{process="2"} 12.0\n' in text
        assert 'frontdesk_process_up{process="2"} 1\n' in text


async def test_who_follows_one_feed_hears_of_all_calls():
    async with family(3) as (processes, _, parts):
        first, second, last = processes
        with first.feed.subscribe() as heard:
            async with first.siblings.joining(heard):
                await until(lambda: second.feed.subscribers == 1)
                second.feed.publish({"event": "call_started", "call_id": "two"})
                first.feed.publish({"event": "call_started", "call_id": "one"})
                events = [await heard.get(), await heard.get()]
                assert {event["call_id"] for event in events if event} == {"one", "two"}
                await parts.enter_async_context(last.siblings.answering(last.shown))
                parts.callback(last.feed.close)
                await until(lambda: last.feed.subscribers == 1)  # it is found when it comes
                last.feed.publish({"event": "call_ended", "call_id": "three"})
                async with asyncio.timeout(5):
                    assert await heard.get() == {"event": "call_ended", "call_id": "three"}
        await until(lambda: second.feed.subscribers == 0)
