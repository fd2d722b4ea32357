"""The stream door: carriers' WebSockets become legs, legs become calls."""

import socket
from urllib.parse import urlsplit, urlunsplit

from server.calls import Calls
from server.config import StreamsConfig
from server.listening import binding
from telephony.media_streams.endpoint import EndpointOptions, MediaStreamEndpoint
from telephony.media_streams.signature import CarrierGate

STREAM_PATH = "/twilio/stream"
_UNSTARTED = 32  # connections that are no call yet, beside those that are
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


class StreamDoor:
    """Takes calls over media streams and hands them on."""

    def __init__(self, config: StreamsConfig, endpoint: MediaStreamEndpoint) -> None:
        """Use `open`."""
        self._config, self._endpoint = config, endpoint

    @classmethod
    async def open(
        cls,
        config: StreamsConfig,
        calls: Calls,
        *,
        max_calls: int,
        media_timeout_s: float,
        listener: socket.socket | None = None,
    ) -> "StreamDoor":
        """Bind the port and start taking calls; `config.port` must be set.

        Args:
            listener: a bound socket to take them from, instead of one of our own.

        Raises:
            StartError: the address cannot be bound.
        """
        assert config.port is not None
        options = EndpointOptions(
            host=config.host,
            port=config.port,
            path=STREAM_PATH,
            public_url=_public_url(config) or "",
            gate=gate_of(config),
            max_connections=max_calls + _UNSTARTED,
            media_timeout_s=media_timeout_s,
        )
        with binding("media streams", config.host, config.port, setting="[streams] port"):
            endpoint = await MediaStreamEndpoint.open(
                options,
                on_call=lambda leg: calls.take(leg, trunk=leg.trunk),
                admit=lambda caller, trunk: calls.admit(caller=caller, trunk=trunk),
                listener=listener,
            )
        return cls(config, endpoint)

    @property
    def local_url(self) -> str:
        """Where streams are taken on this machine."""
        host = _EVERY_ADDRESS.get(self._config.host, self._config.host)
        host = f"[{host}]" if ":" in host else host
        return f"ws://{host}:{self._endpoint.port}{STREAM_PATH}"

    @property
    def public_url(self) -> str:
        """Where carriers are told to send them."""
        return _public_url(self._config) or self.local_url

    async def close(self) -> None:
        """Close whatever stream is still there, and unbind."""
        await self._endpoint.close()


def gate_of(config: StreamsConfig) -> CarrierGate:
    """Who may bring calls, and ask for them."""
    token = config.auth_token
    return CarrierGate(token=None if token is None else token.get_secret_value())


def _public_url(config: StreamsConfig) -> str | None:
    if config.public_url is None:
        return None
    parts = urlsplit(config.public_url)
    scheme = {"https": "wss", "http": "ws"}[parts.scheme]
    return urlunsplit(parts._replace(scheme=scheme)) + STREAM_PATH
