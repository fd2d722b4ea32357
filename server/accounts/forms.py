"""What is sent to the accounts' doors, and what they answer."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from server.accounts.rights import RIGHTS, Right, Role
from server.accounts.users import User, UserFacts

_Secret = Annotated[SecretStr, Field(max_length=1024)]
_Text = Annotated[str, Field(max_length=256)]
_Skills = Annotated[dict[_Text, int], Field(max_length=64)]
_Languages = Annotated[tuple[_Text, ...], Field(max_length=16)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SignIn(_Form):
    login: _Text
    password: _Secret


class OwnPassword(_Form):
    current: _Secret
    new: _Secret


class NewPassword(_Form):
    password: _Secret


class _WithPhone(_Form):
    phone_password: _Secret | None = None

    def phone_secret(self) -> str | None:
        return self.phone_password.get_secret_value() if self.phone_password else None


class NewUser(_WithPhone):
    login: _Text
    name: _Text
    role: Role
    skills: _Skills = {}
    languages: _Languages = ("en",)
    extension: _Text | None = None
    password: _Secret | None = None  # none: set one later, or they sign in elsewhere


class Changes(_WithPhone):
    """What is given changes; an extension of null takes it away."""

    name: _Text | None = None
    role: Role | None = None
    skills: _Skills | None = None
    languages: _Languages | None = None
    extension: _Text | None = None
    active: bool | None = None

    def applied_to(self, user: User) -> UserFacts:
        """
        Raises:
            InvalidUserError: something does not do.
        """
        extension = self.extension if "extension" in self.model_fields_set else user.extension
        return UserFacts(
            name=user.name if self.name is None else self.name,
            role=user.role if self.role is None else self.role,
            skills=user.skills if self.skills is None else self.skills,
            languages=user.languages if self.languages is None else self.languages,
            extension=extension,
            active=user.active if self.active is None else self.active,
        )


def facts_of(form: NewUser) -> UserFacts:
    """
    Raises:
        InvalidUserError: something does not do.
    """
    return UserFacts(
        name=form.name,
        role=form.role,
        skills=form.skills,
        languages=form.languages,
        extension=form.extension,
    )


class UserView(_Form):
    """A user, without anything that is secret."""

    id: UUID
    login: str
    name: str
    role: Role
    rights: Sequence[Right]
    skills: dict[str, int]
    languages: tuple[str, ...]
    extension: str | None
    active: bool

    @classmethod
    def of(cls, user: User) -> "UserView":
        return cls(
            id=user.id,
            login=user.login,
            name=user.name,
            role=user.role,
            rights=sorted(RIGHTS[user.role]),
            skills=dict(user.skills),
            languages=user.languages,
            extension=user.extension,
            active=user.active,
        )
