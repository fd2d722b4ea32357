"""A caller at the phone page: what a person does there, and waits for."""

from typing import Final

from playwright.sync_api import Page, expect

from models.espeak import EspeakVoice
from tests.fakes.browser import say

SOON_MS: Final = 20_000  # the machine may be busy; nothing here measures time
TO_CHANGE_THE_ADDRESS: Final = (
    ("I want to change my shipping address", "What is your order number?"),
    ("four eight one five", "What is the postcode on the order?"),
    ("nine oh two one oh", "What is the new address?"),
    ("forty two oak street springfield", "42 Oak Street, Springfield. Is that right?"),
)
"""What is said, and what frontdesk says to it; what is left is to say yes."""


def call(page: Page) -> None:
    page.get_by_role("button", name="Call").click()
    expect(page.locator("#state")).to_have_text("Connected", timeout=SOON_MS)


def heard(page: Page, text: str) -> None:
    """Wait until frontdesk has said this to its end."""
    line = page.locator(".captions .frontdesk:not([data-pending])", has_text=text)
    expect(line.last).to_be_visible(timeout=SOON_MS)


def speak(page: Page, text: str) -> None:
    say(page, EspeakVoice("en-gb+m3", rate_wpm=160).render(text).pcm)


def answer_until(page: Page, answer: str, question: str) -> None:
    """Answer, and again when asked again, as people do, until frontdesk goes on to `question`."""
    lines = page.locator(".captions .frontdesk:not([data-pending])")
    for _ in range(4):
        before = lines.count()
        speak(page, answer)
        expect(lines.nth(before)).to_be_visible(timeout=SOON_MS)
        if question in lines.nth(before).inner_text():
            return
    raise AssertionError(f"after {answer!r} frontdesk said {lines.last.inner_text()!r}")
