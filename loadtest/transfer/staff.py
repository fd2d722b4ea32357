"""Accounts for scripted agents, made over the accounts' doors by an admin of that server."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from loadtest.transfer.desk import signed_in
from loadtest.transfer.errors import AgentError

_AT_ONCE: Final = 4  # passwords are hashed with care, which takes the server's time


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Somebody who can sign in."""

    login: str
    password: str


async def hire(
    url: str, admin: Login, names: Sequence[str], *, role: str = "agent", skill: str = "orders"
) -> list[Login]:
    """Make a user of each name, with a password of its own.

    Raises:
        AgentError: the admin cannot sign in, or may not do this.
    """
    client = await signed_in(url, admin.login, admin.password)
    room = asyncio.Semaphore(_AT_ONCE)

    async def make(name: str) -> Login:
        login = Login(login=name, password=secrets.token_urlsafe(18))
        async with room:
            answer = await client.post(
                "/v1/users",
                json={
                    "login": name,
                    "name": name,
                    "role": role,
                    "skills": {skill: 1},
                    "password": login.password,
                },
            )
        if answer.is_error:
            raise AgentError(f"no user {name}: {answer.status_code} {answer.text[:200]}")
        return login

    try:
        return list(await asyncio.gather(*map(make, names)))
    finally:
        await client.aclose()
