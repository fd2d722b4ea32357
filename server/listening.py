"""The TCP socket that HTTP is served on."""

import socket

from server.errors import StartError


def listen(host: str, port: int) -> socket.socket:
    """A TCP socket for HTTP.

    Raises:
        StartError: the address cannot be bound.
    """
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise StartError(
            f"HTTP cannot listen on {host}:{port} ({error.strerror}): stop what uses it, or set"
            " [http] port or --http-port"
        ) from error


def url_of(listener: socket.socket) -> str:
    """Where a socket of `listen` is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"
