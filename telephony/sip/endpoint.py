"""The SIP endpoint: a UDP socket and a clock around the sans-I/O core.

Every datagram and every timer goes into the core, and what the core hands back is carried out at
once: octets are sent, calls are told. Nothing here decides anything about SIP.
"""

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from ipaddress import ip_address
from typing import Final, assert_never, cast

from telephony.leg import LegRefusedError
from telephony.sip.commands import CallCommand, DeclineRefer
from telephony.sip.errors import LocalProtocolError, MalformedValueError
from telephony.sip.headers import NameAddress
from telephony.sip.incoming_call import IncomingCall
from telephony.sip.live_call import LiveCall
from telephony.sip.local_host import local_host_towards
from telephony.sip.outgoing_call import DialOptions, OutgoingCall
from telephony.sip.outputs import (
    Address,
    CallClosed,
    CallEnded,
    CallEstablished,
    CallOffered,
    CallOutput,
    CallRinging,
    DialogId,
    KeySignalled,
    MediaChanged,
    Output,
    ReferProgressed,
    ReferReceived,
    RenegotiationEnded,
    Transmit,
)
from telephony.sip.placed_call import Dial
from telephony.sip.referral import ReferRequest
from telephony.sip.registrar import Binding, Registrar
from telephony.sip.replaces import Replaces
from telephony.sip.statistics import EndpointStatistics
from telephony.sip.uri import bracketed, parse_uri
from telephony.sip.user_agent import UserAgent
from telephony.sip.wire import Wire

__all__ = ["EndpointStatistics", "IncomingCall", "OutgoingCall", "SipEndpoint"]

CLOSING_RETRY_S: Final = 5  # Retry-After while the server goes down: another one will be up by then
_TOKEN_BYTES: Final = 8  # §19.3 asks for 32 random bits in a tag at least
_PEERS_REMEMBERED: Final = 1024  # addresses whose route was looked up

log = logging.getLogger(__name__)


def new_token() -> str:
    """Text that never repeats and nobody can guess."""
    return secrets.token_hex(_TOKEN_BYTES)


class SipEndpoint(asyncio.DatagramProtocol):
    """Receives and makes calls over UDP. Made by `open`.

    Attributes:
        statistics: counts, live.
    """

    def __init__(
        self,
        *,
        on_call: Callable[[IncomingCall], None],
        advertised_host: str | None,
        user_agent: str,
        allow_call: Callable[[str, Address], int | None],
        busy: Callable[[Address], int | None],
        registrar: Registrar | None,
        call_id_prefix: str = "",
    ) -> None:
        self._core = UserAgent(
            token=new_token,
            admit=self._admit,
            busy=self._is_busy,
            user_agent=user_agent,
            registrar=registrar,
            call_id_prefix=call_id_prefix,
        )
        self._registrar = registrar
        self.statistics: EndpointStatistics = self._core.statistics
        self._on_call = on_call
        self._allow_call, self._busy = allow_call, busy
        self._advertised_host = advertised_host
        self._loop = asyncio.get_running_loop()
        self._calls: dict[DialogId, LiveCall] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._bound: Address = ("", 0)
        self._is_closing = False
        self._is_unbound = asyncio.Event()
        self._local_host_towards = lru_cache(_PEERS_REMEMBERED)(self._find_local_host)

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        *,
        on_call: Callable[[IncomingCall], None],
        advertised_host: str | None = None,
        user_agent: str = "frontdesk",
        allow_call: Callable[[str, Address], int | None] = lambda caller, source: None,
        busy: Callable[[Address], int | None] = lambda source: None,
        registrar: Registrar | None = None,
        wire: Wire | None = None,
    ) -> "SipEndpoint":
        """Bind and start receiving calls.

        Args:
            host: address to bind; "0.0.0.0" for all.
            port: UDP port; 0 for any free one, see `local_address`.
            on_call: called on the event loop with each new call; it must set the call's callbacks
                and return at once (start a task for the rest). If it raises, the call gets 500.
            advertised_host: the IP address peers reach us at, when it is not the one they see in
                the routing table (behind NAT). None: the local address towards each peer.
            user_agent: the product name in Server fields.
            allow_call: asked before each new call, with the caller's URI as stated and where the
                INVITE came from: None admits it; a number refuses it with 503 and that many seconds
                of Retry-After. It must return at once; on_call follows before anything else does.
            busy: what a call from there would be told now, for peers that only probe (OPTIONS).
            registrar: serves REGISTER; None: phones cannot register.
            wire: the way to the network, where the port is not ours to bind.

        Raises:
            OSError: the address cannot be bound.
        """
        endpoint = cls(
            on_call=on_call,
            advertised_host=advertised_host,
            user_agent=user_agent,
            allow_call=allow_call,
            busy=busy,
            registrar=registrar,
            call_id_prefix="" if wire is None else wire.call_id_prefix,
        )
        if wire is None:
            await endpoint._loop.create_datagram_endpoint(lambda: endpoint, local_addr=(host, port))
        else:
            wire.attach(endpoint)
        return endpoint

    @property
    def local_address(self) -> tuple[str, int]:
        """The bound address."""
        return self._bound

    @property
    def call_count(self) -> int:
        """Calls that are offered or under way, up, or on their way out."""
        return len(self._calls)

    @property
    def call_ids(self) -> Sequence[str]:
        """Of the same."""
        return [dialog_id.call_id for dialog_id in self._calls]

    def contacts(self, user: str) -> tuple[Binding, ...]:
        """Where the user's phones are, latest registration first."""
        if self._registrar is None:
            return ()
        return self._registrar.contacts(user, self._loop.time())

    def call_replaced_by(self, replaces: Replaces) -> LiveCall:
        """
        Raises:
            DialogError: no call of ours is meant (481), or it must not be replaced.
        """
        return self._calls[self._core.replaced_by(replaces)]

    async def dial(
        self, options: DialOptions, *, media_port: int, media_host: str | None = None
    ) -> OutgoingCall:
        """Call somebody; set the call's callbacks before anything else is awaited.

        A target or proxy given by name is looked up as an address, without NAPTR and SRV.

        Args:
            media_port: UDP port our RTP is received at.
            media_host: IP address of the same; None: our address as the destination reaches it.

        Raises:
            MalformedValueError: the target or the caller is no sip URI.
            LocalProtocolError: a header field is none, or the endpoint is closed.
            OSError: a name has no address.
        """
        target = parse_uri(options.target)
        if not target.is_sip:
            raise MalformedValueError(f"cannot dial {target.scheme}", status=416)
        destination = await self._resolve(options.reach or options.proxy or target.address)
        if self._transport is None or self._is_closing:
            raise LocalProtocolError("the endpoint is closed")
        local = (self._local_host_towards(destination[0]), self._bound[1])
        caller = f"sip:frontdesk@{bracketed(local[0])}:{local[1]}"
        proxy = None if options.proxy is None else _route(destination)
        dial = Dial(
            target=target,
            caller=NameAddress(
                uri=parse_uri(options.from_uri or caller), display_name=options.from_name
            ),
            destination=destination,
            local=local,
            media_host=media_host or local[0],
            media_port=media_port,
            routes=() if proxy is None else (proxy,),
            through=options.reach is not None,
            fields=options.headers,
            credentials=options.credentials,
        )
        dialog_id, outputs = self._core.dial(dial, self._loop.time())
        peer = f"{destination[0]}:{destination[1]}"
        call = OutgoingCall(self, dialog_id, target=options.target, peer=peer, local_host=local[0])
        self._calls[dialog_id] = call
        log.info("calling", extra={"call_id": call.call_id, "peer": peer})
        self._carry_out(outputs)
        return call

    async def _resolve(self, address: Address) -> Address:
        host, port = address
        try:
            return str(ip_address(host)), port
        except ValueError:
            family = socket.AF_INET6 if ":" in self._bound[0] else socket.AF_INET
            found = await self._loop.getaddrinfo(host, port, family=family, type=socket.SOCK_DGRAM)
            return str(found[0][4][0]), port

    async def close(self, *, timeout_s: float = 2.0) -> None:
        """Refuse new calls, hang up the live ones, wait for them at most `timeout_s`, unbind.

        Idempotent.
        """
        self._is_closing = True
        transport = self._transport
        if transport is None:
            return
        for dialog_id in list(self._calls):
            self.hang_up(dialog_id)  # at once: the wait below may be cut to nothing
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*(call.hang_up() for call in list(self._calls.values())))
        except TimeoutError:
            log.warning("calls left unfinished at close", extra={"calls": len(self._calls)})
        finally:
            transport.close()
        await self._is_unbound.wait()

    # --- asyncio.DatagramProtocol ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self._bound = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        source = (addr[0], addr[1])  # IPv6 brings flow and scope along
        local = (self._local_host_towards(source[0]), self._bound[1])
        self._carry_out(self._core.receive_datagram(data, source, local, self._loop.time()))

    def error_received(self, exc: Exception) -> None:
        # An ICMP error for something sent earlier, without saying to whom: timers take care of it.
        log.debug("datagram not delivered", extra={"error": str(exc)})

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        for call in self._calls.values():
            call.note_ended("network_error")
            call.note_closed()
        self._calls.clear()
        self._is_unbound.set()

    # --- live_call.CallControl ------------------------------------------------------------------

    def ring(self, dialog_id: DialogId) -> None:
        self._carry_out(self._core.ring(dialog_id, self._loop.time()))

    def answer(self, dialog_id: DialogId, local_host: str, local_port: int) -> None:
        now_s = self._loop.time()
        self._carry_out(self._core.answer(dialog_id, local_host, local_port, now_s))

    def refuse(self, dialog_id: DialogId, status: int, retry_after_s: int | None) -> None:
        now_s = self._loop.time()
        self._carry_out(self._core.refuse(dialog_id, status, now_s, retry_after_s=retry_after_s))

    def hang_up(self, dialog_id: DialogId) -> None:
        self._carry_out(self._core.hang_up(dialog_id, self._loop.time()))

    def obey(self, dialog_id: DialogId, command: CallCommand) -> None:
        self._carry_out(self._core.obey(dialog_id, command, self._loop.time()))

    def dialog_of(self, dialog_id: DialogId) -> DialogId | None:
        return self._core.dialog_of(dialog_id)

    # --- inside ---------------------------------------------------------------------------------

    def _carry_out(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            self._carry_out_one(output)
        self._set_timer()

    def _carry_out_one(self, output: Output) -> None:
        if isinstance(output, Transmit):
            if self._transport is not None:
                self._transport.sendto(output.data, output.destination)
        elif isinstance(output, CallOffered):
            self._offer(output)
        elif (call := self._calls.get(output.dialog_id)) is not None:
            self._tell(call, output)

    def _tell(self, call: LiveCall, output: CallOutput) -> None:
        match output:
            case CallRinging():
                call.note_ringing()
            case CallEstablished():
                call.note_established(output.agreement)
            case MediaChanged():
                call.note_media_changed(output.agreement)
            case RenegotiationEnded():
                call.note_renegotiated(output.status)
            case KeySignalled():
                call.note_key(output.key)
            case ReferReceived():
                self._take_refer(call, output)
            case ReferProgressed():
                call.note_referral(output.referral, output.status, is_final=output.is_final)
            case CallEnded():
                log.info("call ended", extra={"call_id": call.call_id, "reason": output.reason})
                call.note_ended(output.reason, _error(output))
            case CallClosed():
                del self._calls[output.dialog_id]
                call.note_closed()
            case _:
                assert_never(output)

    def _take_refer(self, call: LiveCall, received: ReferReceived) -> None:
        obey = partial(self.obey, received.dialog_id)
        try:
            request = ReferRequest(obey, received)
        except MalformedValueError as error:
            log.info("REFER not understood", extra={"call_id": call.call_id, "error": str(error)})
            obey(DeclineRefer(referral=received.referral, status=400))
        else:
            call.note_refer(request)

    def _offer(self, offered: CallOffered) -> None:
        call = IncomingCall(self, offered)
        self._calls[offered.dialog_id] = call
        log.info("call offered", extra={"call_id": call.call_id, "peer": call.peer})
        take = self._on_call if offered.replaces is None else self._calls[offered.replaces].replace
        try:
            take(call)
        except Exception:
            log.exception("on_call failed", extra={"call_id": call.call_id})
            with suppress(LocalProtocolError):  # it had got as far as an answer
                call.reject(500)
            self.hang_up(offered.dialog_id)

    def _admit(self, caller: str, source: Address) -> int | None:
        if self._is_closing:
            return CLOSING_RETRY_S
        try:
            return self._allow_call(caller, source)
        except Exception:
            log.exception("allow_call failed")
            return CLOSING_RETRY_S

    def _is_busy(self, source: Address) -> int | None:
        return CLOSING_RETRY_S if self._is_closing else self._busy(source)

    def _set_timer(self) -> None:
        deadline_s = self._core.next_deadline_s()
        if deadline_s is None or self._transport is None:
            return  # a timer that is still set will find nothing to do
        if self._timer is not None:
            if self._timer.when() <= deadline_s:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._carry_out(self._core.tick(self._loop.time()))

    def _find_local_host(self, peer_host: str) -> str:
        return self._advertised_host or local_host_towards(peer_host, self._bound[0])


def _route(proxy: Address) -> NameAddress:
    host, port = proxy
    return NameAddress(uri=parse_uri(f"sip:{bracketed(host)}:{port};lr"))


def _error(ended: CallEnded) -> Exception | None:
    """What whoever waits for the call to get up is told."""
    if ended.error is not None or ended.status is None:
        return ended.error
    return LegRefusedError(ended.status, ended.phrase)
