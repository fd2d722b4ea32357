"""A caller on a phone and an agent in a browser, through a real server, to the wrap-up."""

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from loadtest.fingerprint import Phrase
from loadtest.listening import PhraseBook
from models.espeak import EspeakVoice
from tests.fakes.browser import chromium, say
from tests.fakes.desk_client import add_user
from tests.fakes.desk_page import SOON_MS, be_ready, watched_page
from tests.fakes.postgres import PostgresForTests
from tests.fakes.recordings import contains_phrase
from tests.fakes.system import System, system_running, wait_for
from tests.fakes.waiting_caller import WaitingCaller, calling
from tests.interop.conftest import peer
from voice.frames import Pcm

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

CALLER, AGENT = EspeakVoice("en-gb+m3", rate_wpm=160), EspeakVoice("en-us+f2", rate_wpm=160)
CALLER_SAYS = "i want to know where my order is"
AGENT_SAYS = "thank you for waiting how can i help you today"


@pytest.fixture(scope="module")
def desk_system(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresForTests
) -> Iterator[System]:
    settings = {
        "FRONTDESK_PHONE__HOST_ADDRESSES": '["127.0.0.1"]',
        "FRONTDESK_HANDOFF__NOBODY_S": "60",
        "FRONTDESK_HANDOFF__RECONNECT_S": "15",
    }
    databases = postgres.fresh_database(), postgres.fresh_database()
    folder = tmp_path_factory.mktemp("desk")
    with system_running(folder, *databases, **settings) as running:
        add_user(running, "ann", "--role", "agent", "--skill", "orders")
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(peer("chromium")) as browser:
        yield browser


@pytest.fixture
def desk(browser: Browser, desk_system: System) -> Iterator[Page]:
    """Ann's desk, signed in and ready; a test fails when the console shows an error."""
    with watched_page(browser) as page:
        be_ready(page, desk_system, "ann")
        yield page


def asks_for_a_person(caller: WaitingCaller) -> None:
    wait_for(lambda: True if contains_phrase(caller.heard(), "How can I help you?") else None)
    caller.press("0")


def says(pcm: Pcm, voice: EspeakVoice, text: str) -> bool:
    """Is this sentence of this voice heard in the audio?"""
    book = PhraseBook([Phrase.of(text, [voice.render(text).pcm])])
    return bool(book.understand(pcm).heard)


def tracks(path: Path) -> dict[str, Pcm]:
    with wave.open(str(path)) as file:
        assert file.getnchannels() == 4
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 4)
    return {
        name: np.ascontiguousarray(frames[:, n])
        for n, name in enumerate(("caller", "agent", "to_caller", "to_agent"))
    }


def test_caller_reaches_an_agent_who_knew_before_saying_hello(
    desk: Page, desk_system: System, tmp_path: Path
):
    desk.locator("#settings-open").click()
    desk.get_by_label("Whisper me the brief").check()
    desk.get_by_role("button", name="Done").click()
    with calling(desk_system.sip) as caller:
        asks_for_a_person(caller)
        # The agent reads before answering.
        expect(desk.locator("#phase")).to_have_text("Incoming call", timeout=SOON_MS)
        expect(desk.locator("#summary li").first).to_be_visible()
        expect(desk.locator("#why")).to_contain_text("asked for a person")
        desk.screenshot(path=tmp_path / "ringing.png")
        desk.keyboard.press("Alt+a")
        # The brief is whispered, and then the call is taken.
        expect(desk.locator("#answer-label")).to_have_text("Take the call", timeout=SOON_MS)
        desk.wait_for_timeout(3_000)
        taken_s = caller.now_s
        desk.keyboard.press("Alt+a")
        expect(desk.locator("#phase")).to_contain_text("On the call", timeout=SOON_MS)
        caller.say(CALLER.render(CALLER_SAYS).pcm)
        expect(desk.locator("#transcript .line").last).to_contain_text("order", timeout=SOON_MS)
        say(desk, AGENT.render(AGENT_SAYS).pcm)
        wait_for(lambda: True if says(caller.heard(taken_s), AGENT, AGENT_SAYS) else None)
        desk.wait_for_timeout(1_500)
        desk.screenshot(path=tmp_path / "talking.png")
        desk.keyboard.press("Alt+n")
        desk.keyboard.type("Moved to Oak Street.")
        expect(desk.locator("#note-state")).to_have_text("Saved")
        desk.keyboard.press("Alt+e")
        caller.ended.result(15)
        heard = caller.heard()
    desk.get_by_role("radio", name="Resolved").press("Space")
    desk.keyboard.press("Alt+w")
    desk.locator("#presence:text-is('Ready')").wait_for()

    call = desk_system.last_call()
    assert call["end_reason"] == "agent_hangup"
    [handoff] = call["handoffs"]
    assert handoff["reason"] == "caller_asked"
    assert [attempt["outcome"] for attempt in handoff["attempts"]] == ["accepted"]
    assert call["dispositions"][0]["code"] == "resolved"
    assert call["notes"][0]["text"] == "Moved to Oak Street."
    assert any("order" in line["text"] for line in call["overheard"])
    [path] = (desk_system.folder / "recordings").glob(f"{call['id']}-handoff*.wav")
    kept = tracks(path)
    assert says(kept["to_agent"], CALLER, CALLER_SAYS)
    assert says(kept["to_caller"], AGENT, AGENT_SAYS)
    whisper = "A caller: they asked for a person."
    assert contains_phrase(kept["to_agent"], whisper)
    assert not contains_phrase(heard, whisper)
