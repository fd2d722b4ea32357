"""A server of two processes: a caller at the phone page in one, people in the other."""

import pytest
from playwright.sync_api import Page, expect

from models.espeak import EspeakVoice
from tests.fakes.browser import chromium, say
from tests.fakes.desk_client import add_user
from tests.fakes.desk_page import SOON_MS, be_ready, watched_page
from tests.fakes.phone_page import call, heard
from tests.fakes.postgres import PostgresForTests
from tests.fakes.processes import active
from tests.fakes.system import system_running
from tests.interop.conftest import peer

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

AGENT = EspeakVoice("en-us+f2", rate_wpm=160)
AGENT_SAYS = "thank you for waiting how can i help you today"


def test_page_of_another_process_than_the_desks_reads_what_the_agent_says(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresForTests
):
    settings = {
        "FRONTDESK_PHONE__ENABLED": "true",
        "FRONTDESK_PHONE__HOST_ADDRESSES": '["127.0.0.1"]',
        "FRONTDESK_SERVE__PROCESSES": "2",
    }
    databases = postgres.fresh_database(), postgres.fresh_database()
    with (
        system_running(tmp_path_factory.mktemp("house"), *databases, **settings) as system,
        chromium(peer("chromium")) as browser,
        watched_page(browser) as desk,
        watched_page(browser) as phone,
    ):
        add_user(system, "ann", "--role", "agent", "--skill", "orders")
        be_ready(desk, system, "ann")
        phone.goto(f"{system.server.ready['http']}/phone")
        call(phone)
        heard(phone, "How can I help you?")
        assert active(system) == {"0": 0, "1": 1}
        phone.keyboard.press("0")
        talk(desk, phone)
        desk.keyboard.press("Alt+e")
        expect(phone.locator("#state")).not_to_have_text("Connected", timeout=SOON_MS)
        assert active(system) == {"0": 0, "1": 0}
        record = system.last_call()
        assert (record["transport"], record["end_reason"]) == ("webrtc", "agent_hangup")


def talk(desk: Page, phone: Page) -> None:
    """The agent answers, and speaks until the caller reads it."""
    expect(desk.locator("#phase")).to_have_text("Incoming call", timeout=SOON_MS)
    desk.keyboard.press("Alt+a")
    expect(desk.locator("#phase")).to_contain_text("On the call", timeout=SOON_MS)
    say(desk, AGENT.render(AGENT_SAYS).pcm)
    expect(phone.locator(".captions .agent").last).to_contain_text("help", timeout=SOON_MS)
