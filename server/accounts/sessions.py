"""Sessions: a random token in the browser, its hash in the database, a user behind it.

A token has 256 random bits, so that a plain hash of it cannot be searched. A session ends when it
is idle for long, after a shift, at sign-out, and when its user is shut or gets another password.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from actions.database import Connection
from server.accounts.database import AccountsDatabase
from server.accounts.store import SQL
from server.accounts.users import User, user_from_row

_TOKEN_BYTES: Final = 32
_TOUCH_S: Final = 60.0  # how exact "idle" is: a write per request would be for nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    idle_s: float
    max_s: float


def new_token() -> str:
    return secrets.token_urlsafe(_TOKEN_BYTES)


def token_hash(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()


class Sessions:
    """Every method may raise RecordsUnavailableError."""

    def __init__(self, database: AccountsDatabase, limits: SessionLimits) -> None:
        self._database, self._limits = database, limits

    async def open(self, connection: Connection, user: User, address: str, now: datetime) -> str:
        """A new session's token, within the transaction of the sign-in."""
        await connection.execute(SQL["forget_sessions"], *self._oldest(now))
        token = new_token()
        await connection.execute(SQL["open_session"], token_hash(token), user.id, address, now)
        return token

    async def user_of(self, token: str, now: datetime) -> User | None:
        """Whose session this is, None when it is nobody's any more; counts as use."""
        hashed = token_hash(token)
        async with self._database.reading() as connection:
            row = await connection.fetchrow(SQL["session_user"], hashed, *self._oldest(now))
            if row is None:
                return None
            if now - row["used_at"] > timedelta(seconds=_TOUCH_S):
                await connection.execute(SQL["session_used"], hashed, now)
        return user_from_row(row)

    async def end(self, connection: Connection, token: str) -> User | None:
        """End one session; whose it was."""
        row = await connection.fetchrow(SQL["end_session"], token_hash(token))
        return user_from_row(row) if row else None

    async def end_all_of(self, connection: Connection, user: User) -> None:
        await connection.execute(SQL["end_sessions_of"], user.id)

    def _oldest(self, now: datetime) -> tuple[datetime, datetime]:
        """What a session must have been used and opened after."""
        return (
            now - timedelta(seconds=self._limits.idle_s),
            now - timedelta(seconds=self._limits.max_s),
        )
