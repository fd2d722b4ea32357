"""uvicorn inside our own event loop: it serves, we own the signals and the socket."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from server.listening import listen, url_of

_GRACE_S = 3  # for answers in the air when we stop; live feeds are ended before


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to the process: it has calls to end first."""
        yield


@asynccontextmanager
async def serving(app: FastAPI, host: str, port: int) -> AsyncGenerator[str, None]:
    """Serve `app` meanwhile; yields its URL.

    Raises:
        StartError: the address cannot be bound.
    """
    listener = listen(host, port)
    async with serving_on(app, listener):
        yield url_of(listener)


@asynccontextmanager
async def serving_on(app: FastAPI, listener: socket.socket) -> AsyncGenerator[None, None]:
    """Serve `app` meanwhile on a socket, which is closed then."""
    config = uvicorn.Config(
        app, log_config=None, lifespan="off", access_log=False, timeout_graceful_shutdown=_GRACE_S
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    try:
        yield
    finally:
        server.should_exit = True
        await task
        listener.close()
