"""Signing in by an identity provider that really signs, over real sockets."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import RSAKey
from pydantic import SecretStr

from server.accounts.rights import Role
from server.config import OidcConfig
from tests.fakes.accounts import AccountsWorld, accounts_world
from tests.fakes.oidc_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    OidcProviderForTests,
    oidc_provider,
)


@pytest.fixture
async def provider() -> AsyncGenerator[OidcProviderForTests]:
    async with oidc_provider() as provider:
        yield provider


@pytest.fixture
async def world(
    database_url: str, tmp_path: Path, provider: OidcProviderForTests
) -> AsyncGenerator[AccountsWorld]:
    config = OidcConfig(
        issuer=provider.url,
        client_id=CLIENT_ID,
        client_secret=SecretStr(CLIENT_SECRET),
        role_claim="realm_access.roles",
        roles={"desk-leads": "supervisor", "desk-agents": "agent"},
    )
    async with accounts_world(database_url, tmp_path, oidc=config) as world:
        yield world


async def way_back(browser: httpx.AsyncClient) -> str:
    """Go to the provider; the path and query it sends the browser back to."""
    away = await browser.get("/v1/oidc/login")
    assert away.status_code == 303
    cookie = away.headers["Set-Cookie"]
    assert "SameSite=lax" in cookie  # it must come along when the provider sends us back
    assert "HttpOnly" in cookie
    async with httpx.AsyncClient() as outside:
        back = await outside.get(away.headers["Location"])
    parts = urlsplit(back.headers["Location"])
    return f"{parts.path}?{parts.query}"


async def signed_in(browser: httpx.AsyncClient) -> httpx.Response:
    return await browser.get(await way_back(browser))


async def known(browser: httpx.AsyncClient) -> Any:
    return (await browser.get("/v1/session")).json()["user"]


async def test_the_first_sign_in_makes_a_user_with_the_role_of_the_claim(
    world: AccountsWorld,
) -> None:
    browser = await world.browser()
    answer = await signed_in(browser)
    assert 'url=/sign-in"' in answer.text
    user = await known(browser)
    assert (user["login"], user["name"], user["role"]) == ("dana", "Dana D", "agent")
    assert (await browser.post("/v1/me/password", json={"current": "", "new": "x"})).is_error
    again = await world.browser()
    await signed_in(again)
    assert (await known(again))["id"] == user["id"]


async def test_a_role_changed_at_the_provider_holds_from_the_next_sign_in(
    world: AccountsWorld, provider: OidcProviderForTests
) -> None:
    first, second = await world.browser(), await world.browser()
    await signed_in(first)
    provider.claims["realm_access"] = {"roles": ["desk-leads"]}
    await signed_in(second)
    assert (await known(second))["role"] == "supervisor"
    assert await known(first) is None  # with the rights of before
    assert "role_changed" in [entry.kind for entry in await world.accounts.audit.entries()]


async def refused(world: AccountsWorld, problem: str) -> None:
    browser = await world.browser()
    answer = await signed_in(browser)
    assert f"/sign-in?problem={problem}" in answer.text
    assert await known(browser) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "replayed"},
        {"aud": "another client"},
        {"aud": [CLIENT_ID, "another"]},
        {"azp": "another client"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"sub": None},
    ],
)
async def test_a_token_that_is_not_for_this_sign_in_admits_nobody(
    world: AccountsWorld, provider: OidcProviderForTests, wrong: dict[str, Any]
) -> None:
    provider.overrides = wrong
    await refused(world, "provider")


async def test_a_token_signed_by_somebody_else_admits_nobody(
    world: AccountsWorld, provider: OidcProviderForTests
) -> None:
    provider.signs_with = RSAKey.generate_key(2048, {"kid": "one"})
    await refused(world, "provider")


async def test_who_has_no_role_or_was_not_let_in_or_is_shut_stays_out(
    world: AccountsWorld, provider: OidcProviderForTests
) -> None:
    await signed_in(await world.browser())
    dana = await world.accounts.administration.user_named("dana")
    admin = await world.signed_in(Role.ADMIN)
    await admin.patch(f"/v1/users/{dana.id}", json={"active": False})
    await refused(world, "shut")
    provider.claims["realm_access"] = {"roles": ["staff"]}
    await refused(world, "role")
    provider.refuses = True
    await refused(world, "refused")


async def test_an_account_made_here_is_not_taken_over_by_its_namesake(
    world: AccountsWorld, provider: OidcProviderForTests
) -> None:
    provider.claims["preferred_username"] = "admin"
    await refused(world, "name")


async def test_the_way_back_works_once_and_only_where_it_began(world: AccountsWorld) -> None:
    browser, victim = await world.browser(), await world.browser()
    back = await way_back(browser)
    assert "problem=late" in (await victim.get(back)).text  # a link that an attacker sends
    assert await known(victim) is None
    await way_back(victim)
    assert "problem=late" in (await victim.get(back)).text  # and with a sign-in of their own begun
    assert await known(victim) is None
    assert parse_qs(urlsplit(back).query).keys() == {"code", "state"}
    await browser.get(back)
    assert await known(browser) is not None
    assert "problem=late" in (await browser.get(back)).text


async def test_a_sign_in_that_takes_too_long_is_begun_anew(world: AccountsWorld) -> None:
    browser = await world.browser()
    back = await way_back(browser)
    world.clock.pass_s(601)
    assert "problem=late" in (await browser.get(back)).text


async def test_without_a_provider_there_is_no_such_door(database_url: str, tmp_path: Path) -> None:
    async with accounts_world(database_url, tmp_path) as world:
        browser = await world.browser()
        assert (await browser.get("/v1/oidc/login")).status_code == 404
        assert (await browser.get("/v1/session")).json() == {"user": None, "provider": None}
