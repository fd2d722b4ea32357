"""A server of two processes: callers in one, people in the other, and what either's end does."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from loadtest.transfer.agent import Agent
from loadtest.transfer.caller import TransferCaller
from loadtest.transfer.script import TAKES, Accept, Converse, UntilOver
from tests.fakes.postgres import PostgresForTests
from tests.fakes.processes import active, pids
from tests.fakes.system import wait_for
from tests.fakes.transfer_lane import SOON_S, Lane, lanes

pytestmark = [pytest.mark.e2e, pytest.mark.crash, pytest.mark.timeout(240)]

DESK, HOME = 0, 1
LOST = "I have lost the line to our colleagues"


@asynccontextmanager
async def lane_of_two(folder: Path, postgres: PostgresForTests) -> AsyncGenerator[Lane]:
    databases = [(postgres.fresh_database(), postgres.fresh_database())]
    drain = {"FRONTDESK_LOAD__DRAIN_S": "60"}
    async with lanes(folder, databases, [2], **drain) as (lane,):
        yield lane


@asynccontextmanager
async def talking(lane: Lane, name: str) -> AsyncGenerator[tuple[TransferCaller, Agent]]:
    """A caller at home and an agent at the desk, who hear each other."""
    async with lane.agents(1) as (agent,), lane.caller(name) as caller:
        offer = await agent.desk.offered(timeout_s=SOON_S)
        caller.sounding = True
        script = (Accept(), Converse(), UntilOver())
        playing = asyncio.create_task(agent.play(offer, script))
        try:
            await caller.ear.until(True, timeout_s=SOON_S)
            yield caller, agent
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)


async def test_desk_that_is_killed_leaves_its_callers_with_frontdesk_and_is_soon_back(
    tmp_path: Path, postgres: PostgresForTests
):
    async with lane_of_two(tmp_path, postgres) as lane:
        async with talking(lane, "first") as (caller, _):
            os.kill(pids(lane.system)[DESK], signal.SIGKILL)
            caller.sounding = False
            await lane.until_said("first", LOST)  # as soon as the new desk shows it
            assert await asyncio.to_thread(active, lane.system) == {"0": 0, "1": 1}
            await caller.hang_up()
        call = await lane.record("first")
        assert call["end_reason"] == "caller_hangup"
        assert [each["outcome"] for each in call["handoffs"]] == ["server_crash"]
        assert ("request_callback", "succeeded") in [
            (each["name"], each["status"]) for each in call["actions"]
        ]
        async with lane.agents(1) as (agent,), lane.caller("second") as caller:
            offer = await agent.desk.offered(timeout_s=SOON_S)
            caller.sounding = True
            served = await agent.play(offer, TAKES)
            assert served.heard_caller_s is not None
            await caller.until_ended(timeout_s=SOON_S)
        assert (await lane.record("second"))["end_reason"] == "agent_hangup"


async def test_home_that_is_killed_frees_the_agent_for_the_next(
    tmp_path: Path, postgres: PostgresForTests
):
    async with lane_of_two(tmp_path, postgres) as lane:
        async with talking(lane, "first") as (_, agent):
            os.kill(pids(lane.system)[HOME], signal.SIGKILL)
            await agent.desk.until(lambda: agent.desk.call is None or None, "an empty desk")
            await asyncio.to_thread(wait_for, lambda: "1" in active(lane.system) or None)
        call = await lane.record("first")
        assert call["end_reason"] == "server_crash"
        assert [each["outcome"] for each in call["handoffs"]] == ["caller_hangup"]


async def test_desk_stays_until_the_last_caller_of_any_process_is_done(
    tmp_path: Path, postgres: PostgresForTests
):
    async with lane_of_two(tmp_path, postgres) as lane, talking(lane, "first") as (caller, _):
        lane.system.server.terminate()
        for worker in pids(lane.system):
            os.kill(worker, signal.SIGTERM)  # a service manager asks every process
        await asyncio.sleep(1.0)  # whatever would end at once has
        assert caller.ear.hears
        await caller.hang_up()
        assert await asyncio.to_thread(lane.system.server.exit_status) == 0
