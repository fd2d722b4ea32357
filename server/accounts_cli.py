"""`./frontdesk users` and `./frontdesk audit`.

Passwords are asked for, or read from the environment, or from standard input when that is no
terminal; never an argument, which every process on the machine could read.
"""

import asyncio
import getpass
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from server.accounts.rights import Role

if TYPE_CHECKING:
    from server.accounts.accounts import Accounts
    from server.accounts.users import Actor
    from server.config import Config

users_app = typer.Typer(help="Who may sign in, and what for.", no_args_is_help=True)
audit_app = typer.Typer(help="What users did.", no_args_is_help=True)

_PASSWORD: Final = "FRONTDESK_NEW_PASSWORD"  # noqa: S105  the variable's name
_PHONE_PASSWORD: Final = "FRONTDESK_NEW_PHONE_PASSWORD"  # noqa: S105

T = TypeVar("T")
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Configuration file [default: frontdesk.toml]")
]
LoginArgument = Annotated[str, typer.Argument(help="The login name.")]


@users_app.command("add")
def add(
    name: LoginArgument,
    role: Annotated[Role, typer.Option(help="agent, supervisor, admin or auditor.")],
    display_name: Annotated[str | None, typer.Option(help="As people are shown it.")] = None,
    skill: Annotated[
        list[str] | None,
        typer.Option(help="orders, or orders=3 for a level of 1 to 5; repeatable."),
    ] = None,
    language: Annotated[list[str] | None, typer.Option(help="As in en; repeatable.")] = None,
    extension: Annotated[str | None, typer.Option(help="Of their SIP phone.")] = None,
    config: ConfigOption = None,
) -> None:
    """Make a user; the password is asked for, or read from FRONTDESK_NEW_PASSWORD."""
    from server.accounts.users import UserFacts

    facts = UserFacts(
        name=display_name or name,
        role=role,
        skills=dict(_skill(each) for each in skill or ()),
        languages=tuple(language or ("en",)),
        extension=extension,
    )
    password = _secret("Password", _PASSWORD)
    phone_password = _secret("Password of the SIP phone", _PHONE_PASSWORD) if extension else None

    async def work(accounts: "Accounts") -> None:
        user = await accounts.administration.add(
            name, facts, password=password, phone_password=phone_password, by=_me()
        )
        typer.echo(f"{user.login} may sign in as {user.role}")

    _run(config, work)


@users_app.command("list")
def list_users(config: ConfigOption = None) -> None:
    """Everybody, also who is shut."""
    from rich.console import Console
    from rich.table import Table

    async def work(accounts: "Accounts") -> None:
        table = Table("login", "name", "role", "skills", "languages", "extension", "state")
        for user in await accounts.administration.users():
            table.add_row(
                user.login,
                user.name,
                user.role,
                " ".join(f"{skill}={level}" for skill, level in sorted(user.skills.items())),
                " ".join(user.languages),
                user.extension or "",
                "active" if user.active else "disabled",
            )
        Console().print(table)

    _run(config, work)


@users_app.command("password")
def set_password(name: LoginArgument, config: ConfigOption = None) -> None:
    """Set a user's password; whoever is signed in as them is signed out."""
    password = _secret("New password", _PASSWORD)

    async def work(accounts: "Accounts") -> None:
        user = await accounts.administration.user_named(name)
        await accounts.administration.set_password(user.id, password, by=_me())
        typer.echo(f"{user.login} has a new password")

    _run(config, work)


@users_app.command("disable")
def disable(name: LoginArgument, config: ConfigOption = None) -> None:
    """Shut an account; it stays in the records, and nobody signs in with it."""
    _set_active(name, config, active=False)
    typer.echo(f"{name} can no longer sign in")


@users_app.command("enable")
def enable(name: LoginArgument, config: ConfigOption = None) -> None:
    """Open an account again that was disabled."""
    _set_active(name, config, active=True)
    typer.echo(f"{name} may sign in again")


@audit_app.command("verify")
def verify(config: ConfigOption = None) -> None:
    """Follow the chain of the audit; status 1 when an entry was changed, put in or left out."""

    async def work(accounts: "Accounts") -> int | None:
        verdict = await accounts.audit.verify()
        typer.echo(f"{verdict.entries} entries are as they were written; head {verdict.head}")
        return verdict.broken_at

    broken_at = _run(config, work)
    if broken_at is not None:
        typer.echo(f"frontdesk: the audit is broken at entry {broken_at}", err=True)
        raise typer.Exit(1)


def _set_active(name: str, config: Path | None, *, active: bool) -> None:
    from server.accounts.forms import Changes

    async def work(accounts: "Accounts") -> None:
        user = await accounts.administration.user_named(name)
        changes = Changes(active=active)
        await accounts.administration.change(user.id, changes.applied_to, by=_me())

    _run(config, work)


def _skill(text: str) -> tuple[str, int]:
    name, _, level = text.partition("=")
    if level and not level.isdecimal():
        raise typer.BadParameter(f"{text!r}: as in orders or orders=3", param_hint="--skill")
    return name, int(level or 3)


def _secret(what: str, variable: str) -> str:
    if given := os.environ.get(variable):
        return given
    if sys.stdin.isatty():
        return typer.prompt(what, hide_input=True, confirmation_prompt=True)
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise typer.BadParameter(f"no password: set {variable}, or give it on standard input")
    return line


def _me() -> "Actor":
    from server.accounts.users import Actor

    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.geteuid())
    return Actor(key="command_line", name=name, address="local")


def _run(path: Path | None, work: "Callable[[Accounts], Awaitable[T]]") -> T:
    from server.config import load_config

    config = load_config(path)

    async def whole() -> T:
        async with _open(config) as accounts:
            return await work(accounts)

    return asyncio.run(whole())


@asynccontextmanager
async def _open(config: "Config") -> "AsyncGenerator[Accounts]":
    from server.accounts.accounts import Accounts

    async with _database(config) as url:
        accounts = await Accounts.open(url, config.accounts, sip_realm=config.sip.realm)
        try:
            yield accounts
        finally:
            await accounts.close()


@asynccontextmanager
async def _database(config: "Config") -> AsyncGenerator[str]:
    """The configured database's URL, or the embedded one's, whether a server has it up or not."""
    from server.postgres import DataFolderInUseError, EmbeddedPostgres

    if config.database.url is not None:
        yield config.database.url.get_secret_value()
        return
    postgres = EmbeddedPostgres(config.data_dir / "postgres")
    try:
        await postgres.start()
    except DataFolderInUseError:
        yield postgres.dsn("frontdesk")  # a running server's
        return
    try:
        yield await postgres.ensure_database("frontdesk")
    finally:
        await postgres.stop()
