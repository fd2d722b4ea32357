"""A change of address that needs a supervisor's word: given on the board, or at the desk."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.fakes.browser import chromium, give_microphone
from tests.fakes.desk_client import PASSWORD, add_user
from tests.fakes.desk_page import set_ready
from tests.fakes.phone_page import (
    SOON_MS,
    TO_CHANGE_THE_ADDRESS,
    answer_until,
    call,
    heard,
    speak,
)
from tests.fakes.postgres import PostgresForTests
from tests.fakes.system import System, system_running
from tests.interop.conftest import peer

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

WAIT_S = 8.0
WAITS = "change the address on order 4815 to 42 Oak Street, Springfield"


@pytest.fixture(scope="module")
def careful_system(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresForTests
) -> Iterator[System]:
    settings = {
        "FRONTDESK_PHONE__ENABLED": "true",
        "FRONTDESK_PHONE__HOST_ADDRESSES": '["127.0.0.1"]',
        "FRONTDESK_APPROVAL__ACTIONS": '["change_address"]',
        "FRONTDESK_APPROVAL__WAIT_S": str(WAIT_S),
        "FRONTDESK_HANDOFF__NOBODY_S": "60",
    }
    databases = postgres.fresh_database(), postgres.fresh_database()
    with system_running(tmp_path_factory.mktemp("careful"), *databases, **settings) as running:
        add_user(running, "sue", "--role", "supervisor", "--skill", "orders")
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(peer("chromium")) as browser:
        yield browser


def opened(browser: Browser, system: System, path: str) -> Page:
    """A page of ours, signed in where it asks for it."""
    page = browser.new_context(viewport={"width": 1280, "height": 860}).new_page()
    page.set_default_timeout(SOON_MS)
    give_microphone(page)
    page.goto(f"{system.server.ready['http']}{path}")
    if "sign-in" in page.url:
        page.get_by_label("Name").fill("sue")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"**{path}")
    return page


def asks_for_the_change(caller: Page) -> None:
    call(caller)
    heard(caller, "Welcome to Oakline")
    for answer, question in TO_CHANGE_THE_ADDRESS:
        answer_until(caller, answer, question)
    speak(caller, "yes that's right")


def test_supervisor_approves_while_the_caller_waits(browser: Browser, careful_system: System):
    board = opened(browser, careful_system, "/supervisor")
    caller = opened(browser, careful_system, "/phone")
    asks_for_the_change(caller)
    waiting = board.locator("#approvals li", has_text=WAITS)
    expect(waiting).to_be_visible(timeout=SOON_MS)
    assert careful_system.order()["shipping_address"] != "42 Oak Street, Springfield"
    waiting.get_by_role("button", name="Approve").click()
    heard(caller, "The address is changed to 42 Oak Street, Springfield.")
    expect(board.locator("#approvals-card")).to_be_hidden()
    assert careful_system.order()["shipping_address"] == "42 Oak Street, Springfield"
    caller.get_by_role("button", name="Hang up").click()
    for page in (caller, board):
        page.context.close()
    call_record = careful_system.last_call()
    assert ["change_address: succeeded"] in [turn["actions"] for turn in call_record["turns"]]


def test_what_nobody_approved_in_time_is_approved_by_who_takes_the_call(
    browser: Browser, careful_system: System
):
    desk = opened(browser, careful_system, "/desk")
    set_ready(desk)
    caller = opened(browser, careful_system, "/phone")
    asks_for_the_change(caller)
    heard(caller, "A colleague has to approve this change.")
    expect(desk.locator("#why")).to_have_text("What they want has to be approved.")
    expect(desk.locator("#approvals")).to_contain_text(WAITS, ignore_case=True)
    expect(desk.locator("#actions")).to_contain_text("Waiting for approval")
    desk.keyboard.press("Alt+a")
    expect(desk.locator("#phase")).to_contain_text("On the call", timeout=SOON_MS)
    desk.get_by_role("button", name="Approve").click()
    expect(desk.locator("#approvals-block")).to_be_hidden()
    expect(desk.locator("#actions")).to_contain_text("Done")
    expect(desk.locator("#summary")).to_contain_text("Done: change the address")
    desk.keyboard.press("Alt+e")
    expect(caller.locator("#state")).to_have_text("Call ended", timeout=SOON_MS)
    for page in (caller, desk):
        page.context.close()
