"""The sign-in page in a real browser: by hand, by keyboard, without a database behind it."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, async_playwright, expect

from server.accounts.rights import Role
from server.web import serving
from tests.fakes.accounts import PASSWORD, AccountsWorld, accounts_world
from tests.interop.conftest import peer

pytestmark = pytest.mark.interop


@dataclass
class Visit:
    page: Page
    world: AccountsWorld
    errors: list[str]
    url: str


@pytest.fixture(params=["light", "dark"])
async def visit(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path
) -> AsyncGenerator[Visit]:
    async with (
        accounts_world(database_url, tmp_path) as world,
        serving(world.app, "127.0.0.1", 0) as url,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(
            executable_path=peer("chromium"), args=["--no-sandbox"]
        )
        page = await browser.new_page(
            color_scheme=request.param, viewport={"width": 768, "height": 700}
        )
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        yield Visit(page=page, world=world, errors=errors, url=url)
        await browser.close()


async def check_accessible(page: Page) -> None:
    response = cast(dict[str, Any], (await Axe().run(page)).response)
    violations = response["violations"]
    assert not violations, json.dumps(violations, indent=1)[:2000]


async def type_in(page: Page, login: str, password: str) -> None:
    await page.get_by_label("Name").fill(login)
    await page.get_by_label("Password", exact=True).fill(password)
    await page.keyboard.press("Enter")


async def test_a_person_signs_in_sees_who_they_are_and_signs_out(visit: Visit) -> None:
    page = visit.page
    await page.goto(f"{visit.url}/sign-in")
    await expect(page.get_by_label("Name")).to_be_focused()
    await check_accessible(page)
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Enter your name.")).to_be_visible()
    await check_accessible(page)
    await type_in(page, "auditor", PASSWORD)
    await expect(page.get_by_text("You are signed in as Auditor.")).to_be_visible()
    await check_accessible(page)
    await page.reload()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Name")).to_be_visible()
    assert visit.errors == []


async def test_a_wrong_password_is_told_in_words_and_the_field_waits(visit: Visit) -> None:
    page = visit.page
    await page.goto(f"{visit.url}/sign-in?problem=late")
    await expect(page.get_by_role("alert")).to_contain_text("took too long")
    for _ in range(5):
        await type_in(page, "agent", "wrong")
        await expect(page.get_by_role("alert")).to_have_text("Name and password do not fit.")
    await expect(page.get_by_label("Password", exact=True)).to_be_focused()
    await type_in(page, "agent", PASSWORD)
    await expect(page.get_by_role("alert")).to_have_text(
        "Too many attempts. Try again in a second."
    )
    await check_accessible(page)


async def test_who_was_sent_here_is_led_on_within_this_site_only(visit: Visit) -> None:
    page = visit.page
    await page.goto(f"{visit.url}/sign-in?next=/healthz%3Ffrom%3Ddesk")
    await type_in(page, Role.AGENT.value, PASSWORD)
    await page.wait_for_url("**/healthz?from=desk")
    for elsewhere in ("//evil.example/", "https://evil.example/", "/\\evil.example"):
        await page.goto(f"{visit.url}/sign-in?next={elsewhere}")
        await expect(page.get_by_text("You are signed in as Agent.")).to_be_visible()
