"""A process of a server of several, from its first instruction to its last.

When the parent is gone nothing reaches its calls any more, and it ends them.
"""

import asyncio
import json
import logging
from dataclasses import asdict

from server.app import Addresses
from server.config import Config
from server.errors import told_in_one_line
from server.observability import configure_logging
from server.processes.inheritance import Inheritance
from server.processes.share import Share
from server.serve import serve_calls
from server.stopping import Stop


def serve_share(config: Config, database_url: str, given: Inheritance) -> None:
    """Serve until stopped; what is wrong with the configuration is one line, status 2."""
    configure_logging(config.log.level, personal=config.log.personal, process=given.number)
    try:
        with told_in_one_line():
            asyncio.run(_serve(config, database_url, given))
    finally:
        logging.shutdown()


async def _serve(config: Config, database_url: str, given: Inheritance) -> None:
    # A service manager asks every process, and the parent passes on that it was asked.
    stop = Stop.on_signals(again_at_once=False)
    share = Share.open(given)
    share.wire.on_parent_gone = stop.ask_at_once

    def tell(addresses: Addresses) -> None:
        given.parent.send(json.dumps({"event": "ready", **asdict(addresses)}).encode())

    await serve_calls(config, database_url, stop, tell=tell, share=share)
