"""People whom an identity provider vouches for, as users here.

The provider says who somebody is and, by the configured claim, what their role is; skills,
languages and extension are kept here. An account made here is never taken over by a provider's
user of the same name.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from actions.database import Connection
from server.accounts.audit import AuditEvent, append
from server.accounts.database import AccountsDatabase
from server.accounts.errors import OidcError
from server.accounts.rights import Role
from server.accounts.sessions import Sessions, new_token, token_hash
from server.accounts.store import SQL, insert_user, update_user
from server.accounts.users import Actor, User, UserFacts, checked_login, user_from_row

FLOW_LIFE_S: Final = 600.0  # people look for their second factor


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Somebody, as an ID token whose signature was checked says."""

    subject: str  # issuer and subject: who this is, for ever
    login: str
    name: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One sign-in under way at the provider."""

    browser: str  # the secret of the browser it began in
    state: str
    nonce: str
    verifier: str


class Identities:
    """Every method may raise RecordsUnavailableError."""

    def __init__(
        self, database: AccountsDatabase, sessions: Sessions, *, clock: Callable[[], datetime]
    ) -> None:
        self._database, self._sessions, self._clock = database, sessions, clock

    async def begin(self) -> Flow:
        """Everything a new sign-in needs to be random."""
        flow = Flow(browser=new_token(), state=new_token(), nonce=new_token(), verifier=new_token())
        now = self._clock()
        async with self._database.changing() as connection:
            await connection.execute(SQL["forget_flows"], now - timedelta(seconds=FLOW_LIFE_S))
            await connection.execute(
                SQL["begin_flow"],
                token_hash(flow.browser),
                flow.state,
                flow.nonce,
                flow.verifier,
                now,
            )
        return flow

    async def take(self, browser: str) -> Flow | None:
        """The sign-in that this browser began; it can be taken once, and not for long."""
        async with self._database.changing() as connection:
            row = await connection.fetchrow(SQL["take_flow"], token_hash(browser))
        if row is None or self._clock() - row["started_at"] > timedelta(seconds=FLOW_LIFE_S):
            return None
        return Flow(
            browser=browser, state=row["state"], nonce=row["nonce"], verifier=row["verifier"]
        )

    async def sign_in(
        self, identity: Identity, *, from_address: str, old_token: str | None = None
    ) -> tuple[User, str]:
        """A session of this person, who gets an account at the first time.

        Returns:
            The user, and the session's token.

        Raises:
            OidcError: the account is shut.
            InvalidUserError: the provider's name for them cannot be a login name here.
            TakenError: somebody else has it.
        """
        now = self._clock()
        async with self._database.changing() as connection:
            user = await self._user(connection, identity, from_address, now)
            if old_token:
                await self._sessions.end(connection, old_token)
            token = await self._sessions.open(connection, user, from_address, now)
            event = AuditEvent(
                kind="signed_in", actor=Actor.of(user, from_address), detail={"by": "oidc"}
            )
            await append(connection, event, now)
        return user, token

    async def _user(
        self, connection: Connection, identity: Identity, from_address: str, now: datetime
    ) -> User:
        row = await connection.fetchrow(SQL["user_by_subject"], identity.subject)
        if row is None:
            return await self._new_user(connection, identity, from_address, now)
        known = user_from_row(row)
        if not known.active:
            raise OidcError("this account is shut: ask an admin", problem="shut")
        user = replace(known, role=identity.role, name=identity.name)
        if user != known:
            facts = UserFacts(
                name=user.name,
                role=user.role,
                skills=user.skills,
                languages=user.languages,
                extension=user.extension,
            )
            await update_user(connection, user.id, facts, None)
        if user.role is not known.role:
            await self._sessions.end_all_of(connection, user)
            event = AuditEvent(
                kind="role_changed",
                actor=_provider(from_address),
                subject=user.key,
                detail={"from": known.role.value, "to": user.role.value},
            )
            await append(connection, event, now)
        return user

    async def _new_user(
        self, connection: Connection, identity: Identity, from_address: str, now: datetime
    ) -> User:
        facts = UserFacts(name=identity.name, role=identity.role)
        user = User(
            id=uuid4(),
            login=checked_login(identity.login),
            name=facts.name,
            role=facts.role,
            languages=facts.languages,
        )
        await insert_user(
            connection,
            user,
            ha1=None,
            password_hash=None,
            oidc_subject=identity.subject,
            at=now,
        )
        event = AuditEvent(
            kind="user_added",
            actor=_provider(from_address),
            subject=user.key,
            detail={"login": user.login, "role": user.role.value},
        )
        await append(connection, event, now)
        return user


def _provider(from_address: str) -> Actor:
    return Actor(key="identity_provider", name="identity provider", address=from_address)
