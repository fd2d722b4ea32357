"""`./frontdesk users` and `./frontdesk audit`, as an operator types them."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from actions.database import Database
from server.postgres import EmbeddedPostgres

Run = Callable[..., subprocess.CompletedProcess[str]]
PASSWORD = "correct horse battery"


@pytest.fixture
def frontdesk(database_url: str, tmp_path: Path) -> Run:
    def run(
        *arguments: str, given: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "server.cli", *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "DATABASE_URL": database_url,
                "COLUMNS": "200",
                **environment,
            },
        )

    return run


async def test_users_are_made_listed_changed_and_shut(frontdesk: Run, database_url: str) -> None:
    made = frontdesk(
        "users", "add", "Ann", "--role", "agent", "--skill", "orders=4", "--extension", "201",
        FRONTDESK_NEW_PASSWORD=PASSWORD, FRONTDESK_NEW_PHONE_PASSWORD="a phone's own secret",
    )  # fmt: skip
    assert (made.returncode, made.stdout) == (0, "ann may sign in as agent\n"), made.stderr
    listed = frontdesk("users", "list").stdout
    for text in ("ann", "orders=4", "201", "active"):
        assert text in listed
    assert frontdesk("users", "password", "ann", given="another long password\n").returncode == 0
    assert frontdesk("users", "disable", "ann").returncode == 0
    assert "disabled" in frontdesk("users", "list").stdout

    verified = frontdesk("audit", "verify")
    assert verified.returncode == 0
    assert verified.stdout.startswith("3 entries are as they were written; head ")
    database = Database(database_url)
    async with database.connection(5) as connection:
        await connection.execute("ALTER TABLE audit DISABLE TRIGGER ALL")
        await connection.execute("UPDATE audit SET actor_name = 'x' WHERE seq = 2")
    await database.close()
    broken = frontdesk("audit", "verify")
    assert (broken.returncode, broken.stderr) == (1, "frontdesk: the audit is broken at entry 2\n")


async def test_the_embedded_database_is_used_whether_a_server_has_it_up_or_not(
    frontdesk: Run, tmp_path: Path
) -> None:
    embedded = {"DATABASE_URL": "", "FRONTDESK_DATA_DIR": str(tmp_path / "var")}
    made = frontdesk("users", "add", "ann", "--role", "admin", given=PASSWORD, **embedded)
    assert made.returncode == 0, made.stderr
    server = EmbeddedPostgres(tmp_path / "var" / "postgres")
    await server.start()
    try:
        listed = await asyncio.to_thread(frontdesk, "users", "list", **embedded)
    finally:
        await server.stop()
    assert "ann" in listed.stdout, listed.stderr


@pytest.mark.parametrize(
    ("arguments", "given", "told"),
    [
        (("add", "ann", "--role", "agent"), "", "FRONTDESK_NEW_PASSWORD"),
        (("add", "ann", "--role", "agent"), "short\n", "12 to 256"),
        (("add", "ann", "--role", "machine"), PASSWORD, "agent, supervisor"),
        (("add", "ann", "--role", "agent", "--skill", "orders=x"), PASSWORD, "orders=3"),
        (("add", "an n", "--role", "agent"), PASSWORD, "login name"),
        (("disable", "ann"), "", "users list"),
    ],
)
def test_what_does_not_do_is_told_in_one_line_with_the_fix(
    frontdesk: Run, arguments: tuple[str, ...], given: str, told: str
) -> None:
    failed = frontdesk("users", *arguments, given=given)
    assert failed.returncode == 2
    assert told in failed.stderr
    assert "Traceback" not in failed.stderr
