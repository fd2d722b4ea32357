"""The HTTP side with real accounts on a real database, at a time that tests move."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI
from pydantic import SecretStr

from server.accounts.access import Access, Site
from server.accounts.accounts import Accounts
from server.accounts.database import AccountsDatabase
from server.accounts.oidc import OidcProvider
from server.accounts.passwords import Passwords
from server.accounts.rights import USER_ROLES, Role
from server.accounts.users import Actor, User, UserFacts
from server.config import AccountsConfig, OidcConfig
from server.feed import Feed
from server.handoff.vcon_export import VconExport
from server.http import HttpPorts, make_app
from server.observability import Metrics
from server.records.records import Records

ORIGIN = "http://127.0.0.1"
TOKEN = "machine-token"
PASSWORD = "correct horse battery"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
TESTER = Actor(key="command_line", name="tester", address="local")


@dataclass
class WallClock:
    now: datetime = field(default_factory=lambda: datetime(2025, 3, 1, 9, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class AccountsWorld:
    app: FastAPI
    access: Access
    accounts: Accounts
    records: Records
    feed: Feed
    clock: WallClock
    users: Mapping[Role, User]
    url: str
    parts: AsyncExitStack

    async def browser(self, address: str = "192.0.2.1", **headers: str) -> httpx.AsyncClient:
        """A browser that shows a page of ours; headers given replace what it sends of itself."""
        return await self.parts.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(self.app, client=(address, 50_000)),
                base_url=ORIGIN,
                headers={"Origin": ORIGIN, **headers},
            )
        )

    async def signed_in(self, role: Role) -> httpx.AsyncClient:
        browser = await self.browser()
        answer = await sign_in(browser, role.value)
        assert answer.status_code == 200, answer.text
        return browser

    async def machine(self) -> httpx.AsyncClient:
        browser = await self.browser(Authorization=f"Bearer {TOKEN}")
        del browser.headers["Origin"]
        return browser


async def sign_in(
    browser: httpx.AsyncClient, login: str, password: str = PASSWORD
) -> httpx.Response:
    return await browser.post("/v1/session", json={"login": login, "password": password})


@asynccontextmanager
async def accounts_world(
    database_url: str,
    folder: Path,
    *,
    oidc: OidcConfig | None = None,
    feed: Feed | None = None,
) -> AsyncGenerator[AccountsWorld]:
    """One user of every role, called like it; nobody is signed in."""
    async with AsyncExitStack() as parts:
        records = await Records.open(database_url, folder / "spool")
        parts.push_async_callback(records.close)
        clock = WallClock()
        accounts = Accounts(
            AccountsDatabase(database_url),
            AccountsConfig(),
            sip_realm="frontdesk",
            passwords=Passwords(min_characters=12, hasher=CHEAP),
            clock=clock,
        )
        parts.push_async_callback(accounts.close)
        users = {
            role: await accounts.administration.add(
                role.value, UserFacts(name=role.title(), role=role), password=PASSWORD, by=TESTER
            )
            for role in USER_ROLES
        }
        access = Access(accounts, token=SecretStr(TOKEN), site=Site(public_url=None))
        feed = feed or Feed()

        async def health() -> Mapping[str, str]:
            return {"database": "ok"}

        provider = OidcProvider(oidc) if oidc else None
        if provider:
            parts.push_async_callback(provider.close)
        vcons = VconExport(
            records, accounts.administration.users, host="desk.example.com", site=None
        )
        ports = HttpPorts(health=health, metrics=Metrics(), records=records, feed=feed, vcons=vcons)
        yield AccountsWorld(
            app=make_app(ports, access, oidc=provider),
            access=access,
            accounts=accounts,
            records=records,
            feed=feed,
            clock=clock,
            users=users,
            url=database_url,
            parts=parts,
        )
