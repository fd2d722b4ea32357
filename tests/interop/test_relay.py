"""Browsers that reach us through a TURN server alone, as behind a firewall; coturn is the relay."""

import json
import socket
import subprocess
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from server.config import PhoneConfig
from server.ice import for_browsers
from telephony.transfer_events import TargetAccepted, TargetRinging
from tests.fakes.browser import MICROPHONE, async_chromium, until
from tests.fakes.desk_world import desk_world, recent_context
from tests.fakes.postgres import PostgresForTests
from tests.fakes.system import System, system_running, wait_for
from tests.interop.conftest import peer

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="module"),
]

SOON_MS = 20_000  # the machine may be busy; nothing here measures time
SECRET = "shared-with-the-relay"

# The browser uses relayed addresses only, and shows the connections that its pages make.
RELAY_ONLY = """
const Plain = RTCPeerConnection;
window.peers = [];
window.RTCPeerConnection = function (options) {
  const made = new Plain({ ...options, iceTransportPolicy: "relay" });
  window.peers.push(made);
  return made;
};
"""
WAY = """
async () => {
  const stats = [...(await window.peers.at(-1).getStats()).values()];
  const pair = stats.find((each) => each.type === "candidate-pair" && each.nominated);
  return stats.find((each) => each.id === pair.localCandidateId).candidateType;
}
"""


@dataclass(frozen=True)
class Relay:
    url: str

    @property
    def settings(self) -> dict[str, Any]:
        return {"urls": [self.url], "secret": SECRET}


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    with turn_server(peer("turnserver"), tmp_path_factory.mktemp("turn")) as url:
        yield Relay(url)


@contextmanager
def turn_server(program: Path, folder: Path) -> Generator[str, None, None]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = (
        "-n --no-cli --no-tls --no-dtls --use-auth-secret --realm test --fingerprint"
        " --listening-ip 127.0.0.1 --relay-ip 127.0.0.1 --allow-loopback-peers --log-file stdout"
        f" --static-auth-secret {SECRET} --listening-port {port} --pidfile {folder / 'pid'}"
        f" --db {folder / 'turn.sqlite'}"
    )
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen([program, *arguments.split()], stdout=log, stderr=log)
    try:
        wait_for(lambda: listens(port))
        yield f"turn:127.0.0.1:{port}?transport=tcp"
    finally:
        running.terminate()
        running.wait(10)


def listens(port: int) -> bool | None:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0 or None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_chromium(peer("chromium")) as opened:
        yield opened


async def behind_firewall(browser: Browser) -> Page:
    page = await browser.new_page()
    page.set_default_timeout(SOON_MS)
    await page.add_init_script(MICROPHONE + RELAY_ONLY)
    return page


@pytest.fixture(scope="module")
def phone_system(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresForTests, relay: Relay
) -> Iterator[System]:
    settings = {
        "FRONTDESK_PHONE__ENABLED": "true",
        "FRONTDESK_PHONE__HOST_ADDRESSES": '["127.0.0.1"]',
        "FRONTDESK_PHONE__ICE_SERVERS": json.dumps([relay.settings]),
    }
    databases = postgres.fresh_database(), postgres.fresh_database()
    with system_running(tmp_path_factory.mktemp("relayed"), *databases, **settings) as running:
        yield running


async def test_caller_behind_a_firewall_is_heard_and_hears_us(
    browser: Browser, phone_system: System
):
    page = await behind_firewall(browser)
    await page.goto(f"{phone_system.server.ready['http']}/phone")
    await page.get_by_role("button", name="Call").click()
    await expect(page.locator("#state")).to_have_text("Connected", timeout=SOON_MS)
    await page.evaluate(until("document.getElementById('theirs').value > 0.4"))
    assert await page.evaluate(WAY) == "relay"
    await page.get_by_role("button", name="Hang up").click()
    assert phone_system.last_call()["end_reason"] == "caller_hangup"
    await page.close()


async def test_agent_behind_a_firewall_takes_a_caller(browser: Browser, relay: Relay):
    config = PhoneConfig.model_validate({"ice_servers": [relay.settings]})
    async with desk_world(ice_servers=for_browsers(config)) as world:
        page = await behind_firewall(browser)
        await page.goto(f"{world.url}/desk")
        await page.locator("#ready-label", has_text="Set ready").wait_for()
        await page.keyboard.press("Alt+r")
        await page.locator("#presence:text-is('Ready')").wait_for()
        world.coordinator.offer(recent_context())
        await world.coordinator.until(TargetRinging)
        await page.keyboard.press("Alt+a")
        await world.coordinator.until(TargetAccepted)
        await page.locator("#phase", has_text="On the call").wait_for()
        assert await page.evaluate(WAY) == "relay"
        await page.close()
