"""`./frontdesk serve`: the database, perhaps the demo shop, and frontdesk, until a signal.

SIGTERM drains: no new call is taken, /healthz says so, and those that are up may finish within
`[load] drain_s`. SIGINT, or a second SIGTERM, ends them at once.
"""

import asyncio
import gc
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import asdict

import typer

from server.app import Addresses, running
from server.config import Config
from server.full_collections import full_collections_when_idle
from server.kept_memory import keep_freed_memory
from server.observability import configure_logging
from server.precedence import Precedence, help_calls, take_precedence
from server.processes.share import Share
from server.stopping import Stop
from server.surroundings import surrounded

log = logging.getLogger(__name__)


async def serve_until_stopped(config: Config, *, demo_shop: bool, announce: bool) -> None:
    """Run until SIGINT or SIGTERM, then let the calls finish or end them, and stop in order.

    Raises:
        StartError, ConfigError, PostgresError, ModelError, FlowError, ActionsError: cannot start.
    """
    configure_logging(config.log.level, personal=config.log.personal)
    stop = Stop.on_signals()
    async with AsyncExitStack() as parts:
        config, database_url = await surrounded(parts, config, demo_shop=demo_shop)
        tell = _tell_program if announce else _tell_person
        await serve_calls(config, database_url, stop, tell=tell)


async def serve_calls(
    config: Config,
    database_url: str,
    stop: Stop,
    *,
    tell: Callable[[Addresses], None],
    share: Share | None = None,
) -> None:
    """Take calls on this process until asked to stop, then let them finish or end them.

    Args:
        tell: told once, when calls are taken.
        share: what this process has of a server of several.

    Raises:
        StartError, ModelError, FlowError, ActionsError: cannot start.
    """
    async with running(config, database_url, share) as server:
        # What is loaded stays: a full collection over models and modules stops every call for
        # a tenth of a second, one over what calls leave behind does not.
        gc.collect()
        gc.freeze()
        keep_freed_memory()
        precedence = take_precedence() if config.rtp.precedence else Precedence.NONE
        # The pool's threads are started when they are needed: such as are from now on help, too.
        asyncio.get_running_loop().set_default_executor(
            ThreadPoolExecutor(thread_name_prefix="asyncio", initializer=help_calls)
        )
        addresses, calls = server.addresses, server.calls
        log.info("taking calls", extra={**asdict(addresses), "precedence": precedence})
        tell(addresses)
        async with full_collections_when_idle(lambda: calls.served):
            await stop.asked.wait()
            await stop.unless_at_once(calls.drain(finish_s=config.load.drain_s))
        log.info("stopping")


def _tell_program(addresses: Addresses) -> None:
    """One JSON line, for whoever started us."""
    print(json.dumps({"event": "ready", **asdict(addresses)}), flush=True)


def _tell_person(addresses: Addresses) -> None:
    typer.echo(f"frontdesk takes calls at {addresses.sip}; health at {addresses.http}/healthz")
