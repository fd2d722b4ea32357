"""The SIP door: datagrams become legs, legs become calls."""

from functools import partial

from server.calls import Calls
from server.config import RtpConfig, SipConfig
from server.errors import StartError
from telephony.rtp.ports import PortRange
from telephony.sip.endpoint import SipEndpoint
from telephony.sip.incoming_call import IncomingCall
from telephony.sip_leg import SipLeg


class SipDoor:
    """Takes calls over SIP and hands them on."""

    def __init__(self, config: SipConfig, rtp: RtpConfig, calls: Calls) -> None:
        self._config, self._rtp, self._calls = config, rtp, calls
        self._ports = PortRange(rtp.port_min, rtp.port_max)
        self._endpoint: SipEndpoint | None = None

    @classmethod
    async def open(cls, config: SipConfig, rtp: RtpConfig, calls: Calls) -> "SipDoor":
        """Bind the SIP port and start taking calls.

        Raises:
            StartError: the address cannot be bound.
        """
        door = cls(config, rtp, calls)
        try:
            door._endpoint = await SipEndpoint.open(
                config.host,
                config.port,
                on_call=door._on_call,
                advertised_host=config.advertised_host,
                allow_call=calls.admit,
            )
        except OSError as error:
            raise StartError(
                f"SIP cannot listen on {config.host}:{config.port} ({error.strerror}): stop what"
                " uses it, or set [sip] port or --sip-port"
            ) from error
        return door
