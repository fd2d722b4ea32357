"""Calls from the phone page, spread over several processes, each with its own socket and line."""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest

from server.calls import Calls
from server.config import PhoneConfig
from server.feed import Feed
from server.ice import webrtc_options
from server.observability import Metrics
from server.phone_line import LinesTakenError, OwnPhoneLine, PhoneLine
from server.processes.siblings import Shown, Siblings
from server.processes.table import LineTable
from telephony.leg import Leg
from telephony.webrtc import WebRtcPeers
from telephony.webrtc_errors import BadOfferError
from tests.fakes.webrtc_peer import LOOPBACK, BrowserPeer

PROCESSES = 3


class Process:
    """As much of a worker as a call from the page meets.

    Attributes:
        takes_none: it has no headroom.
        full: every line is taken, of all processes.
    """

    def __init__(self, number: int, folder: Path, table: LineTable) -> None:
        self.number, self.table = number, table
        self.siblings = Siblings(folder, number=number, table=table)
        self.taken: dict[uuid.UUID, Leg] = {}
        self.refused = 0
        self.takes_none = self.full = False
        config = PhoneConfig(enabled=True, host_addresses=LOOPBACK)
        peers = WebRtcPeers(webrtc_options(config, media_timeout_s=20))
        self.line = OwnPhoneLine(cast("Calls", self), peers, Feed())

    def admit(self, *, trunk: str) -> int | None:
        if not (self.full or self.takes_none):
            return None
        self.refused += 1
        return 10 + self.number

    def take(self, leg: Leg, call_id: uuid.UUID, *, trunk: str) -> None:
        self.taken[call_id] = leg
        with self.table.locked():
            self.table.add(self.number, 0, 0)


class House:
    """All of them, and the page's line in the first."""

    def __init__(self, folder: Path, table: LineTable) -> None:
        self.processes = [Process(number, folder, table) for number in range(PROCESSES)]
        self.line: PhoneLine = self.processes[0].siblings.phone_line(self.processes[0].line)
        self._browsers: list[BrowserPeer] = []

    async def call(self) -> uuid.UUID:
        """A browser calls, and takes the answer."""
        browser = BrowserPeer()
        self._browsers.append(browser)
        taken = await self.line.call(await browser.offer(), peer="192.0.2.7")
        await browser.take(taken.sdp)
        return taken.call_id

    @property
    def calls(self) -> list[int]:
        return [len(process.taken) for process in self.processes]

    @property
    def refused(self) -> list[int]:
        return [process.refused for process in self.processes]

    async def close(self) -> None:
        for process in self.processes:
            for leg in process.taken.values():
                await leg.hang_up("test over")
        for browser in self._browsers:
            await browser.close()


@asynccontextmanager
async def house(*, up: int = PROCESSES) -> AsyncGenerator[House]:
    """The first so many answer."""
    table = LineTable.create(workers=PROCESSES, lines=20)
    with TemporaryDirectory(prefix="frontdesk-") as folder:
        async with AsyncExitStack() as parts:
            made = House(Path(folder), table)
            parts.push_async_callback(made.close)
            for process in made.processes[:up]:
                shown = Shown(metrics=Metrics().exposition, feed=Feed(), phone=process.line)
                await parts.enter_async_context(process.siblings.answering(shown))
            yield made
    table.close()


async def test_each_call_goes_to_whoever_has_the_fewest_and_the_desk_comes_last():
    async with house() as world:
        found = [await world.call() for _ in range(4)]
        assert world.calls == [1, 2, 1]
        [second] = world.processes[2].taken
        assert second == found[1]
        leg = world.processes[2].taken[second]
        assert (leg.info.peer, leg.info.transport) == ("192.0.2.7", "webrtc")
        await leg.answer()  # it is connected: the answer that went through was this leg's


async def test_those_who_call_at_the_same_moment_are_spread_too():
    async with house() as world:
        await asyncio.gather(*(world.call() for _ in range(6)))
        assert world.calls == [2, 2, 2]


async def test_whoever_has_no_headroom_is_passed_over_and_refuses_nobody():
    async with house() as world:
        world.processes[1].takes_none = world.processes[2].takes_none = True
        await world.call()
        assert (world.calls, world.refused) == ([1, 0, 0], [0, 0, 0])


async def test_when_all_decline_one_refuses():
    async with house() as world:
        for process in world.processes:
            process.takes_none = True
        with pytest.raises(LinesTakenError) as full:
            await world.call()
        assert full.value.retry_after_s == 11
        assert (world.calls, world.refused) == ([0, 0, 0], [0, 1, 0])


async def test_a_limit_that_is_that_of_all_is_asked_for_once():
    async with house() as world:
        for process in world.processes:
            process.full = True
        with pytest.raises(LinesTakenError):
            await world.call()
        assert sum(world.refused) == 1


async def test_a_process_that_is_not_there_is_passed_over():
    async with house(up=1) as world:
        await world.call()
        assert world.calls == [1, 0, 0]


async def test_an_offer_that_nobody_can_answer_is_asked_about_once():
    async with house() as world:
        with pytest.raises(BadOfferError):
            await world.line.call("v=0\r\n", peer="192.0.2.7")
        assert world.calls == [0, 0, 0]
