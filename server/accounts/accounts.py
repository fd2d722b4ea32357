"""The accounts: sign-in and sign-out, whose session it is, and what belongs to being somebody."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn

from actions.database import Connection
from actions.sql import MigrationError
from server.accounts.administration import Administration
from server.accounts.audit import Audit, AuditEvent, append
from server.accounts.database import AccountsDatabase
from server.accounts.errors import SignInRefusedError, TooManyAttemptsError
from server.accounts.identities import Identities
from server.accounts.passwords import Checked, Passwords
from server.accounts.sessions import SessionLimits, Sessions
from server.accounts.store import SQL
from server.accounts.throttle import FORGOTTEN_AFTER_S, Subject, account, address, subjects
from server.accounts.users import Actor, User, normal_login, user_from_row
from server.config import AccountsConfig
from server.records.errors import RecordsSetupError

_LONGEST_LOGIN: Final = 64  # as checked_login has it
_UNKNOWN: Final = "unknown"  # who tried to sign in, when it is nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    user: User
    token: str  # for the browser, and nobody else


class Accounts:
    """Open with `Accounts.open`; every method may raise RecordsUnavailableError."""

    def __init__(
        self,
        database: AccountsDatabase,
        config: AccountsConfig,
        *,
        sip_realm: str,
        passwords: Passwords | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database, self._clock = database, clock
        self._passwords = passwords or Passwords(min_characters=config.min_password)
        self._sessions = Sessions(
            database, SessionLimits(idle_s=config.session_idle_s, max_s=config.session_max_s)
        )
        self.session_max_s = config.session_max_s
        self.audit = Audit(database)
        self.administration = Administration(
            database, self._passwords, self._sessions, sip_realm=sip_realm, clock=clock
        )
        self.identities = Identities(database, self._sessions, clock=clock)

    @classmethod
    async def open(cls, dsn: str, config: AccountsConfig, *, sip_realm: str) -> "Accounts":
        """Make or upgrade the tables.

        Args:
            sip_realm: for which the passwords of agents' SIP phones are kept: the registrar's.

        Raises:
            RecordsSetupError: the database's URL is none, or its tables are newer.
            RecordsUnavailableError: the database does not answer.
        """
        try:
            database = AccountsDatabase(dsn)
        except ValueError as error:
            raise RecordsSetupError(f"DATABASE_URL cannot be read: {error}") from error
        try:
            await database.prepare()
        except MigrationError as error:
            await database.close()
            raise RecordsSetupError(str(error)) from error
        except BaseException:
            await database.close()
            raise
        return cls(database, config, sip_realm=sip_realm)

    async def close(self) -> None:
        await self._database.close()

    async def sign_in(
        self, login: str, password: str, *, from_address: str, old_token: str | None = None
    ) -> SignedIn:
        """Open a session.

        Args:
            old_token: what the browser came with; that session ends, and is never taken over.

        Raises:
            SignInRefusedError: it does not fit.
            TooManyAttemptsError: this account or this address rests.
        """
        login = normal_login(login)
        counted = subjects(login, from_address)
        await self._count(counted)
        user, kept = await self._find(login)
        checked = await self._passwords.check(password, kept)
        if user is None or not checked.right or not user.active:
            await self._refuse(user, from_address)
        return await self._admit(user, checked, from_address, old_token)

    async def user_of(self, token: str) -> User | None:
        """Whose session this is, None when it is nobody's any more; counts as use."""
        return await self._sessions.user_of(token, self._clock())

    async def sign_out(self, token: str, *, from_address: str) -> None:
        """End the session; again does nothing."""
        async with self._database.changing() as connection:
            user = await self._sessions.end(connection, token)
            if user is not None:
                event = AuditEvent(kind="signed_out", actor=Actor.of(user, from_address))
                await append(connection, event, self._clock())

    async def change_own_password(
        self, user: User, current: str, new: str, *, from_address: str
    ) -> str:
        """Set the password of whoever knows the current one; ends every session of theirs.

        Returns:
            The token of a new session.

        Raises:
            SignInRefusedError: the current password does not fit.
            TooManyAttemptsError: it was tried too often.
            InvalidUserError: the new one is too weak.
        """
        await self._count(subjects(user.login, from_address))
        _, kept = await self._find(user.login)
        if not (await self._passwords.check(current, kept)).right:
            await self._refuse(user, from_address)
        hashed = await self._passwords.hash(new, login=user.login)
        now = self._clock()
        async with self._database.changing() as connection:
            await self._give_back(connection, user.login, from_address)
            await connection.execute(SQL["set_password"], user.id, hashed)
            await self._sessions.end_all_of(connection, user)
            event = AuditEvent(
                kind="password_set", actor=Actor.of(user, from_address), subject=user.key
            )
            await append(connection, event, now)
            return await self._sessions.open(connection, user, from_address, now)

    async def _find(self, login: str) -> tuple[User | None, str | None]:
        """A user, and the password hash that is kept of them."""
        if not 0 < len(login) <= _LONGEST_LOGIN or not login.isascii() or "\x00" in login:
            return None, None  # nobody is called so
        async with self._database.reading() as connection:
            row = await connection.fetchrow(SQL["user_by_login"], login)
        return (user_from_row(row), row["password_hash"]) if row else (None, None)

    async def _refuse(self, user: User | None, from_address: str) -> NoReturn:
        """Never the name that was typed: it may have been the password.

        Raises:
            SignInRefusedError: always.
        """
        key = user.key if user else ""
        actor = Actor(key=_UNKNOWN, name=_UNKNOWN, address=from_address)
        event = AuditEvent(kind="sign_in_failed", actor=actor, subject=key)
        await self.audit.write(event, self._clock())
        raise SignInRefusedError("name and password do not fit")

    async def _admit(
        self, user: User, checked: Checked, from_address: str, old_token: str | None
    ) -> SignedIn:
        now = self._clock()
        async with self._database.changing() as connection:
            await self._give_back(connection, user.login, from_address)
            if checked.fresh_hash:
                await connection.execute(SQL["set_password"], user.id, checked.fresh_hash)
            if old_token:
                await self._sessions.end(connection, old_token)
            token = await self._sessions.open(connection, user, from_address, now)
            event = AuditEvent(kind="signed_in", actor=Actor.of(user, from_address))
            await append(connection, event, now)
        return SignedIn(user=user, token=token)

    async def _count(self, counted: Sequence[Subject]) -> None:
        """
        Raises:
            TooManyAttemptsError: one of them rests; nothing is counted.
        """
        now = self._clock()
        forgotten = now - timedelta(seconds=FORGOTTEN_AFTER_S)
        async with self._database.changing() as connection:
            for subject in counted:
                failures = await connection.fetchval(
                    SQL["count_attempt"], subject.key, now, forgotten
                )
                if failures is None:
                    until = await connection.fetchval(SQL["rests_until"], subject.key)
                    raise TooManyAttemptsError(max(1, round((until - now).total_seconds())))
                if rest_s := subject.rest_s(failures):
                    until = now + timedelta(seconds=rest_s)
                    await connection.execute(SQL["rest"], subject.key, until)

    async def _give_back(self, connection: Connection, login: str, from_address: str) -> None:
        now = self._clock()
        office = address(from_address).key
        await connection.execute(SQL["give_back_attempt"], office, now)
        await connection.execute(SQL["forget_attempts_of"], account(login).key)
        forgotten = now - timedelta(seconds=FORGOTTEN_AFTER_S)
        await connection.execute(SQL["forget_attempts"], forgotten)
