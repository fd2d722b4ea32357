"""The asyncio shell of an outgoing SIP call: one UDP socket, one call.

async with SipPhone.open(target, caller="alice") as phone:
    answer = await phone.dial(media_port=40000)
    ...
    await phone.hang_up()
"""

import asyncio
import contextlib
import secrets
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, assert_never

from loadtest.errors import CallFailedError, UnreachableError
from loadtest.sdp import RemoteMedia, write_answer, write_offer
from loadtest.sip_call import (
    TIMER_B_S,
    Answered,
    CallSetup,
    CallState,
    Ended,
    Failed,
    MediaChanged,
    OutgoingCall,
    Output,
    Rang,
)
from loadtest.sip_requests import Address, Transmit
from loadtest.sip_uri import SipUri

_TICK_S: Final = 0.05  # a tenth of T1: repeats are at most that late
_LINGER_S: Final = 0.2  # after the end: repeated BYEs and refusals on loopback and LAN still come
_IP_RECVERR: Final = 11  # linux/in.h: ICMP errors for an unconnected UDP socket
_MSG_ERRQUEUE: Final = 0x2000  # linux/socket.h


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The call is up."""

    media: RemoteMedia
    setup_s: float  # INVITE sent to 200 OK received


class SipPhone(asyncio.DatagramProtocol):
    """A phone that makes one call. Open it with `SipPhone.open`."""

    def __init__(self, target: SipUri, destination: Address, caller: str) -> None:
        self._target = target
        self._destination = destination
        self._caller = caller
        self._socket: socket.socket | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._call: OutgoingCall | None = None
        self._answered: asyncio.Future[RemoteMedia] | None = None
        self._ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._stirred = asyncio.Event()  # something was sent or received: there may be timers
        self.local: Address = ("", 0)
        self.on_media_changed: Callable[[RemoteMedia], None] = lambda media: None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, target: str, *, caller: str = "caller", local_host: str | None = None
    ) -> AsyncGenerator["SipPhone"]:
        """A phone with its socket; leaving the context hangs up and closes it.

        Raises:
            BadTargetError: not a SIP URI over UDP.
            UnreachableError: the host is unknown, or no socket can be opened towards it.
        """
        uri = SipUri.parse(target)
        destination = await _resolve(uri)
        phone = cls(uri, destination, caller)
        try:
            phone._open(local_host or _local_address_towards(destination))
        except OSError as error:
            raise UnreachableError(f"{target}: no UDP socket: {error.strerror or error}") from error
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: phone, sock=phone._socket)
        phone._transport = transport
        ticking = asyncio.create_task(phone._keep_time(), name="sip-timers")
        try:
            yield phone
        finally:
            try:
                await phone.hang_up()
            finally:
                ticking.cancel()
                await asyncio.gather(ticking, return_exceptions=True)
                transport.close()

    # --- the call ---------------------------------------------------------------------------------

    async def dial(self, *, media_port: int, ring_timeout_s: float = TIMER_B_S) -> Answer:
        """Call, and wait until somebody answers.

        Args:
            media_port: where our RTP socket listens, on this phone's address.
            ring_timeout_s: without a final answer by then, CANCEL.

        Raises:
            UnreachableError: nothing listens, no answer in time.
            RefusedError: a final error.
            PeerError: an answer without audio that we can use.
        """
        loop = asyncio.get_running_loop()
        session = secrets.randbelow(1 << 31)
        host = self.local[0]
        setup = CallSetup(
            target=self._target,
            destination=self._destination,
            local=self.local,
            caller=self._caller,
            offer=write_offer(host, media_port, session=session),
            answer_offer=lambda offer: write_answer(host, media_port, session=session, offer=offer),
            token=lambda: secrets.token_hex(8),
            ring_timeout_s=ring_timeout_s,
        )
        self._call = OutgoingCall(setup)
        self._answered = loop.create_future()
        started_s = loop.time()
        self._carry_out(self._call.dial(started_s))
        try:
            media = await self._answered
        except CallFailedError as error:
            error.after_s = loop.time() - started_s
            raise
        return Answer(media=media, setup_s=loop.time() - started_s)

    async def hang_up(self, reason: str = "hung up") -> Ended | None:
        """End the call, wait for the confirmation, answer late repetitions; idempotent.

        Returns how the call ended; None when it never came about.
        """
        call = self._call
        if call is None:
            return None
        self._carry_out(call.hang_up(asyncio.get_running_loop().time(), reason))
        if call.state is CallState.LEAVING:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._ended), timeout=5)
        await asyncio.sleep(_LINGER_S)
        self._call = None
        return self._ended.result() if self._ended.done() else None

    @property
    def ended(self) -> Ended | None:
        """How the call ended, once it has."""
        return self._ended.result() if self._ended.done() else None

    async def wait_ended(self) -> Ended:
        """Wait until the far end hangs up, or the network fails."""
        return await asyncio.shield(self._ended)

    # --- socket and timers ------------------------------------------------------------------------

    def _open(self, host: str) -> None:
        self._socket = sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind((host, 0))
        if sys.platform == "linux":
            sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        self.local = sock.getsockname()

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if self._call is not None:
            now_s = asyncio.get_running_loop().time()
            self._carry_out(self._call.receive(data, (str(addr[0]), addr[1]), now_s))

    def error_received(self, exc: Exception) -> None:
        self._drain_error_queue()
        if self._call is not None and isinstance(exc, ConnectionRefusedError):
            self._carry_out(self._call.connection_refused())

    def _drain_error_queue(self) -> None:
        """Take the ICMP errors off the socket: while they are there, the loop spins on it."""
        if self._socket is None or sys.platform != "linux":
            return
        with contextlib.suppress(OSError):
            while True:
                self._socket.recvmsg(1, 512, _MSG_ERRQUEUE)

    async def _keep_time(self) -> None:
        while True:
            if self._call is None or self._call.idle:
                self._stirred.clear()
                await self._stirred.wait()
            await asyncio.sleep(_TICK_S)
            if self._call is not None:
                self._carry_out(self._call.tick(asyncio.get_running_loop().time()))

    def _carry_out(self, outputs: Iterable[Output]) -> None:
        self._stirred.set()
        for output in outputs:
            match output:
                case Transmit(data=data, to=to):
                    if self._transport is not None and not self._transport.is_closing():
                        self._transport.sendto(data, to)
                case Rang():
                    pass
                case Answered(media=media):
                    self._settle(media)
                case MediaChanged(media=media):
                    self.on_media_changed(media)
                case Failed(error=error):
                    self._settle(error)
                case Ended():
                    self._settle(UnreachableError(f"the call ended at once: {output.reason}"))
                    if not self._ended.done():
                        self._ended.set_result(output)
                case _:
                    assert_never(output)

    def _settle(self, result: RemoteMedia | CallFailedError) -> None:
        if self._answered is None or self._answered.done():
            return
        if isinstance(result, CallFailedError):
            self._answered.set_exception(result)
        else:
            self._answered.set_result(result)


async def _resolve(uri: SipUri) -> Address:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(
            uri.host, uri.port, family=socket.AF_INET, type=socket.SOCK_DGRAM
        )
    except OSError as error:
        raise UnreachableError(f"unknown host {uri.host!r}: {error.strerror or error}") from error
    address = found[0][4]
    return str(address[0]), int(address[1])


def _local_address_towards(destination: Address) -> str:
    """The address of ours that routes to `destination`; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(destination)
        return str(probe.getsockname()[0])
