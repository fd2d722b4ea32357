"""A whole frontdesk as child processes, for the demo and the benches: database, shop, server."""

import secrets
import shutil
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from server.demo_shop import Shop, first_line, running_shop, start_child, stop_child
from server.postgres import EmbeddedPostgres

_SERVER_START_S: Final = 120.0  # a cold start loads the speech models, perhaps from a slow disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    sip: str  # the URI to call
    http: str
    streams: str | None  # the WebSocket for media streams, when it was asked for
    token: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    shop: Shop
    server: Server
    database_url: str = field(repr=False)  # of the server's records


def fresh_folder(folder: Path) -> Path:
    """Make `folder` if need be, and remove the last run's database: records begin as seeded.

    Returns its absolute path.
    """
    folder = folder.absolute()
    shutil.rmtree(folder / "postgres", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@asynccontextmanager
async def running_stack(
    folder: Path,
    *,
    on_step: Callable[[str], None],
    settings: Mapping[str, str] | None = None,
) -> AsyncGenerator[Stack, None]:
    """Start PostgreSQL, the shop and the server on free ports; stop them at the end.

    Args:
        folder: where database, logs and recordings go.
        on_step: told what is being started.
        settings: environment variables of the server, beside those that bind it to the others.

    Raises:
        StartError, PostgresError: a part did not come up.
    """
    async with AsyncExitStack() as parts:
        on_step("starting PostgreSQL")
        postgres = EmbeddedPostgres(folder / "postgres")
        await postgres.start()
        parts.push_async_callback(postgres.stop)
        on_step("starting the shop, a service of its own")
        shop = await parts.enter_async_context(
            running_shop(await postgres.ensure_database("shop"), log=folder / "shop.log")
        )
        on_step("starting frontdesk: speech models, dialog, SIP and HTTP")
        database = await postgres.ensure_database("frontdesk")
        server = await parts.enter_async_context(
            _running_server(database, shop, folder, settings or {})
        )
        yield Stack(shop=shop, server=server, database_url=database)


@asynccontextmanager
async def _running_server(
    database_url: str, shop: Shop, folder: Path, settings: Mapping[str, str]
) -> AsyncGenerator[Server, None]:
    token = secrets.token_urlsafe(24)
    log = folder / "server.log"
    process = await start_child(
        ("-m", "server.cli", "serve", "--announce", "--sip-port", "0", "--http-port", "0"),
        log=log,
        environment={
            "DATABASE_URL": database_url,
            "FRONTDESK_DATA_DIR": str(folder),
            "FRONTDESK_SIP__HOST": "127.0.0.1",
            "FRONTDESK_HTTP__TOKEN": token,
            "FRONTDESK_BACKEND__URL": shop.url,
            "FRONTDESK_BACKEND__TOKEN": shop.token,
            # Who stops it wants it gone: its callers are ours.
            "FRONTDESK_LOAD__DRAIN_S": "0",
            "FRONTDESK_LOAD__FAREWELL": "",
            **settings,
        },
    )
    try:
        ready = await first_line(process, timeout_s=_SERVER_START_S, what="frontdesk", log=log)
        yield Server(
            sip=str(ready["sip"]),
            http=str(ready["http"]),
            streams=str(ready["streams"]) if ready.get("streams") else None,
            token=token,
            pid=process.pid,
        )
    finally:
        await stop_child(process)
