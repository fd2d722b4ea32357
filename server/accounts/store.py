"""Users in the database, within the transactions of those who change them."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg

from actions.database import Connection
from actions.sql import load_queries
from server.accounts.errors import NoSuchUserError, TakenError
from server.accounts.users import User, UserFacts, user_from_row

SQL: Final = load_queries(Path(__file__).parent / "sql" / "accounts.sql")

_TAKEN: Final[Mapping[str, str]] = {
    "users_login_key": "somebody else has this login name",
    "users_extension_key": "somebody else has this extension",
    "users_oidc_subject_key": "this person has an account already",
}


async def find_user(connection: Connection, user_id: UUID) -> User:
    """A user by id, locked until the transaction ends.

    Raises:
        NoSuchUserError
    """
    row = await connection.fetchrow(SQL["user_by_id"], user_id)
    if row is None:
        raise NoSuchUserError("there is no such user")
    return user_from_row(row)


async def insert_user(
    connection: Connection,
    user: User,
    *,
    ha1: Mapping[str, str] | None,
    password_hash: str | None,
    oidc_subject: str | None,
    at: datetime,
) -> None:
    """
    Raises:
        TakenError
    """
    await _unique(
        connection,
        SQL["add_user"],
        user.id,
        user.login,
        user.name,
        user.role.value,
        dict(user.skills),
        list(user.languages),
        user.extension,
        None if ha1 is None else dict(ha1),
        user.active,
        password_hash,
        oidc_subject,
        at,
    )


async def update_user(
    connection: Connection, user_id: UUID, facts: UserFacts, ha1: Mapping[str, str] | None
) -> None:
    """Replace the facts; the phone's hash stays unless there is another, or no extension.

    Raises:
        TakenError
    """
    await _unique(
        connection,
        SQL["change_user"],
        user_id,
        facts.name,
        facts.role.value,
        dict(facts.skills),
        list(facts.languages),
        facts.extension,
        None if ha1 is None else dict(ha1),
        facts.active,
    )


async def _unique(connection: Connection, query: str, *parameters: Any) -> None:
    try:
        await connection.execute(query, *parameters)
    except asyncpg.UniqueViolationError as error:
        constraint: str = getattr(error, "constraint_name", None) or ""
        raise TakenError(_TAKEN.get(constraint, "this is taken")) from error
