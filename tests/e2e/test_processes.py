"""A server of two processes on one SIP port, as real processes with real calls."""

import asyncio
import os
import signal
from collections.abc import Iterator

import httpx
import pytest

from telephony.leg import LegRefusedError
from telephony.outgoing_sip_leg import OutgoingSipLeg
from tests.fakes.postgres import PostgresForTests
from tests.fakes.processes import active, alive, pids
from tests.fakes.sip_leg_world import until
from tests.fakes.sip_phone import Phone, loud, phones
from tests.fakes.system import System, system_running, wait_for
from voice.events import LegEnded

pytestmark = [pytest.mark.e2e, pytest.mark.crash, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresForTests) -> Iterator[System]:
    """A system of two processes and two lines; whoever stops the server leaves it so."""
    settings = {
        "FRONTDESK_SERVE__PROCESSES": "2",
        "FRONTDESK_HANDOFF__ENABLED": "false",
        "FRONTDESK_SIP__MAX_CALLS": "2",
        "FRONTDESK_LOAD__DRAIN_S": "60",
    }
    databases = postgres.fresh_database(), postgres.fresh_database()
    with system_running(tmp_path_factory.mktemp("processes"), *databases, **settings) as running:
        yield running


@pytest.fixture
def system(house: System) -> System:
    """The same, with its server up."""
    if not house.server.alive:
        house.start_server()
    return house


async def test_calls_are_spread_and_whoever_is_killed_takes_no_other_along(system: System):
    async with phones(3) as (first, second, third):
        one = await up(first, system)
        two = await up(second, system)
        await settled(system, {"0": 1, "1": 1})
        with pytest.raises(LegRefusedError) as full:  # the limit is that of both
            await up(third, system)
        assert full.value.status == 503
        os.kill(pids(system)[1], signal.SIGKILL)
        await settled(system, {"0": 1})
        three = await up(third, system)  # the line of the lost call is free
        await settled(system, {"0": 2})
        await asyncio.gather(one.hang_up("done"), three.hang_up("done"))
        await asyncio.to_thread(wait_for, lambda: "1" in active(system) or None)
        await two.hang_up("done")  # nobody knows it any more: 481
        four, five = await up(first, system), await up(third, system)
        await settled(system, {"0": 1, "1": 1})
        expected = [None, None, "caller_hangup", "server_crash", "caller_hangup"]
        await asyncio.to_thread(wait_for, lambda: reasons(system) == expected or None)
        await asyncio.gather(spoken_to(four), spoken_to(five))
        workers = pids(system)
        system.server.kill()  # the parent: nothing reaches the calls any more
        await until(lambda: LegEnded(reason="caller_hangup") in first.events)
        await until(lambda: LegEnded(reason="caller_hangup") in third.events)
        await asyncio.to_thread(wait_for, lambda: not any(map(alive, workers)) or None)


async def test_worker_that_hangs_is_killed_and_another_takes_its_place(system: System):
    hung = pids(system)[1]
    async with phones(1) as (phone,):
        os.kill(hung, signal.SIGSTOP)
        await asyncio.to_thread(wait_for, lambda: not alive(hung) or None, timeout_s=60.0)
        await asyncio.to_thread(wait_for, lambda: "1" in active(system) or None)
        leg = await up(phone, system)
        await leg.hang_up("done")


async def test_all_processes_drain_and_the_server_exits_well(system: System):
    async with phones(3) as (first, second, third):
        legs = [await up(first, system), await up(second, system)]
        await settled(system, {"0": 1, "1": 1})
        system.server.terminate()
        for worker in pids(system):
            os.kill(worker, signal.SIGTERM)  # a service manager asks every process
        health = wait_for(lambda: draining(system))
        assert health.json()["calls"] == "draining"
        with pytest.raises(LegRefusedError) as refused:
            await up(third, system)
        assert refused.value.status == 503
        await legs[0].hang_up("done")
        assert system.server.alive
        await legs[1].hang_up("done")
        assert await asyncio.to_thread(system.server.exit_status) == 0


async def up(phone: Phone, system: System) -> OutgoingSipLeg:
    """A call that is answered."""
    leg = await phone.dial(system.sip)
    await leg.answered()
    return leg


async def spoken_to(leg: OutgoingSipLeg) -> None:
    """Wait until the greeting is heard."""
    await until(lambda: loud(leg.receive_frame()))


async def settled(system: System, calls: dict[str, float]) -> None:
    """Wait until so many calls are up, by process."""
    await asyncio.to_thread(wait_for, lambda: active(system) == calls or None)


def reasons(system: System) -> list[str | None]:
    """Why each call ended, newest first, as soon as it is written."""
    return [call["end_reason"] for call in system.calls()]


def draining(system: System) -> httpx.Response | None:
    """What /healthz says once it is no longer well."""
    health = httpx.get(f"{system.server.ready['http']}/healthz")
    return health if health.status_code == 503 else None
