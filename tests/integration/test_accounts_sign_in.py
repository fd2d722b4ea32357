"""Signing in and out: passwords, sessions, cookies, and what other sites can do with them."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest
import websockets
from fastapi import WebSocket

from actions.database import Database
from server.accounts.access import FORBIDDEN, UNAUTHORISED
from server.accounts.rights import Right, Role
from server.accounts.sessions import token_hash
from server.web import serving
from tests.fakes.accounts import (
    PASSWORD,
    TESTER,
    TOKEN,
    AccountsWorld,
    accounts_world,
    sign_in,
)


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncGenerator[AccountsWorld]:
    async with accounts_world(database_url, tmp_path) as world:
        yield world


async def is_known(browser: httpx.AsyncClient) -> bool:
    return (await browser.get("/v1/me")).status_code == 200


async def kinds(world: AccountsWorld) -> list[str]:
    return [entry.kind for entry in await world.accounts.audit.entries()]


async def test_whoever_signed_in_is_known_until_they_sign_out(world: AccountsWorld) -> None:
    browser = await world.browser()
    assert not await is_known(browser)
    answer = await sign_in(browser, " Agent ")
    assert answer.json()["rights"] == ["see_own_calls", "take_calls"]
    assert await is_known(browser)
    stolen = browser.cookies["frontdesk"]
    assert (await browser.delete("/v1/session")).status_code == 204
    assert not await is_known(browser)
    assert not await is_known(await world.browser(Cookie=f"frontdesk={stolen}"))
    assert (await kinds(world))[:2] == ["signed_out", "signed_in"]


async def test_the_cookie_is_kept_from_scripts_other_sites_and_plain_networks(
    world: AccountsWorld,
) -> None:
    here = (await sign_in(await world.browser(), "agent")).headers["Set-Cookie"]
    assert "HttpOnly" in here
    assert "SameSite=strict" in here
    assert "Secure" not in here  # on this machine there is no network to listen on
    away = await world.browser(Host="desk.example.com", Origin="https://desk.example.com")
    cookie = (await sign_in(away, "agent")).headers["Set-Cookie"]
    assert cookie.startswith("__Host-frontdesk=")
    assert "Secure" in cookie


async def test_the_database_does_not_know_the_token(world: AccountsWorld) -> None:
    browser = await world.signed_in(Role.AGENT)
    token = browser.cookies["frontdesk"]
    database = Database(world.url)
    async with database.connection(5) as connection:
        row = await connection.fetchrow("SELECT * FROM sessions")
    await database.close()
    assert row is not None
    assert row["token_hash"] == token_hash(token)
    assert token not in str(dict(row))


@pytest.mark.parametrize(
    ("login", "password"),
    [("agent", "wrong"), ("nobody", PASSWORD), ("", ""), ("a\x00", PASSWORD)],
)
async def test_what_does_not_fit_is_refused_without_saying_why(
    world: AccountsWorld, login: str, password: str
) -> None:
    answer = await sign_in(await world.browser(), login, password)
    assert (answer.status_code, answer.json()) == (401, {"detail": "name and password do not fit"})
    entry = (await world.accounts.audit.entries(limit=1))[0]
    assert entry.kind == "sign_in_failed"
    assert not login or login not in str(entry)  # people type passwords there


async def test_an_account_rests_after_five_attempts_and_longer_each_time(
    world: AccountsWorld,
) -> None:
    browser, rests = await world.browser(), list[int]()
    for _ in range(4):
        assert (await sign_in(browser, "agent", "wrong")).status_code == 401
    for _ in range(4):
        assert (await sign_in(browser, "agent", "wrong")).status_code == 401
        answer = await sign_in(browser, "agent")  # the right password, unseen
        assert answer.status_code == 429
        rests.append(int(answer.headers["Retry-After"]))
        world.clock.pass_s(rests[-1])
    assert rests == [1, 2, 4, 8]
    assert (await sign_in(browser, "agent")).status_code == 200
    assert (await sign_in(browser, "agent", "wrong")).status_code == 401
    assert (await sign_in(browser, "agent")).status_code == 200  # forgotten with the success


async def test_a_name_that_nobody_has_rests_as_well(world: AccountsWorld) -> None:
    browser = await world.browser()
    answers = [(await sign_in(browser, "nobody", "x")).status_code for _ in range(6)]
    assert answers == [401] * 5 + [429]


async def test_an_address_rests_whatever_names_it_tries(world: AccountsWorld) -> None:
    attacker = await world.browser("2001:db8::1")
    answers = [(await sign_in(attacker, f"name{n}", "x")).status_code for n in range(31)]
    assert answers == [401] * 30 + [429]
    neighbour = await world.browser("2001:db8::2")  # the same site: addresses cost nothing there
    assert (await sign_in(neighbour, "agent")).status_code == 429
    assert (await sign_in(await world.browser("192.0.2.9"), "agent")).status_code == 200


async def test_attempts_at_once_are_no_better_than_one_after_the_other(
    world: AccountsWorld,
) -> None:
    browser = await world.browser()
    answers = await asyncio.gather(*(sign_in(browser, "agent", f"guess {n}") for n in range(20)))
    assert [answer.status_code for answer in answers].count(401) == 5


async def test_a_session_that_was_planted_is_never_taken_over(world: AccountsWorld) -> None:
    attacker = await world.signed_in(Role.AGENT)
    planted = attacker.cookies["frontdesk"]
    victim = await world.browser()
    victim.cookies.set("frontdesk", planted, domain="127.0.0.1")
    answer = await sign_in(victim, "admin")
    assert planted not in answer.headers["Set-Cookie"]
    assert not await is_known(await world.browser(Cookie=f"frontdesk={planted}"))


async def test_a_session_ends_when_it_is_idle_and_after_a_shift(world: AccountsWorld) -> None:
    browser = await world.signed_in(Role.AGENT)
    world.clock.pass_s(3500)
    assert await is_known(browser)
    world.clock.pass_s(3500)
    assert await is_known(browser)  # it was used
    world.clock.pass_s(3601)
    assert not await is_known(browser)
    browser = await world.signed_in(Role.AGENT)
    for _ in range(12):
        assert await is_known(browser)
        world.clock.pass_s(3600 - 1)
    world.clock.pass_s(12)
    assert not await is_known(browser)


async def test_a_new_password_ends_every_session_but_the_one_that_set_it(
    world: AccountsWorld,
) -> None:
    browser, other = await world.signed_in(Role.AGENT), await world.signed_in(Role.AGENT)
    form = {"current": PASSWORD, "new": "another long password"}
    assert (await browser.post("/v1/me/password", json=form)).status_code == 200
    assert await is_known(browser)
    assert not await is_known(other)
    assert (await sign_in(other, "agent")).status_code == 401
    assert (await sign_in(other, "agent", form["new"])).status_code == 200


async def test_a_session_alone_changes_no_password(world: AccountsWorld) -> None:
    browser = await world.signed_in(Role.AGENT)
    form = {"current": "guess", "new": "another long password"}
    assert (await browser.post("/v1/me/password", json=form)).status_code == 401
    assert (await sign_in(await world.browser(), "agent")).status_code == 200


@pytest.mark.parametrize("change", [{"active": False}, {"role": "auditor"}])
async def test_whoever_is_shut_or_gets_another_role_is_signed_out(
    world: AccountsWorld, change: dict[str, object]
) -> None:
    agent, admin = await world.signed_in(Role.AGENT), await world.signed_in(Role.ADMIN)
    path = f"/v1/users/{world.users[Role.AGENT].id}"
    assert (await admin.patch(path, json=change)).status_code == 200
    assert not await is_known(agent)
    expected = 401 if "active" in change else 200
    assert (await sign_in(agent, "agent")).status_code == expected


async def test_a_changed_role_is_in_the_audit_with_both(world: AccountsWorld) -> None:
    admin = await world.signed_in(Role.ADMIN)
    path = f"/v1/users/{world.users[Role.AGENT].id}"
    await admin.patch(path, json={"role": "supervisor"})
    entry = (await world.accounts.audit.entries(limit=1))[0]
    assert (entry.kind, entry.actor_name) == ("role_changed", "admin")
    assert entry.detail == {"from": "agent", "to": "supervisor"}


async def test_an_admin_does_not_shut_themselves_out(world: AccountsWorld) -> None:
    admin = await world.signed_in(Role.ADMIN)
    path = f"/v1/users/{world.users[Role.ADMIN].id}"
    for change in ({"active": False}, {"role": "agent"}):
        assert (await admin.patch(path, json=change)).status_code == 422
    assert await is_known(admin)


async def test_a_password_hashed_as_in_the_past_is_hashed_anew(world: AccountsWorld) -> None:
    from argon2 import PasswordHasher

    old = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash(PASSWORD)
    database = Database(world.url)
    async with database.connection(5) as connection:
        await connection.execute("UPDATE users SET password_hash = $1", old)
        assert (await sign_in(await world.browser(), "agent")).status_code == 200
        kept = await connection.fetchval("SELECT password_hash FROM users WHERE login = 'agent'")
    await database.close()
    assert ",t=1," in kept.replace("$", ",")
    assert (await sign_in(await world.browser(), "agent")).status_code == 200


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://127.0.0.1:81", "null", "", "http://127.0.0.1.evil.example"],
)
async def test_a_page_of_another_site_changes_nothing(world: AccountsWorld, origin: str) -> None:
    admin = await world.signed_in(Role.ADMIN)
    admin.headers["Origin"] = origin
    body = {"login": "mallory", "name": "M", "role": "admin", "password": PASSWORD}
    assert (await admin.post("/v1/users", json=body)).status_code == 403
    assert (await sign_in(admin, "admin")).status_code == 403
    assert (await admin.delete("/v1/session")).status_code == 403
    assert len(await world.accounts.administration.users()) == 4


async def test_a_network_without_tls_is_told_what_is_missing(world: AccountsWorld) -> None:
    browser = await world.browser(Host="192.168.1.5:8080", Origin="http://192.168.1.5:8080")
    answer = await sign_in(browser, "agent")
    assert answer.status_code == 403
    assert "HTTPS" in answer.json()["detail"]


async def test_a_weak_password_or_an_odd_user_is_refused_with_the_fix(
    world: AccountsWorld,
) -> None:
    admin = await world.signed_in(Role.ADMIN)
    good = {"login": "carol", "name": "Carol", "role": "agent", "password": PASSWORD}
    for change, fix in [
        ({"password": "short"}, "12 to 256"),
        ({"password": "carol carol carol"}, "login name"),
        ({"role": "machine"}, "agent, supervisor"),
        ({"login": "no spaces"}, "letters"),
        ({"login": "agent"}, "somebody else"),
        ({"extension": "201"}, "phone password"),
        ({"skills": {"orders": 9}}, "levels 1 to 5"),
    ]:
        answer = await admin.post("/v1/users", json={**good, **change})
        assert answer.status_code == 422, change
        assert fix in answer.json()["detail"]
    phone = {"extension": "201", "phone_password": "a phone's own secret"}
    answer = await admin.post("/v1/users", json={**good, **phone})
    assert answer.status_code == 201
    assert "secret" not in answer.text
    [found] = await world.accounts.administration.phones("201")
    assert found.ha1.keys() == {"MD5", "SHA-256"}


# --- WebSockets -----------------------------------------------------------------------------------


async def close_code(url: str, **headers: str) -> int | None:
    """What the socket is closed with; None: it is let in."""
    async with websockets.connect(url, additional_headers=headers) as socket:
        try:
            assert await socket.recv() == "welcome"
        except websockets.ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006
    return None


async def test_a_websocket_needs_a_session_its_right_and_a_page_of_ours(
    world: AccountsWorld,
) -> None:
    @world.app.websocket("/ws")
    async def door(ws: WebSocket) -> None:  # pyright: ignore[reportUnusedFunction]
        user = await world.access.websocket_user(ws, Right.SUPERVISE)
        if user is not None:
            await ws.accept()
            await ws.send_text("welcome")
            await ws.receive()

    agent = (await world.signed_in(Role.AGENT)).cookies["frontdesk"]
    supervisor = (await world.signed_in(Role.SUPERVISOR)).cookies["frontdesk"]
    async with serving(world.app, "127.0.0.1", 0) as http:
        url = http.replace("http", "ws") + "/ws"
        assert await close_code(url, Origin=http) == UNAUTHORISED
        assert await close_code(url, Authorization=f"Bearer {TOKEN}") == FORBIDDEN
        mine = {"Cookie": f"frontdesk={supervisor}"}
        assert await close_code(url, Origin=http, **mine) is None
        assert await close_code(url, Origin="https://evil.example", **mine) == UNAUTHORISED
        assert await close_code(url, **mine) == UNAUTHORISED
        assert await close_code(url, Origin=http, Cookie=f"frontdesk={agent}") == FORBIDDEN


async def test_what_was_shut_at_the_command_line_is_shut_at_once(world: AccountsWorld) -> None:
    agent = await world.signed_in(Role.AGENT)
    await world.accounts.administration.set_password(
        world.users[Role.AGENT].id, "set by the command line", by=TESTER
    )
    assert not await is_known(agent)
