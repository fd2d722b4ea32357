"""An agent at the desk in a browser: what a person does to be ready for calls."""

from collections.abc import Generator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page

from tests.fakes.browser import give_microphone
from tests.fakes.desk_client import PASSWORD
from tests.fakes.system import System

SOON_MS = 30_000  # the machine may be busy; nothing here measures time


@contextmanager
def watched_page(browser: Browser) -> Generator[Page, None, None]:
    """A page with a microphone; it is a failure when its console shows an error."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    context.set_default_timeout(SOON_MS)
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    give_microphone(page)
    yield page
    context.close()
    # Chromium reports every answer of 400 and above there, whether or not the page handles it.
    assert [fault for fault in faults if "Failed to load resource" not in fault] == []


def be_ready(page: Page, system: System, name: str) -> None:
    """Sign in at the desk, and take calls."""
    page.goto(f"{system.server.ready['http']}/desk")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    set_ready(page)


def set_ready(page: Page) -> None:
    """At a desk that is signed in: take calls."""
    page.locator("#ready-label", has_text="Set ready").wait_for()
    page.keyboard.press("Alt+r")
    page.locator("#presence:text-is('Ready')").wait_for()
