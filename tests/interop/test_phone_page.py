"""The phone page in a real Chromium, calling a real server."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from tests.fakes.browser import chromium, give_microphone, until
from tests.fakes.phone_page import (
    SOON_MS,
    TO_CHANGE_THE_ADDRESS,
    answer_until,
    call,
    heard,
    speak,
)
from tests.fakes.postgres import PostgresForTests
from tests.fakes.recordings import contains_phrase, read_stereo
from tests.fakes.system import System, system_running
from tests.interop.conftest import peer

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

GREETING = "Welcome to Oakline"
CANDIDATE = re.compile(r"a=candidate:.*?\\r\\n")  # of SDP within JSON


@pytest.fixture(scope="module")
def phone_system(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresForTests
) -> Iterator[System]:
    """A server whose phone page is open, on loopback."""
    settings = {
        "FRONTDESK_PHONE__ENABLED": "true",
        "FRONTDESK_PHONE__HOST_ADDRESSES": '["127.0.0.1"]',
        "FRONTDESK_SIP__MAX_CALLS": "1",
        "FRONTDESK_SIP__RETRY_AFTER_S": "7",
    }
    databases = postgres.fresh_database(), postgres.fresh_database()
    with system_running(tmp_path_factory.mktemp("phone"), *databases, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(peer("chromium")) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, phone_system: System) -> Iterator[Page]:
    """The page, opened; a test fails when the console shows an error."""
    context = browser.new_context(viewport={"width": 1100, "height": 860})
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    give_microphone(page)
    page.goto(f"{phone_system.server.ready['http']}/phone")
    yield page
    context.close()
    wait_until_free(phone_system)
    # Chromium reports every answer of 400 and above there, whether or not the page handles it.
    assert [fault for fault in faults if "Failed to load resource" not in fault] == []


def wait_until_free(system: System) -> None:
    if system.get("/v1/calls?limit=1"):
        system.last_call()


def test_caller_completes_the_address_change_by_voice(page: Page, phone_system: System):
    call(page)
    heard(page, GREETING)
    for answer, question in (
        *TO_CHANGE_THE_ADDRESS,
        ("yes that's right", "The address is changed"),
    ):
        answer_until(page, answer, question)
    speak(page, "no thank you")
    expect(page.locator("#state")).to_have_text("Call ended", timeout=SOON_MS)
    assert phone_system.order()["shipping_address"] == "42 Oak Street, Springfield"
    record = phone_system.last_call()
    assert (record["transport"], record["end_reason"]) == ("webrtc", "completed")
    shown = page.locator(".captions .frontdesk span:last-child").all_inner_texts()
    assert shown == [turn["heard"] for turn in record["turns"] if turn["heard"]]
    _, ours = read_stereo(Path(record["recording_path"]))
    assert contains_phrase(ours, "What is your order number?")


def test_keypad_and_keyboard_press_the_same_keys(page: Page, phone_system: System):
    call(page)
    page.evaluate(until("document.getElementById('theirs').value > 0.4"))
    heard(page, GREETING)
    speak(page, "where is my order")
    heard(page, "What is your order number?")
    keypad = page.get_by_role("group", name="Keypad")
    keypad.get_by_role("button", name="4", exact=True).click()
    keypad.get_by_role("button", name="8", exact=True).click()
    page.keyboard.press("1")
    page.keyboard.press("5")
    expect(page.locator(".captions .caller", has_text="4815")).to_be_visible(timeout=SOON_MS)
    page.get_by_role("button", name="Hang up").click()
    expect(page.locator("#state")).to_have_text("You hung up")
    assert phone_system.last_call()["end_reason"] == "caller_hangup"


def test_closing_the_page_hangs_up(page: Page, phone_system: System):
    call(page)
    heard(page, GREETING)
    page.goto("about:blank")
    assert phone_system.last_call()["end_reason"] == "caller_hangup"


def test_caller_of_a_full_server_is_told_when_to_call_again(
    page: Page, browser: Browser, phone_system: System
):
    call(page)
    other = browser.new_page()
    give_microphone(other)
    other.goto(f"{phone_system.server.ready['http']}/phone")
    other.get_by_role("button", name="Call").click()
    expect(other.get_by_role("alert")).to_contain_text("All lines are busy.")
    expect(other.get_by_role("alert")).to_contain_text("7 seconds")
    other.close()


def test_denied_microphone_is_said_in_words(browser: Browser, phone_system: System):
    page = browser.new_page()
    page.add_init_script(
        "navigator.mediaDevices.getUserMedia ="
        " async () => { throw new DOMException('denied', 'NotAllowedError'); };"
    )
    page.goto(f"{phone_system.server.ready['http']}/phone")
    page.get_by_role("button", name="Call").click()
    expect(page.get_by_role("alert")).to_contain_text("Your browser blocks the microphone.")
    expect(page.get_by_role("button", name="Call again")).to_be_focused()
    page.close()


def test_no_route_is_said_in_words(page: Page):
    # Neither side learns an address of the other, as behind a firewall that is closed to both.
    def without_addresses(route: Route) -> None:
        answer = route.fetch(post_data=CANDIDATE.sub("", route.request.post_data or ""))
        route.fulfill(response=answer, body=CANDIDATE.sub("", answer.text()))

    page.route("**/v1/phone/offer", without_addresses)
    page.get_by_role("button", name="Call").click()
    expect(page.get_by_role("alert")).to_contain_text(
        "No way was found for the sound.", timeout=2 * SOON_MS
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility_check_finds_nothing_serious(page: Page, scheme: str):
    page.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType]
    call(page)
    heard(page, GREETING)
    for width in (1100, 360):
        page.set_viewport_size({"width": width, "height": 860})
        assert serious_faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def serious_faults(page: Page) -> list[str]:
    """What axe-core finds that keeps people out."""
    found = cast("list[dict[str, str]]", Axe().run(page).response["violations"])
    return [fault["help"] for fault in found if fault["impact"] in ("serious", "critical")]
