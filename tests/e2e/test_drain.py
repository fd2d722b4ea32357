"""A server that is asked to stop while callers are on the line."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from loadtest.errors import RefusedError
from loadtest.phone import Item, Press, Say
from tests.fakes.phones import Heard, phone_call
from tests.fakes.postgres import PostgresForTests
from tests.fakes.system import System, system_running, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

STATUS: tuple[Item, ...] = (
    Say(text="where is my order"),
    Press(digits="4815"),
    Press(digits="90210"),
)
FAREWELL = "This line is closing now, goodbye"

Start = Callable[..., System]


@pytest.fixture
def start(tmp_path: Path, postgres: PostgresForTests) -> Iterator[Start]:
    """Starts a system with `[load]` settings."""
    systems = ExitStack()

    def starting(**load: str) -> System:
        settings = {f"FRONTDESK_LOAD__{name.upper()}": value for name, value in load.items()}
        databases = postgres.fresh_database(), postgres.fresh_database()
        return systems.enter_context(system_running(tmp_path, *databases, **settings))

    with systems:
        yield starting


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


class Caller:
    """Somebody who asks where their order is, in a thread of their own."""

    def __init__(self, threads: ThreadPoolExecutor, system: System, folder: Path) -> None:
        self.keyed = threading.Event()  # in the middle of the call
        self._heard: Future[Heard] = threads.submit(
            lambda: asyncio.run(phone_call(system.sip, STATUS, folder, on_sent=self._sent))
        )

    def _sent(self, item: int) -> None:
        if item == 1:
            self.keyed.set()

    def in_mid_call(self) -> None:
        assert self.keyed.wait(30)

    def heard(self) -> Heard:
        return self._heard.result(60)


def test_call_that_is_up_is_finished_and_no_other_is_taken(
    start: Start, threads: ThreadPoolExecutor, tmp_path: Path
):
    system = start(drain_s="60")
    caller = Caller(threads, system, tmp_path)
    caller.in_mid_call()
    system.server.terminate()
    health = wait_for(lambda: draining(system))
    assert health.json() == {"status": "degraded", "calls": "draining", "database": "ok"}
    with pytest.raises(RefusedError) as refused:
        asyncio.run(phone_call(system.sip, STATUS, tmp_path / "second"))
    assert (refused.value.status, refused.value.retry_after_s) == (503, 30)
    assert caller.heard().contains("Your order is being prepared")
    assert system.server.exit_status() == 0


def test_call_that_outlasts_the_limit_is_told_so_and_recorded_as_cut_short(
    start: Start, threads: ThreadPoolExecutor, tmp_path: Path
):
    system = start(drain_s="0.5", farewell=FAREWELL)
    caller = Caller(threads, system, tmp_path)
    caller.in_mid_call()
    system.server.terminate()
    assert caller.heard().contains(FAREWELL)
    assert system.server.exit_status() == 0
    system.start_server()
    assert system.last_call()["end_reason"] == "server_shutdown"


def test_second_signal_ends_everything_at_once(
    start: Start, threads: ThreadPoolExecutor, tmp_path: Path
):
    system = start(drain_s="60", farewell=FAREWELL)
    caller = Caller(threads, system, tmp_path)
    caller.in_mid_call()
    system.server.terminate()
    wait_for(lambda: draining(system))
    system.server.terminate()
    assert system.server.exit_status() == 0
    assert not caller.heard().contains(FAREWELL)


def draining(system: System) -> httpx.Response | None:
    """What /healthz says once it is no longer well."""
    health = httpx.get(f"{system.server.ready['http']}/healthz")
    return health if health.status_code == 503 else None
