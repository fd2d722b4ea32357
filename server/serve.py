"""`./frontdesk serve`: the database, perhaps the demo shop, and frontdesk, until a signal.

SIGTERM drains: no new call is taken, /healthz says so, and those that are up may finish within
`[load] drain_s`. SIGINT, or a second SIGTERM, ends them at once.
"""

import asyncio
import gc
import json
import logging
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass, field

import typer

from server.app import running
from server.config import BackendConfig, Config
from server.demo_shop import running_shop
from server.errors import StartError
from server.observability import configure_logging
from server.postgres import EmbeddedPostgres
from server.precedence import Precedence, take_precedence

log = logging.getLogger(__name__)


async def serve_until_stopped(config: Config, *, demo_shop: bool, announce: bool) -> None:
    """Run until SIGINT or SIGTERM, then let the calls finish or end them, and stop in order.

    Raises:
        StartError, ConfigError, PostgresError, ModelError, FlowError, ActionsError: cannot start.
    """
    configure_logging(config.log.level, personal=config.log.personal)
    stop = _Stop.on_signals()
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
        server = await parts.enter_async_context(running(config, database_url))
        # What is loaded stays: a full collection over models and modules stops every call for
        # a tenth of a second, one over what calls leave behind does not.
        gc.collect()
        gc.freeze()
        precedence = take_precedence() if config.rtp.precedence else Precedence.NONE
        addresses = server.addresses
        log.info("taking calls", extra={**asdict(addresses), "precedence": precedence})
        if announce:
            print(json.dumps({"event": "ready", **asdict(addresses)}), flush=True)
        else:
            typer.echo(
                f"frontdesk takes calls at {addresses.sip}; health at {addresses.http}/healthz"
            )
        await stop.asked.wait()
        await stop.unless_at_once(server.calls.drain(finish_s=config.load.drain_s))
        log.info("stopping")


@dataclass(frozen=True, slots=True)
class _Stop:
    """What signals ask for: to stop, and to do it at once."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def on_signals(cls) -> "_Stop":
        stop, loop = cls(), asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop.ask)
        loop.add_signal_handler(signal.SIGINT, stop.ask_at_once)
        return stop

    def ask(self) -> None:
        """Asked twice is asked to do it at once."""
        if self.asked.is_set():
            self.at_once.set()
        self.asked.set()

    def ask_at_once(self) -> None:
        self.at_once.set()
        self.asked.set()

    async def unless_at_once(self, work: Coroutine[None, None, None]) -> None:
        """Do this, but not longer than until asked to stop at once."""
        working = asyncio.ensure_future(work)
        waiting = asyncio.ensure_future(self.at_once.wait())
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if working.done():
            await working
            return
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working


async def _embedded(parts: AsyncExitStack, config: Config) -> EmbeddedPostgres:
    postgres = EmbeddedPostgres(config.data_dir / "postgres")
    await postgres.start()
    parts.push_async_callback(postgres.stop)
    return postgres


def _url(config: Config) -> str:
    assert config.database.url is not None
    return config.database.url.get_secret_value()
