"""`./frontdesk serve`: the database, perhaps the demo shop, and frontdesk, until a signal."""

import asyncio
import json
import logging
import signal
from contextlib import AsyncExitStack
from dataclasses import asdict

import typer

from server.app import running
from server.config import BackendConfig, Config
from server.demo_shop import running_shop
from server.errors import StartError
from server.observability import configure_logging
from server.postgres import EmbeddedPostgres

log = logging.getLogger(__name__)


async def serve_until_stopped(config: Config, *, demo_shop: bool, announce: bool) -> None:
    """Run until SIGINT or SIGTERM, then end the calls and stop in order.

    Raises:
        StartError, ConfigError, PostgresError, ModelError, FlowError, ActionsError: cannot start.
    """
    configure_logging(config.log.level, personal=config.log.personal)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as parts:
        postgres = None if config.database.url else await _embedded(parts, config)
        database_url = (
            _url(config) if postgres is None else await postgres.ensure_database("frontdesk")
        )
        if demo_shop:
            if postgres is None:
                raise StartError(
                    "--demo-shop keeps its orders in the embedded database: unset DATABASE_URL"
                )
            shop = await parts.enter_async_context(
                running_shop(await postgres.ensure_database("shop"))
            )
            backend = BackendConfig.model_validate({"url": shop.url, "token": shop.token})
            config = config.model_copy(update={"backend": backend})
        addresses = await parts.enter_async_context(running(config, database_url))
        log.info("taking calls", extra=asdict(addresses))
        if announce:
            print(json.dumps({"event": "ready", **asdict(addresses)}), flush=True)
        else:
            typer.echo(
                f"frontdesk takes calls at {addresses.sip}; health at {addresses.http}/healthz"
            )
        await stop.wait()
        log.info("stopping")


async def _embedded(parts: AsyncExitStack, config: Config) -> EmbeddedPostgres:
    postgres = EmbeddedPostgres(config.data_dir / "postgres")
    await postgres.start()
    parts.push_async_callback(postgres.stop)
    return postgres


def _url(config: Config) -> str:
    assert config.database.url is not None
    return config.database.url.get_secret_value()
