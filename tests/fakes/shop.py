"""The demo shop as a process of its own, for tests."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

TOKEN = "shop-token-for-tests"


@dataclass(slots=True, kw_only=True)
class RunningShop:
    process: asyncio.subprocess.Process
    url: str

    def client(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False)

    @property
    def port(self) -> int:
        return httpx.URL(self.url).port or 0


@asynccontextmanager
async def running_shop(
    database_url: str, *, port: int = 0, faults: tuple[str, ...] = ()
) -> AsyncGenerator[RunningShop]:
    """A shop that is ready; ended, unless it died, on the way out."""
    arguments = ["--port", str(port), "--database-url", database_url, "--token", TOKEN]
    for fault in faults:
        arguments += ["--fault", fault]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "actions.shop", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            line = await process.stdout.readline()
        ready = json.loads(line)
        assert ready["ready"] is True
        yield RunningShop(process=process, url=ready["url"])
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
