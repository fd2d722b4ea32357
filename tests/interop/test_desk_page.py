"""The agent's desk and the supervisor's board in a real Chromium, over WebSockets and WebRTC."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from server.accounts.rights import Role
from server.desk.board import BoardApproval, BoardCall, QueueFigures
from server.desk.errors import RefusedError
from server.desk.http_messages import EarlierCall
from server.desk.protocol import PendingAction
from telephony.transfer_events import (
    AgentTransferredOn,
    CallReturned,
    TargetAccepted,
    TargetAnswered,
    TargetDeclined,
    TargetGone,
    TargetRinging,
    TransferMode,
)
from tests.fakes.browser import MICROPHONE, async_chromium, until
from tests.fakes.desk_world import AGENT, OPTIONS, DeskWorld, desk_world, recent_context
from tests.interop.conftest import peer

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="module"),  # one browser for all
]

SOON_MS = 20_000  # the machine may be busy; nothing here measures time
EARLIER = EarlierCall(
    call_id=uuid4(),
    started_at=datetime(2026, 7, 3, 14, 5, tzinfo=UTC),
    duration_s=192,
    reason="Where is order 4790?",
    summary=("They asked where order 4790 is.",),
    disposition="Resolved",
    agent="Kim Osei",
    note="Check the doorbell camera.",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_chromium(peer("chromium")) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def world() -> AsyncIterator[DeskWorld]:
    # A server under load is slow: nobody is to be given up in these tests but on purpose.
    patient = replace(OPTIONS, lost_after_s=15.0, reconnect_s=60.0, ringing_reconnect_s=60.0)
    async with desk_world(patient) as made:
        made.actions.earlier = [EARLIER]
        yield made


@asynccontextmanager
async def opened(
    browser: Browser, url: str, *, scheme: str = "light", width: int = 1280
) -> AsyncGenerator[Page, None]:
    """A page of ours; the console must stay free of errors, but for a network that was cut."""
    context = await browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    context.set_default_timeout(SOON_MS)
    page = await context.new_page()
    faults: list[str] = []
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    await page.add_init_script(MICROPHONE)
    await page.goto(url)
    yield page
    await context.close()
    assert [fault for fault in faults if "ERR_" not in fault] == []


async def ready(page: Page) -> None:
    await page.locator("#ready-label", has_text="Set ready").wait_for()
    await page.keyboard.press("Alt+r")
    await page.locator("#presence:text-is('Ready')").wait_for()


async def in_talk(page: Page, world: DeskWorld) -> None:
    await ready(page)
    world.coordinator.offer(recent_context())
    await world.coordinator.until(TargetRinging)
    await page.keyboard.press("Alt+a")
    await world.coordinator.until(TargetAccepted)
    await page.locator("#phase", has_text="On the call").wait_for()


async def faults_of(page: Page) -> list[str]:
    """What axe-core holds to be serious or critical."""
    found = await Axe().run(page)
    violations = cast("list[dict[str, Any]]", found.response["violations"])
    return [
        f"{violation['id']}: {[node['html'][:120] for node in violation['nodes']]}"
        for violation in violations
        if violation["impact"] in ("serious", "critical")
    ]


async def test_summary_is_read_before_the_call_is_answered(
    browser: Browser, world: DeskWorld, tmp_path: Path
):
    async with opened(browser, f"{world.url}/desk") as page:
        await ready(page)
        world.coordinator.offer(recent_context())
        await world.coordinator.until(TargetRinging)
        await expect(page.locator("#summary li").first).to_contain_text("change the address")
        await expect(page.locator("#facts")).to_contain_text("by order number and postcode")
        await expect(page.locator("#slots")).to_contain_text("70% sure, ask again")
        await expect(page.locator("#said-last")).to_have_text("can I speak to a person")
        await expect(page.locator("#actions")).to_contain_text("Unsettled")
        await expect(page.locator("#history")).to_contain_text("Where is order 4790?")
        await expect(page.locator("#announce")).to_contain_text("Incoming call from +15550100")
        await expect(page.get_by_role("button", name="Answer")).to_be_visible()
        await page.screenshot(path=tmp_path / "ringing.png")
        assert world.coordinator.events == [TargetRinging()]


async def test_call_is_worked_with_the_keyboard_alone(browser: Browser, world: DeskWorld):
    async with opened(browser, f"{world.url}/desk") as page:
        await in_talk(page, world)
        line = world.coordinator.line
        assert line is not None
        assert world.coordinator.events[1:] == [TargetAnswered(sees_context=True), TargetAccepted()]
        await page.keyboard.press("Alt+m")
        await expect(page.get_by_role("button", name="Mute")).to_have_attribute(
            "aria-pressed", "true"
        )
        await page.keyboard.press("Alt+h")
        await page.locator("#phase", has_text="Caller on hold").wait_for()
        await page.keyboard.press("Alt+h")
        await page.locator("#phase", has_text="On the call").wait_for()
        await page.keyboard.press("Alt+n")
        await page.keyboard.type("Did not settle; called the warehouse.")
        await expect(page.locator("#note-state")).to_have_text("Saved")
        await page.keyboard.press("Alt+e")
        await world.coordinator.until(TargetGone)
        await expect(page.locator("#phase")).to_have_text("Call ended")
        await page.get_by_role("radio", name="Resolved").press("Space")
        await page.keyboard.press("Alt+w")
        await page.locator("#presence:text-is('Ready')").wait_for()
        assert world.actions.notes[-1] == "Did not settle; called the warehouse."
        assert world.actions.dispositions == ["resolved"]


async def test_wrap_up_needs_a_disposition(browser: Browser, world: DeskWorld):
    async with opened(browser, f"{world.url}/desk") as page:
        await in_talk(page, world)
        await page.keyboard.press("Alt+e")
        await page.get_by_role("button", name="Finish").click(force=True)
        await expect(page.locator("#problem")).to_contain_text("Choose how the call ended first")
        await expect(page.locator("#presence")).to_contain_text("Wrap-up")


async def test_declined_offer_is_gone_from_the_screen(browser: Browser, world: DeskWorld):
    async with opened(browser, f"{world.url}/desk") as page:
        await ready(page)
        world.coordinator.offer(recent_context())
        await world.coordinator.until(TargetRinging)
        await page.keyboard.press("Alt+d")
        await world.coordinator.until(TargetDeclined)
        await expect(page.locator("#idle-title")).to_have_text("You are ready")


async def test_transcript_grows_and_leaves_who_scrolled_up_alone(
    browser: Browser, world: DeskWorld
):
    async with opened(browser, f"{world.url}/desk") as page:
        await in_talk(page, world)
        line = world.coordinator.line
        assert line is not None
        for number in range(30):
            line.said("caller" if number % 2 else "agent", f"line {number} of the conversation")
        await expect(page.locator(".line").last).to_contain_text("line 29")
        await expect(page.locator(".line").last).to_be_in_viewport()
        await expect(page.locator(".handed-over")).to_have_count(1)
        await page.locator("#transcript").evaluate("box => { box.scrollTop = 0 }")
        await page.evaluate(until("document.querySelector('#transcript').scrollTop === 0"))
        line.said("caller", "one more thing")
        await expect(page.locator("#latest")).to_be_visible()
        assert await page.locator("#transcript").evaluate("box => box.scrollTop") == 0
        await page.locator("#latest").click()
        await expect(page.locator(".line").last).to_be_in_viewport()


async def test_reload_in_the_call_brings_everything_back(browser: Browser, world: DeskWorld):
    async with opened(browser, f"{world.url}/desk") as page:
        await in_talk(page, world)
        line = world.coordinator.line
        assert line is not None
        line.said("agent", "Hello, this is Dana.")
        await page.locator("#note").fill("half a thought")
        await expect(page.locator("#note-state")).to_have_text("Saved")
        leg = line.leg
        await page.reload()
        await page.locator("#phase", has_text="On the call").wait_for()
        await expect(page.locator("#note")).to_have_value("half a thought")
        await expect(page.locator(".line").last).to_contain_text("Hello, this is Dana.")
        await expect(page.locator("#summary li").first).to_contain_text("change the address")
        assert line.leg is leg
        assert not [event for event in world.coordinator.events if isinstance(event, TargetGone)]
        line.said("caller", "still here")
        await expect(page.locator(".line").last).to_contain_text("still here")


async def test_lost_connection_is_told_and_comes_back_with_what_was_typed(
    browser: Browser, world: DeskWorld
):
    async with opened(browser, f"{world.url}/desk") as page:
        sockets: list[object] = []
        await page.route_web_socket(
            "**/desk/ws", lambda route: sockets.append((route, route.connect_to_server()))
        )
        await page.reload()
        await in_talk(page, world)
        route = sockets[-1]
        assert isinstance(route, tuple)
        await route[0].close(code=1011)
        await expect(page.locator("#connection-lost")).to_be_visible()
        await page.locator("#note").fill("typed in the dark")
        await expect(page.locator("#connection-lost")).to_be_hidden(timeout=SOON_MS)
        await expect(page.locator("#note-state")).to_have_text("Saved")
        assert world.actions.notes[-1] == "typed in the dark"
        await expect(page.locator("#phase")).to_have_text("On the call")


async def test_note_that_could_not_be_saved_is_tried_again(browser: Browser, world: DeskWorld):
    async with opened(browser, f"{world.url}/desk") as page:
        await in_talk(page, world)
        world.actions.failing = RefusedError("the records are away")
        await page.locator("#note").fill("important")
        await expect(page.locator("#note-state")).to_contain_text("trying again")
        await expect(page.locator("#note-state")).to_have_text("Saved")
        assert world.actions.notes == ["important"]


async def test_second_window_takes_the_desk_over(browser: Browser, world: DeskWorld):
    async with (
        opened(browser, f"{world.url}/desk") as first,
        opened(browser, f"{world.url}/desk") as second,
    ):
        await second.locator("#ready-label", has_text="Set ready").wait_for()
        await expect(first.locator("#connection-lost")).to_contain_text("open in another window")
        await ready(second)


async def test_call_is_given_on_and_back(browser: Browser, world: DeskWorld):
    async with opened(browser, f"{world.url}/desk") as page:
        await in_talk(page, world)
        await page.keyboard.press("Alt+t")
        await page.get_by_label("Find, or enter a number").fill("ret")
        await page.keyboard.press("Enter")
        await world.coordinator.until(AgentTransferredOn)
        assert world.coordinator.events[-1] == AgentTransferredOn(target="queue:returns")
        await page.keyboard.press("Alt+b")
        await page.get_by_role("radio", name="Take the payment").check()
        await page.get_by_role("button", name="Return", exact=True).click()
        await world.coordinator.until(CallReturned)
        assert world.coordinator.events[-1] == CallReturned(step="take_payment")
        await expect(page.locator("#wrap-up-text")).to_contain_text("Returned to frontdesk")


async def test_only_a_number_is_left_to_the_phone_system(browser: Browser, world: DeskWorld):
    async with opened(browser, f"{world.url}/desk") as page:
        await in_talk(page, world)
        await page.keyboard.press("Alt+t")
        await page.get_by_label("Returns team").check()
        await expect(page.locator("#transfer-modes")).to_be_hidden()
        await page.get_by_label("Find, or enter a number").fill("+15550199")
        await page.get_by_role("radio", name="leave it to the phone system").check()
        await page.get_by_role("button", name="Transfer", exact=True).click()
        await world.coordinator.until(AgentTransferredOn)
        assert world.coordinator.events[-1] == AgentTransferredOn(
            target="+15550199", mode=TransferMode.ATTENDED
        )


async def test_desk_shows_how_many_wait_and_what_becomes_known(browser: Browser, world: DeskWorld):
    async with opened(browser, f"{world.url}/desk") as page:
        await in_talk(page, world)
        await expect(page.locator("#waiting")).to_have_text("Nobody waits")
        world.desk.queue_changed(2)
        await expect(page.locator("#waiting")).to_have_text("2 callers wait")
        await expect(page.locator("#levels")).to_be_visible()
        line = world.coordinator.line
        assert line is not None
        line.learned(replace(line.offer.context, summary=("They moved to Oak Street.",)))
        await expect(page.locator("#summary")).to_have_text("They moved to Oak Street.")
        await page.reload()
        await expect(page.locator("#summary")).to_have_text("They moved to Oak Street.")
        await expect(page.locator("#waiting")).to_have_text("2 callers wait")


async def test_pending_action_is_approved_from_the_desk(browser: Browser, world: DeskWorld):
    async with opened(browser, f"{world.url}/desk") as page:
        await in_talk(page, world)
        assert world.coordinator.line is not None
        call_id = world.coordinator.line.offer.call_id
        item = PendingAction(id="a1", name="refund", detail="Refund 24.90 to the card")
        world.desk.approvals(call_id, [item])
        await page.get_by_role("button", name="Approve").click()
        await expect(page.locator("#approvals-block")).to_be_hidden()
        assert world.actions.decisions == [("a1", True)]


def floor_of(world: DeskWorld) -> BoardCall:
    """A floor with something of everything."""
    call = BoardCall(
        call_id=uuid4(),
        state="agent",
        caller="+491 ••• 567",
        for_s=192,
        task="change the address on an order",
        agent="Kim Osei",
        sentiment="impatient",
    )
    waiting = BoardCall(call_id=uuid4(), state="waiting", caller="withheld", for_s=63)
    world.floor.live = [call, waiting]
    world.floor.figures = QueueFigures(waiting=1, longest_wait_s=63, service_level=0.76, answered=4)
    world.floor.teams = [
        QueueFigures(name="main", waiting=0, answered=3),
        QueueFigures(name="returns", waiting=1, longest_wait_s=63, service_level=0.5, answered=1),
    ]
    world.floor.pending = [
        BoardApproval(id="a1", name="refund", detail="Refund 24.90", call_id=call.call_id, for_s=9)
    ]
    return call


async def test_supervisor_listens_coaches_and_leaves(
    browser: Browser, world: DeskWorld, tmp_path: Path
):
    call = floor_of(world)
    async with opened(browser, f"{world.url}/supervisor") as page:
        await expect(page.locator("#queue")).to_contain_text("76%")
        await expect(page.locator("#queues tr", has_text="Returns")).to_contain_text("50%")
        row = page.locator("#calls tr", has_text="+491 ••• 567")
        await row.get_by_role("button", name="Listen").click()
        await expect(page.locator("#listening-to")).to_have_text("Listening to +491 ••• 567")
        await row.get_by_role("button", name="Coach").click()
        await expect(page.locator("#listening-mode")).to_have_text("Coach")
        await page.screenshot(path=tmp_path / "board.png")
        await page.keyboard.press("Alt+s")
        await expect(page.locator("#listening")).to_be_hidden()
        assert world.floor.joined == [(call.call_id, "listen"), (call.call_id, "coach")]
        assert world.floor.left == [call.call_id]
        await page.get_by_role("button", name="Refuse").click()
        await world.floor.until_decided()
        assert world.floor.decisions == [("a1", False)]


async def test_who_has_no_right_sees_neither_page_nor_socket(browser: Browser, world: DeskWorld):
    world.signed_in["user"] = replace(AGENT, role=Role.AGENT)
    page = await browser.new_page()
    answer = await page.goto(f"{world.url}/supervisor")
    assert answer is not None
    assert answer.status == 403
    world.signed_in["user"] = None
    answer = await page.goto(f"{world.url}/desk")
    assert answer is not None
    assert "/sign-in?next=/desk" in answer.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 820])
async def test_pages_have_no_serious_fault_for_assistive_technology(
    browser: Browser, world: DeskWorld, scheme: str, width: int, tmp_path: Path
):
    floor_of(world)
    async with opened(browser, f"{world.url}/desk", scheme=scheme, width=width) as page:
        await page.locator("#ready-label", has_text="Set ready").wait_for()
        assert await faults_of(page) == []
        await in_talk(page, world)
        assert world.coordinator.line is not None
        world.coordinator.line.said("agent", "Hello, this is Dana.")
        assert await faults_of(page) == []
        await page.screenshot(path=tmp_path / f"talk-{scheme}-{width}.png")
        await page.keyboard.press("Alt+t")
        await page.get_by_label("Returns team").wait_for()
        assert await faults_of(page) == []
        await page.keyboard.press("Escape")
        await page.keyboard.press("Alt+e")
        await page.get_by_role("button", name="Finish").wait_for()
        assert await faults_of(page) == []
        overflow = "document.documentElement.scrollWidth - innerWidth"
        assert await page.evaluate(overflow) <= 0
    async with opened(browser, f"{world.url}/supervisor", scheme=scheme, width=width) as page:
        await page.locator("#calls tr").first.wait_for()
        assert await faults_of(page) == []
