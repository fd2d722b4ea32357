"""Users made, changed and shut, by an admin or at the command line; each of it is audited."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from server.accounts.audit import AuditEvent, append
from server.accounts.database import AccountsDatabase
from server.accounts.errors import InvalidUserError, NoSuchUserError
from server.accounts.passwords import Passwords
from server.accounts.sessions import Sessions
from server.accounts.store import SQL, find_user, insert_user, update_user
from server.accounts.users import (
    Actor,
    User,
    UserFacts,
    checked_login,
    normal_login,
    user_from_row,
)
from telephony.sip.digest import ALGORITHMS, hash_password

_PHONE_PASSWORD_LENGTHS: Final = range(12, 129)  # phones are tried from everywhere, day and night


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """An agent's SIP phone, as a registrar needs to know it."""

    user_id: UUID
    extension: str
    ha1: Mapping[str, str]  # digest algorithm -> H(extension:realm:password)


class Administration:
    """Every method may raise RecordsUnavailableError."""

    def __init__(
        self,
        database: AccountsDatabase,
        passwords: Passwords,
        sessions: Sessions,
        *,
        sip_realm: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._database, self._passwords, self._sessions = database, passwords, sessions
        self._sip_realm, self._clock = sip_realm, clock

    async def users(self) -> Sequence[User]:
        """Everybody, also who is shut, by login name."""
        async with self._database.reading() as connection:
            return [user_from_row(row) for row in await connection.fetch(SQL["list_users"])]

    async def user_named(self, login: str) -> User:
        """
        Raises:
            NoSuchUserError
        """
        async with self._database.reading() as connection:
            row = await connection.fetchrow(SQL["user_by_login"], normal_login(login))
        if row is None:
            raise NoSuchUserError(f"there is no user {login!r}: see ./frontdesk users list")
        return user_from_row(row)

    async def phones(self, extension: str | None = None) -> Sequence[Phone]:
        """The SIP phones of those who take calls: all, or the one with this extension."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(SQL["phones"], extension)
        return [
            Phone(user_id=row["id"], extension=row["extension"], ha1=row["ha1"]) for row in rows
        ]

    async def add(
        self,
        login: str,
        facts: UserFacts,
        *,
        password: str | None,
        phone_password: str | None = None,
        by: Actor,
    ) -> User:
        """Make a user.

        Args:
            password: None: they cannot sign in here until one is set.
            phone_password: of their SIP phone, needed with an extension.

        Raises:
            InvalidUserError: something does not do; the message tells what.
            TakenError: login name or extension are another's.
        """
        login = checked_login(login)
        hashed = None if password is None else await self._passwords.hash(password, login=login)
        ha1 = self._ha1(facts.extension, phone_password)
        if (facts.extension is None) != (ha1 is None):
            raise InvalidUserError("an extension and its phone password come together")
        user = _user(uuid4(), login, facts)
        now = self._clock()
        async with self._database.changing() as connection:
            await insert_user(
                connection, user, ha1=ha1, password_hash=hashed, oidc_subject=None, at=now
            )
            event = AuditEvent(
                kind="user_added",
                actor=by,
                subject=user.key,
                detail={"login": login, "role": facts.role.value},
            )
            await append(connection, event, now)
        return user

    async def change(
        self,
        user_id: UUID,
        changed: Callable[[User], UserFacts],
        *,
        phone_password: str | None = None,
        by: Actor,
    ) -> User:
        """Change what is known of a user; whoever is shut or has another role signs in again.

        Args:
            changed: makes of the user as they are what they are to be.

        Raises:
            NoSuchUserError, InvalidUserError, TakenError
        """
        async with self._database.changing() as connection:
            before = await find_user(connection, user_id)
            facts = changed(before)
            ha1 = self._ha1(facts.extension, phone_password)
            if by.key == before.key and (not facts.active or facts.role is not before.role):
                raise InvalidUserError("nobody shuts themselves out: another admin must do it")
            if facts.extension not in (None, before.extension) and ha1 is None:
                raise InvalidUserError("a new extension needs a phone password")
            await update_user(connection, user_id, facts, ha1)
            after = _user(user_id, before.login, facts)
            if after.role is not before.role or not after.active:
                await self._sessions.end_all_of(connection, after)
            event = _change_event(before, after, by, phone_changed=ha1 is not None)
            await append(connection, event, self._clock())
        return after

    async def set_password(self, user_id: UUID, password: str, *, by: Actor) -> None:
        """Set somebody's password; ends every session of theirs.

        Raises:
            NoSuchUserError, InvalidUserError
        """
        async with self._database.changing() as connection:
            user = await find_user(connection, user_id)
        hashed = await self._passwords.hash(password, login=user.login)
        async with self._database.changing() as connection:
            await connection.execute(SQL["set_password"], user_id, hashed)
            await self._sessions.end_all_of(connection, user)
            event = AuditEvent(kind="password_set", actor=by, subject=user.key)
            await append(connection, event, self._clock())

    def _ha1(self, extension: str | None, password: str | None) -> Mapping[str, str] | None:
        if password is None:
            return None
        if extension is None:
            raise InvalidUserError("a phone password needs an extension")
        if len(password) not in _PHONE_PASSWORD_LENGTHS:
            raise InvalidUserError("a phone password has 12 to 128 characters")
        return {
            algorithm: hash_password(algorithm, extension, self._sip_realm, password)
            for algorithm in ALGORITHMS
        }


def _user(user_id: UUID, login: str, facts: UserFacts) -> User:
    return User(
        id=user_id, login=login, **{each.name: getattr(facts, each.name) for each in fields(facts)}
    )


def _change_event(before: User, after: User, by: Actor, *, phone_changed: bool) -> AuditEvent:
    """What changed, with the values where they are rights, without where they are personal."""
    detail: dict[str, str] = {"phone_password": "changed"} if phone_changed else {}
    for name in ("name", "skills", "languages", "extension"):
        if getattr(before, name) != getattr(after, name):
            detail[name] = "changed"
    if before.active != after.active:
        detail["active"] = str(after.active).lower()
    kind = "user_changed"
    if before.role is not after.role:
        kind = "role_changed"
        detail |= {"from": before.role.value, "to": after.role.value}
    return AuditEvent(kind=kind, actor=by, subject=after.key, detail=detail)
