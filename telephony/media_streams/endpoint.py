"""The WebSocket server that carriers bring media streams to.

Every stream passes the same steps, and is refused at the first that it fails: the number of
connections, the path (404), the signature (403), free capacity (503 with Retry-After), and a
`start` within 5 s. Only then is it a call.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from telephony.media_streams.errors import MediaStreamError, UnexpectedMessageError
from telephony.media_streams.leg import MediaStreamLeg
from telephony.media_streams.signature import FORWARDING_HEADERS, HEADER, CarrierGate, Origin
from telephony.media_streams.twilio import MAX_MESSAGE_CHARS, Connected, Started, parse

logger = logging.getLogger(__name__)

_wire_logger = logging.getLogger(f"{__name__}.wire")
# At DEBUG the library writes every message into the log, what callers said and keyed with it.
_wire_logger.setLevel(logging.WARNING)

_OPEN_S: Final = 5.0  # for the HTTP request, and again for the `start`: both come at once
_PING_S: Final = 10.0  # a dead connection is noticed within two of these
_CLOSE_S: Final = 2.0  # a carrier that is there confirms a close in far less
_WRITE_BUFFER: Final = 4_096  # octets, about 200 ms of audio: more waiting is only delay
_CLOSE_TRY_LATER: Final = 1013  # RFC 6455 §7.4.1


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    host: str  # address to bind
    port: int  # 0 for any
    path: str  # the only one served
    public_url: str  # the URL that carriers are given, as they sign it
    gate: CarrierGate
    max_connections: int  # TCP connections in whatever state; the next one is cut
    media_timeout_s: float = 20.0


class MediaStreamEndpoint:
    """`open` it, give its legs to calls, `close` it."""

    def __init__(
        self,
        options: EndpointOptions,
        *,
        on_call: Callable[[MediaStreamLeg], None],
        admit: Callable[[str, str], int | None],
    ) -> None:
        """Use `open`."""
        self._options = options
        self._on_call = on_call
        self._admit = admit
        self._server: Server | None = None

    @classmethod
    async def open(
        cls,
        options: EndpointOptions,
        *,
        on_call: Callable[[MediaStreamLeg], None],
        admit: Callable[[str, str], int | None],
        listener: socket.socket | None = None,
    ) -> "MediaStreamEndpoint":
        """Bind the port and start taking streams.

        Args:
            options: where, and for whom.
            on_call: gets each call; it must return at once.
            admit: asked for a call of this caller over this trunk (see MediaStreamLeg.trunk), both
                empty while they are not known: None when it is welcome, or the seconds after which
                to try again. on_call follows before anything else does.
            listener: a bound socket to take them from, instead of one of our own.

        Raises:
            OSError: the address cannot be bound.
        """
        endpoint = cls(options, on_call=on_call, admit=admit)
        endpoint._server = await serve(
            endpoint._serve,
            **_where(options, listener),
            process_request=endpoint._screen,
            create_connection=_bounded(options.max_connections),
            compression=None,  # µ-law in base64 hardly shrinks, and every frame would pay for it
            server_header=None,
            open_timeout=_OPEN_S,
            ping_interval=_PING_S,
            ping_timeout=_PING_S,
            close_timeout=_CLOSE_S,
            max_size=MAX_MESSAGE_CHARS,
            write_limit=_WRITE_BUFFER,
            logger=_wire_logger,
        )
        return endpoint

    @property
    def port(self) -> int:
        """The TCP port bound."""
        assert self._server is not None
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return port

    async def close(self) -> None:
        """Close every stream (1001, going away) and unbind."""
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    # --- before the upgrade -----------------------------------------------------------------------

    def _screen(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse the upgrade, or let it pass with None."""
        path, _, query = request.path.partition("?")
        if path != self._options.path:
            return connection.respond(HTTPStatus.NOT_FOUND, "there is nothing here\n")
        url = self._options.public_url + (f"?{query}" if query else "")
        if not self._options.gate.admits(_origin(connection, request), url):
            logger.warning("Media stream refused: not signed", extra={"peer": _peer(connection)})
            return connection.respond(HTTPStatus.FORBIDDEN, "the signature is missing or wrong\n")
        retry_after_s = self._admit("", "")
        if retry_after_s is None:
            return None
        response = connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "every line is taken\n")
        response.headers["Retry-After"] = str(retry_after_s)
        return response

    # --- after it ---------------------------------------------------------------------------------

    async def _serve(self, connection: ServerConnection) -> None:
        _limit_unsent(connection)
        try:
            start = await _start_of(connection)
        except (MediaStreamError, TimeoutError) as error:
            logger.warning(
                "Media stream refused: no start",
                extra={"peer": _peer(connection), "error": str(error) or "too late"},
            )
            code = error.close_code if isinstance(error, MediaStreamError) else 1002
            await connection.close(code, "no start")
            return
        except ConnectionClosed:
            return
        leg = MediaStreamLeg(
            connection,
            start,
            peer=_peer(connection),
            media_timeout_s=self._options.media_timeout_s,
        )
        # Others may have come between the upgrade and the start, which says whose call it is.
        if self._admit(leg.info.caller, leg.trunk) is not None:
            await connection.close(_CLOSE_TRY_LATER, "every line is taken")
            return
        self._on_call(leg)
        await leg.run()


def _where(options: EndpointOptions, listener: socket.socket | None) -> dict[str, Any]:
    if listener is not None:
        return {"sock": listener}
    return {"host": options.host, "port": options.port}


async def _start_of(connection: ServerConnection) -> Started:
    """The stream's `start`.

    Raises:
        MediaStreamError: something else came.
        TimeoutError: nothing came.
        ConnectionClosed: the carrier went.
    """
    async with asyncio.timeout(_OPEN_S):
        while True:
            match parse(await connection.recv()):
                case Started() as start:
                    return start
                case Connected() | None:
                    pass
                case event:
                    raise UnexpectedMessageError(f"{type(event).__name__} before the start")


def _origin(connection: ServerConnection, request: Request) -> Origin:
    signatures = request.headers.get_all(HEADER)
    return Origin(
        host=str(connection.remote_address[0]),
        proxied=any(name in request.headers for name in FORWARDING_HEADERS),
        signature=signatures[0] if len(signatures) == 1 else None,
    )


def _peer(connection: ServerConnection) -> str:
    host, port = connection.remote_address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _limit_unsent(connection: ServerConnection) -> None:
    """Keep the kernel from taking seconds of audio that the network does not: where it can."""
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        wire: socket.socket = connection.transport.get_extra_info("socket")
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _WRITE_BUFFER)


def _bounded(limit: int) -> type[ServerConnection]:
    """Connections of which there are never more than `limit`, those without a request included."""
    count = 0

    class BoundedConnection(ServerConnection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            nonlocal count
            count += 1
            super().connection_made(transport)
            if count > limit:
                logger.warning("Too many connections for media streams", extra={"limit": limit})
                self.transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            nonlocal count
            count -= 1
            super().connection_lost(exc)

    return BoundedConnection
