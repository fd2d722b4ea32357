"""`python -m actions.shop`: the demo shop, a service of its own."""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
from typing import Final

import uvicorn

from actions.database import FAILURES, Database
from actions.shop.app import create_app
from actions.shop.faults import Faults
from actions.shop.store import ShopStore

_log = logging.getLogger("actions.shop")

_DATABASE_WAIT_S: Final = 15.0
_DATABASE_PAUSE_S: Final = 0.25


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m actions.shop",
        description="The demo back end: orders, and addresses that change exactly once.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081, help="0 takes any free one")
    parser.add_argument("--database-url", default=os.environ.get("SHOP_DATABASE_URL"))
    parser.add_argument(
        "--token",
        default=os.environ.get("SHOP_TOKEN"),
        help="bearer token to ask for; better in SHOP_TOKEN, where ps does not show it",
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="break on purpose, for tests; the list is in actions/shop/faults.py",
    )
    arguments = parser.parse_args()
    if not arguments.database_url:
        parser.error("no database: give --database-url or SHOP_DATABASE_URL")
    return arguments


class _Server(uvicorn.Server):
    """Says in one line of JSON on stdout when it is ready."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        assert sockets
        host, port = sockets[0].getsockname()[:2]
        print(json.dumps({"ready": True, "url": f"http://{host}:{port}", "port": port}), flush=True)


async def _prepare(store: ShopStore) -> None:
    """Wait for the database, which may be starting beside us."""
    async with asyncio.timeout(_DATABASE_WAIT_S):
        while True:
            try:
                await store.prepare()
            except FAILURES as error:
                _log.warning("waiting for the database", extra={"error": type(error).__name__})
                await asyncio.sleep(_DATABASE_PAUSE_S)
            else:
                return


async def _serve(arguments: argparse.Namespace) -> int:
    try:
        faults = Faults(arguments.fault)
        database = Database(arguments.database_url)
        listener = socket.create_server((arguments.host, arguments.port))
    except (ValueError, OSError) as error:
        print(f"shop: {error}", file=sys.stderr)
        return 2
    with listener:
        store = ShopStore(database, faults)
        try:
            await _prepare(store)
        except TimeoutError:
            print("shop: the database does not answer: check --database-url", file=sys.stderr)
            return 1
        app = create_app(store, faults, token=arguments.token)
        config = uvicorn.Config(app, log_level="warning", access_log=False)
        try:
            await _Server(config).serve(sockets=[listener])
        finally:
            await database.close()
    return 0


def main() -> int:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    with contextlib.suppress(KeyboardInterrupt):
        return asyncio.run(_serve(_arguments()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
