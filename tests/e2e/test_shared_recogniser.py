"""Two processes that share a recogniser, as real processes with real calls."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator

import pytest

from loadtest.caller import SimulatedCaller
from loadtest.report import CallerSaid, CallEvent, CallReport
from loadtest.scenario import find_scenario, load_scenario
from tests.fakes.postgres import PostgresForTests
from tests.fakes.processes import active, alive, pids, shown
from tests.fakes.system import System, system_running, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.crash, pytest.mark.timeout(180)]

ASKS = "where is my order"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresForTests) -> Iterator[System]:
    settings = {
        "FRONTDESK_SERVE__PROCESSES": "2",
        "FRONTDESK_HANDOFF__ENABLED": "false",
        "FRONTDESK_SPEECH__SHARED": "true",
        "FRONTDESK_LOAD__DRAIN_S": "100",
    }
    databases = postgres.fresh_database(), postgres.fresh_database()
    with system_running(tmp_path_factory.mktemp("shared"), *databases, **settings) as running:
        yield running


@pytest.fixture
def system(house: System) -> System:
    """The same, with its server up."""
    if not house.server.alive:
        house.start_server()
    return house


async def test_calls_of_both_processes_are_heard_by_one_recogniser(system: System):
    calls = asyncio.gather(call(system), call(system))
    await asyncio.to_thread(wait_for, lambda: active(system) == {"0": 1, "1": 1} or None)
    for report in await calls:
        assert report.goal_reached, report.detail
    assert set(shown(system, "frontdesk_recognition_batches_total")) == {"recogniser"}
    assert shown(system, "frontdesk_process_up") == {"0": 1, "1": 1, "recogniser": 1}


async def test_calls_survive_the_recogniser(system: System):
    [before] = pids(system, "recogniser")
    restarts = shown(system, "frontdesk_process_restarts_total")[""]

    def kill(event: CallEvent) -> None:
        if isinstance(event, CallerSaid) and event.text == ASKS and alive(before):
            os.kill(before, signal.SIGKILL)

    for report in await asyncio.gather(call(system, kill), call(system, kill)):
        assert report.goal_reached, report.detail
    [after] = pids(system, "recogniser")
    assert after != before
    assert shown(system, "frontdesk_process_restarts_total")[""] == restarts + 1


async def test_recogniser_hears_the_last_call_of_a_drain_and_ends_after_it(system: System):
    [recogniser] = pids(system, "recogniser")

    def stop(event: CallEvent) -> None:
        if isinstance(event, CallerSaid) and event.text == ASKS:
            for pid in (system.server.pid, recogniser, *pids(system)):
                os.kill(pid, signal.SIGTERM)  # a service manager asks every process

    report = await call(system, stop)
    assert report.goal_reached, report.detail
    assert await asyncio.to_thread(system.server.exit_status) == 0
    assert not alive(recogniser)


async def test_recogniser_does_not_outlive_everybody_else(system: System):
    [recogniser] = pids(system, "recogniser")
    system.server.kill()
    await asyncio.to_thread(wait_for, lambda: not any(map(alive, pids(system))) or None)
    await asyncio.to_thread(wait_for, lambda: not alive(recogniser) or None)


async def call(
    system: System, on_event: Callable[[CallEvent], None] = lambda event: None
) -> CallReport:
    """Somebody asks where their order is, and says things again when asked to."""
    scenario = load_scenario(find_scenario("order_status"))
    return await SimulatedCaller(scenario, system.sip, on_event=on_event).run()
