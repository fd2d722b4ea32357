"""Users as the server knows them; pure."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from asyncpg import Record

from server.accounts.errors import InvalidUserError
from server.accounts.rights import Right, Role, may

SKILL_LEVELS: Final = range(1, 6)  # 5 is the best
_LOGIN: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
_EXTENSION: Final = re.compile(r"[A-Za-z0-9._+-]{1,32}")  # RFC 3261 §25.1 `user`, without escapes
_SKILL: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")  # RFC 5646, its shape
_NAME_LENGTHS: Final = range(1, 81)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who signed in, or could."""

    id: UUID
    login: str
    name: str  # as people are shown it
    role: Role
    skills: Mapping[str, int] = field(default_factory=dict[str, int])  # skill -> level
    languages: tuple[str, ...] = ()  # BCP 47, the preferred one first
    extension: str | None = None  # of their SIP phone
    active: bool = True

    @property
    def key(self) -> str:
        """What queues, hand-offs and the audit call this user by."""
        return self.role.value if self.role is Role.MACHINE else str(self.id)

    def may(self, *rights: Right) -> bool:
        """Whether this user has any of these rights."""
        return self.active and may(self.role, *rights)


MACHINE: Final = User(id=UUID(int=0), login="machine", name="bearer token", role=Role.MACHINE)
"""Whoever sends the configured bearer token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFacts:
    """What is known of a user but who they are: checked, ready to be kept."""

    name: str
    role: Role
    skills: Mapping[str, int] = field(default_factory=dict[str, int])
    languages: tuple[str, ...] = ("en",)
    extension: str | None = None
    active: bool = True

    def __post_init__(self) -> None:
        """
        Raises:
            InvalidUserError: it names the field and what would do.
        """
        if len(self.name) not in _NAME_LENGTHS or not self.name.isprintable():
            raise InvalidUserError("the display name has 1 to 80 printable characters")
        if self.role is Role.MACHINE:
            raise InvalidUserError("a user's role is agent, supervisor, admin or auditor")
        for skill, level in self.skills.items():
            if not _SKILL.fullmatch(skill) or level not in SKILL_LEVELS:
                raise InvalidUserError(
                    f"skill {skill!r} = {level}: as in orders = 3, levels 1 to 5"
                )
        for language in self.languages:
            if not _LANGUAGE.fullmatch(language):
                raise InvalidUserError(f"language {language!r}: as in en or pt-BR")
        if self.extension is not None and not _EXTENSION.fullmatch(self.extension):
            raise InvalidUserError(f"extension {self.extension!r}: letters, digits and ._+-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who does something, as the audit names them."""

    key: str
    name: str
    address: str  # from where, as far as it is known

    @classmethod
    def of(cls, user: User, address: str) -> "Actor":
        return cls(key=user.key, name=user.login, address=address)


def normal_login(text: str) -> str:
    """A login name as it is compared: trimmed, compatibility forms and case folded."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def checked_login(text: str) -> str:
    """A new user's login name.

    Raises:
        InvalidUserError: it cannot be one.
    """
    login = normal_login(text)
    if not _LOGIN.fullmatch(login):
        raise InvalidUserError(
            f"login name {text!r}: begin with a letter or digit, then letters, digits and ._@+-,"
            " 64 at most"
        )
    return login


def user_from_row(row: Record) -> User:
    """A user from the columns of sql/accounts.sql's queries; other columns are left out."""
    return User(
        id=row["id"],
        login=row["login"],
        name=row["display_name"],
        role=Role(row["role"]),
        skills=row["skills"],
        languages=tuple(row["languages"]),
        extension=row["extension"],
        active=row["active"],
    )
