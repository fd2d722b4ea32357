"""Addresses that are listened on, and what is said where one cannot be."""

import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

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


@contextmanager
def unix_listener(path: Path) -> Generator[socket.socket, None, None]:
    """A listening Unix socket at `path` meanwhile; one that an earlier life left is removed."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen()
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def url_of(listener: socket.socket) -> str:
    """Where a socket of `listen` is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"
