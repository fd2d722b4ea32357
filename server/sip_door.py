"""The SIP door: INVITEs become legs, legs become calls."""

from server.calls import Calls
from server.config import RtpConfig, SipConfig
from server.errors import StartError
from telephony.rtp.ports import PortRange
from telephony.sip.endpoint import SipEndpoint
from telephony.sip.incoming_call import IncomingCall
from telephony.sip_leg import MediaOptions, SipLeg

_EVERY_ADDRESS = "0.0.0.0"  # noqa: S104


class SipDoor:
    """Takes calls over SIP and hands them on."""

    def __init__(self, config: SipConfig, media: MediaOptions, calls: Calls) -> None:
        self._config, self._media, self._calls = config, media, calls
        self._endpoint: SipEndpoint | None = None

    @classmethod
    async def open(cls, config: SipConfig, rtp: RtpConfig, calls: Calls) -> "SipDoor":
        """Bind the SIP port and start taking calls.

        Raises:
            StartError: the address cannot be bound, or the range of media ports is unusable.
        """
        try:
            ports = PortRange(rtp.port_min, rtp.port_max)
        except ValueError as error:
            raise StartError(f"{error}: set [rtp] port_min and port_max") from error
        media = MediaOptions(
            ports=ports,
            bind_host=config.host,
            advertised_host=config.advertised_host,
            timeout_s=rtp.media_timeout_s,
        )
        door = cls(config, media, calls)
        await door._bind()
        return door

    @property
    def uri(self) -> str:
        """What to dial on this machine."""
        assert self._endpoint is not None
        host, port = self._endpoint.local_address
        return f"sip:frontdesk@{'127.0.0.1' if host == _EVERY_ADDRESS else host}:{port}"

    async def close(self) -> None:
        """Say goodbye to whoever is still there, and unbind."""
        assert self._endpoint is not None
        await self._endpoint.close()

    async def _bind(self) -> None:
        where = self._config
        try:
            self._endpoint = await SipEndpoint.open(
                where.host,
                where.port,
                on_call=self._on_call,
                advertised_host=where.advertised_host,
                allow_call=self._calls.admit,
            )
        except OSError as error:
            raise StartError(
                f"SIP cannot listen on {where.host}:{where.port} ({error.strerror}): stop what uses"
                " it, or set [sip] port or --sip-port"
            ) from error

    def _on_call(self, call: IncomingCall) -> None:
        call.ring()
        self._calls.take(SipLeg(call, media=self._media))
