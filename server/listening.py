"""Addresses that are listened on, and what is said where one cannot be."""

import socket
from collections.abc import Generator
from contextlib import contextmanager

from server.errors import StartError


def listen(host: str, port: int) -> socket.socket:
    """A TCP socket for HTTP.

    Raises:
        StartError: the address cannot be bound.
    """
    with binding("HTTP", host, port, setting="[http] port or --http-port"):
        return socket.create_server((host, port))


@contextmanager
def binding(what: str, host: str, port: int, *, setting: str) -> Generator[None, None, None]:
    """Bind the address meanwhile.

    Args:
        what: for whom it is. setting: by which another port is chosen.

    Raises:
        StartError: instead of an OSError, and says what to do.
    """
    try:
        yield
    except OSError as error:
        raise StartError(
            f"{what} cannot listen on {host}:{port} ({error.strerror}): stop what uses it, or set"
            f" {setting}"
        ) from error


def url_of(listener: socket.socket) -> str:
    """Where a socket of `listen` is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"
