"""The SIP door: INVITEs become legs, legs become calls; and calls of ours go out."""

from collections.abc import Mapping, Sequence

from server.calls import Calls
from server.config import RtpConfig, SipConfig
from server.errors import StartError
from server.listening import binding
from telephony.leg import LegRefusedError
from telephony.outgoing_sip_leg import OutgoingSipLeg
from telephony.rtp.exchange import RtpExchange
from telephony.rtp.ports import PortRange
from telephony.sip.digest import Credentials
from telephony.sip.endpoint import SipEndpoint, new_token
from telephony.sip.errors import MalformedValueError
from telephony.sip.incoming_call import IncomingCall
from telephony.sip.live_call import LiveCall
from telephony.sip.outgoing_call import DialOptions
from telephony.sip.outputs import Address
from telephony.sip.registrar import Binding, Registrar, Secrets
from telephony.sip.replaces import Replaces
from telephony.sip.uri import parse_uri
from telephony.sip.wire import Wire
from telephony.sip_leg import MediaOptions, SipLeg

_EVERY_ADDRESS = "0.0.0.0"  # noqa: S104


class SipDoor:
    """Takes calls over SIP and hands them on, and makes calls."""

    def __init__(
        self,
        config: SipConfig,
        media: MediaOptions,
        calls: Calls,
        agents: Secrets | None,
        wire: Wire | None,
    ) -> None:
        self._config, self._media, self._calls, self._wire = config, media, calls, wire
        self._registrar = None if agents is None else _registrar(config, agents)
        self._proxy = _proxy(config)
        self._endpoint: SipEndpoint | None = None

    @classmethod
    async def open(
        cls,
        config: SipConfig,
        rtp: RtpConfig,
        calls: Calls,
        *,
        exchange: RtpExchange | None = None,
        agents: Secrets | None = None,
        wire: Wire | None = None,
    ) -> "SipDoor":
        """Bind the SIP port and start taking calls.

        Args:
            exchange: reads and sends the media of all calls together, on each tick.
            agents: what is kept of the passwords of agents' phones; None: phones cannot register.
            wire: the way to the network where another process has the SIP port.

        Raises:
            StartError: the address cannot be bound, the range of media ports is unusable, or the
                proxy is no address.
        """
        try:
            ports = PortRange(rtp.port_min, rtp.port_max)
        except ValueError as error:
            raise StartError(f"{error}: set [rtp] port_min and port_max") from error
        media = MediaOptions(
            ports=ports,
            bind_host=config.host,
            advertised_host=config.advertised_host,
            exchange=exchange,
            timeout_s=rtp.media_timeout_s,
        )
        door = cls(config, media, calls, agents, wire)
        await door._bind()
        return door

    @property
    def uri(self) -> str:
        """What to dial on this machine."""
        assert self._endpoint is not None
        host, port = self._endpoint.local_address
        return f"sip:frontdesk@{'127.0.0.1' if host == _EVERY_ADDRESS else host}:{port}"

    @property
    def open_dialogs(self) -> int:
        """Calls over SIP in either direction, those on their way out included."""
        assert self._endpoint is not None
        return self._endpoint.call_count

    @property
    def call_ids(self) -> Sequence[str]:
        """Of the same."""
        assert self._endpoint is not None
        return self._endpoint.call_ids

    @property
    def ports_in_use(self) -> int:
        """Media ports lent to calls."""
        return self._media.ports.taken

    def contacts(self, user: str) -> tuple[Binding, ...]:
        """Where an agent's phones are, latest registration first; none: not registered."""
        assert self._endpoint is not None
        return self._endpoint.contacts(user)

    async def dial(self, target: str, headers: Mapping[str, str] | None = None) -> OutgoingSipLeg:
        """Call an agent's phone, an extension or a number; set the leg's callbacks at once.

        Args:
            target: the user of a registered phone, a sip URI, or whatever the proxy knows.
            headers: header fields for the INVITE: User-to-User and the like.

        Raises:
            LegRefusedError: nothing could be sent: 480 for a bare name that is not registered and
                without a proxy to ask, 404 for a host without an address, 503 without a free port.
            LocalProtocolError: a header field is none, or the door is closed.
        """
        assert self._endpoint is not None
        return await OutgoingSipLeg.dial(
            self._endpoint, self._options(target, headers or {}), media=self._media
        )

    def _options(self, target: str, headers: Mapping[str, str]) -> DialOptions:
        fields = tuple(headers.items())
        config, password = self._config, self._config.proxy_password
        phones = self.contacts(target)
        if phones:
            return DialOptions(
                target=str(phones[0].contact),
                reach=phones[0].source,
                from_uri=config.caller,
                headers=fields,
            )
        return DialOptions(
            target=self.address_of(target),
            proxy=self._proxy,
            from_uri=config.caller,
            headers=fields,
            credentials=Credentials(user=config.proxy_user, password=password.get_secret_value())
            if config.proxy_user and password
            else None,
        )

    def address_of(self, target: str) -> str:
        """Where a target is called, by whoever calls it: also a caller whom we refer there.

        Raises:
            LegRefusedError: it is a bare name or number, not registered, with no proxy to ask.
        """
        if phones := self.contacts(target):
            return str(phones[0].contact)
        if ":" in target:
            return target
        if self._config.proxy is None:
            raise LegRefusedError(480, f"{target} has no phone")
        return f"sip:{target}@{self._config.proxy}"

    def call_replaced_by(self, replaces: Replaces) -> LiveCall:
        """The call of ours, in either direction, that is named so.

        Raises:
            DialogError: there is none (481), or it must not be replaced.
        """
        assert self._endpoint is not None
        return self._endpoint.call_replaced_by(replaces)

    async def close(self) -> None:
        """Say goodbye to whoever is still there, and unbind."""
        assert self._endpoint is not None
        await self._endpoint.close()

    async def _bind(self) -> None:
        where = self._config
        with binding("SIP", where.host, where.port, setting="[sip] port or --sip-port"):
            self._endpoint = await SipEndpoint.open(
                where.host,
                where.port,
                on_call=self._on_call,
                advertised_host=where.advertised_host,
                allow_call=lambda caller, source: self._calls.admit(caller=caller, trunk=source[0]),
                busy=lambda source: self._calls.busy(trunk=source[0]),
                registrar=self._registrar,
                wire=self._wire,
            )

    def _on_call(self, call: IncomingCall) -> None:
        call.ring()
        trunk = call.peer.rpartition(":")[0]
        self._calls.take(SipLeg(call, media=self._media), trunk=trunk)


def _registrar(config: SipConfig, agents: Secrets) -> Registrar:
    return Registrar(realm=config.realm, secrets=agents, token=new_token, algorithms=config.digest)


def _proxy(config: SipConfig) -> Address | None:
    if config.proxy is None:
        return None
    try:
        return parse_uri(f"sip:{config.proxy}").address
    except MalformedValueError as error:
        raise StartError(f"{config.proxy!r} is no proxy: set [sip] proxy to host:port") from error
