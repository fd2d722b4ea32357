"""Warm transfers with a fault at every transition: the caller is recovered, or the call ends right.

FRONTDESK_ALL_FAULTS=1 runs all fifty, and again on a server of two processes with the caller in one
and the agents in the other; without it, those are run that have each kind of fault. Every case is a
whole call on a real server, with a SIP caller and agents without a browser; tones say who hears
whom.
"""

import asyncio
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.transfer.agent import Agent, Served
from loadtest.transfer.caller import TransferCaller
from loadtest.transfer.script import TAKES, Script, TransferOn
from tests.fakes.postgres import PostgresForTests
from tests.fakes.processes import active
from tests.fakes.transfer_cases import ACROSS, CASES, QUICK, Case, taken
from tests.fakes.transfer_lane import SOON_S, Lane, lanes

pytestmark = [pytest.mark.e2e, pytest.mark.crash, pytest.mark.timeout(600)]

EVERYTHING = bool(os.environ.get("FRONTDESK_ALL_FAULTS"))
CASE_S = 90.0  # the machine may be busy; nothing here measures time
OFFERED_S = 4.0  # from waiting to the offer of a callback, which is made after two seconds
CALLBACK = "A colleague will call you back"
LANES = {1: 2, 2: 1}  # servers at once, by how many processes they have
ALL_LANES = {1: 2, 2: 2}


def chosen() -> tuple[Case, ...]:
    everything = CASES + ACROSS
    return everything if EVERYTHING else tuple(each for each in everything if each.name in QUICK)


@pytest.mark.parametrize("processes", [1, 2])
async def test_caller_is_recovered_or_the_call_ends_right(
    processes: int, tmp_path: Path, postgres: PostgresForTests
):
    """One test for all cases: they share servers, several of which run at once."""
    cases = [case for case in chosen() if case.processes == processes]
    count = (ALL_LANES if EVERYTHING else LANES)[processes]
    databases = [(postgres.fresh_database(), postgres.fresh_database()) for _ in range(count)]
    async with lanes(tmp_path, databases, [processes] * count) as made:
        failures = await run_all(cases, made)
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(cases)} cases went wrong", failures)


def test_there_are_fifty_cases_with_names_of_their_own():
    names = [case.name for case in CASES + ACROSS]
    assert len(CASES) >= 50
    assert len(set(names)) == len(names)
    assert set(names) >= QUICK


async def run_all(cases: Sequence[Case], made: Sequence[Lane]) -> list[Exception]:
    """What went wrong, with the name of the case."""
    failures: list[Exception] = []
    left = deque(enumerate(cases))

    async def work(lane: Lane) -> None:
        while left:
            number, case = left.popleft()
            try:
                async with asyncio.timeout(CASE_S):
                    await run_case(lane, case, f"caller{number}")
            except Exception as error:
                error.add_note(f"in the case: {case.name}")
                failures.append(error)
                await lane.renew()  # whatever is wrong there is not the next case's business

    await asyncio.gather(*map(work, made))
    return failures


async def run_case(lane: Lane, case: Case, name: str) -> None:
    async with lane.agents(len(case.agents)) as agents:
        if case.brief:
            await agents[0].desk.send("spoken_brief", wanted=True)
        for agent, script in zip(agents, case.agents, strict=True):
            if not script:
                await agent.desk.set_away()
        async with lane.caller(name) as caller:
            if case.processes > 1:  # the agents are in the first
                assert await asyncio.to_thread(active, lane.system) == {"0": 0, "1": 1}
            serving = [
                asyncio.create_task(
                    serve(
                        agent,
                        with_ids(script, agents),
                        caller,
                        case.again if agent is agents[0] else (),
                    )
                )
                for agent, script in zip(agents, case.agents, strict=True)
                if script
            ]
            playing = asyncio.create_task(play_caller(lane, case, agents, caller))
            try:
                served = await together(playing, [] if case.killed else serving)
            finally:
                for task in (playing, *serving):
                    task.cancel()
                await asyncio.gather(playing, *serving, return_exceptions=True)
    if case.killed:
        await lane.restart()
    await check(lane, case, name, served, caller)
    await lane.send_home(len(case.agents))
    if case.killed:
        await run_case(lane, taken("after the crash", *TAKES), f"{name}-after")


async def together(
    playing: asyncio.Task[None], serving: list[asyncio.Task[Served]]
) -> list[Served]:
    """Until the caller's part and the agents' are done, or one of them went wrong."""
    done, _ = await asyncio.wait((playing, *serving), return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()
    return [task.result() for task in serving]


async def serve(agent: Agent, script: Script, caller: TransferCaller, again: Script) -> Served:
    """Do this with the first caller, and the other with the next, if there is to be one."""
    offer = await agent.desk.offered(timeout_s=CASE_S)
    caller.sounding = True
    served = await agent.play(offer, script)
    if not again:
        return served
    await agent.ready()
    return await serve(agent, again, caller, ())


def with_ids(script: Script, agents: list[Agent]) -> Script:
    """Agents are given callers by their id, which the desk knows."""
    ids = {agent.login.login: agent.desk.agent["id"] for agent in agents}
    return tuple(
        replace(step, target=ids.get(step.target, step.target))
        if isinstance(step, TransferOn)
        else step
        for step in script
    )


async def play_caller(lane: Lane, case: Case, agents: list[Agent], caller: TransferCaller) -> None:
    """Until the call is over for the caller."""
    if case.at:
        await reached(lane, case.at, agents)
    if case.killed:
        await asyncio.to_thread(lane.system.server.kill)
        await caller.until_dead(for_s=1.0, timeout_s=SOON_S)
        return
    match case.caller:
        case "hangs up":
            await caller.hang_up()
        case "vanishes":
            await caller.vanish()
            await caller.until_ended(timeout_s=SOON_S)
        case "callback":
            await lane.until_said(caller.caller, CALLBACK)
            await caller.hang_up()
        case "key 1":
            await lane.until_waiting()
            await asyncio.sleep(OFFERED_S)
            caller.press("1")
            await caller.until_ended(timeout_s=SOON_S)
        case "asks again" | "does the step":
            await given_back(lane, case, caller)
            await caller.until_ended(timeout_s=CASE_S)
        case _:
            await caller.until_ended(timeout_s=CASE_S)


async def given_back(lane: Lane, case: Case, caller: TransferCaller) -> None:
    """Frontdesk has the caller again, who goes on with it."""
    await caller.ear.until(True, timeout_s=SOON_S)
    await caller.ear.until(False, timeout_s=SOON_S)
    caller.sounding = False
    if case.caller == "asks again":
        await lane.until_said(caller.caller, "")
        caller.press("0")
        return
    await lane.until_said(caller.caller, "What is your order number?")
    caller.press("4815")
    await lane.until_said(caller.caller, "What is the postcode on the order?")
    caller.press("90210")


async def reached(lane: Lane, at: str, agents: list[Agent]) -> None:
    """Until the transfer is where this case wants it."""
    if at == "queued":
        return await lane.until_waiting()
    desk = agents[0].desk
    await desk.until(lambda: (desk.call is not None and desk.call["phase"] == at) or None, at)
    if at in {"talking", "held"}:
        await asyncio.sleep(0.7)  # so that both have been heard


async def check(
    lane: Lane, case: Case, name: str, served: list[Served], caller: TransferCaller
) -> None:
    """The records say what happened, and nothing of the call is left."""
    call = await lane.record(name)
    rung = [each["outcome"] for handoff in call["handoffs"] for each in handoff["attempts"]]
    assert rung == list(case.attempts)
    assert [handoff["outcome"] for handoff in call["handoffs"]] == list(case.outcomes)
    assert call["end_reason"] == case.end
    if case.caller == "callback":
        assert ("request_callback", "succeeded") in [
            (each["name"], each["status"]) for each in call["actions"]
        ]
    assert all(each.offer.summary for each in served)  # before anybody picked up
    if case.taken_by is not None:
        assert served[case.taken_by].heard_caller_s is not None
        assert served[case.taken_by].refused == []
        assert caller.first_heard_agent_s() is not None
    assert await lane.leftovers() == []
