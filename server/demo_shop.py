"""The demo shop as a child process: a back end to call while there is no real one."""

import asyncio
import contextlib
import json
import os
import secrets
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from server.errors import StartError

_START_S = 30.0  # a cold start imports a web framework from a slow disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    url: str
    token: str
    pid: int


@asynccontextmanager
async def running_shop(database_url: str, *, log: Path | None = None) -> AsyncGenerator[Shop, None]:
    """Start the shop on a free port, with a token of its own; stop it at the end.

    Raises:
        StartError: it did not come up.
    """
    token = secrets.token_urlsafe(24)
    command = ("-m", "actions.shop", "--port", "0", "--database-url", database_url)
    process = await start_child(command, log=log, environment={"SHOP_TOKEN": token})
    try:
        ready = await first_line(process, timeout_s=_START_S, what="the demo shop", log=log)
        yield Shop(url=str(ready["url"]), token=token, pid=process.pid)
    finally:
        await stop_child(process)


async def start_child(
    arguments: tuple[str, ...],
    *,
    log: Path | None,
    environment: dict[str, str],
    stdin: int | None = None,
) -> asyncio.subprocess.Process:
    """A Python child whose standard output we read and whose log goes to a file, or to ours.

    Args:
        stdin: what it reads, as for subprocess; None: what we read.
    """
    errors = log.open("ab") if log is not None else None
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, *arguments),
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **environment},
        )
    finally:
        if errors is not None:
            errors.close()


async def first_line(
    process: asyncio.subprocess.Process, *, timeout_s: float, what: str, log: Path | None
) -> dict[str, object]:
    """The JSON line by which a child says that it is ready.

    Raises:
        StartError: it ended, or said nothing in time.
    """
    assert process.stdout is not None
    where = f"; see {log}" if log is not None else ""
    try:
        async with asyncio.timeout(timeout_s):
            line = await process.stdout.readline()
    except TimeoutError:
        raise StartError(f"{what} was not ready after {timeout_s:.0f} s{where}") from None
    if not line:
        status = await process.wait()
        raise StartError(f"{what} ended at once with status {status}{where}")
    return json.loads(line)


async def stop_child(process: asyncio.subprocess.Process) -> None:
    """Ask the child to end, and insist after ten seconds."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(10):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
