"""A network that loses, delays and shuffles: a UDP proxy on this machine, one way or both.

The caller sends its audio to the proxy instead of to the far end; the far end sees the proxy as its
peer. Only what goes to the far end is impaired, so that a recording made by the caller shows what
the far end really sent.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from random import Random
from typing import Any, Final, TypeAlias

from loadtest.errors import UnreachableError

Address: TypeAlias = tuple[str, int]

_MAX_IN_FLIGHT: Final = 1_000  # 20 s of one call's packets; what comes beyond is dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class Impairment:
    loss: float = 0.0  # share of packets that never arrive, each on its own
    delay_s: float = 0.0  # of every packet
    jitter_s: float = 0.0  # at most so much more or less, evenly spread; may change their order
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.loss <= 1 or self.jitter_s > self.delay_s or self.jitter_s < 0:
            raise ValueError("loss is 0 to 1, and jitter not below 0 or above delay")


class _Leg(asyncio.DatagramProtocol):
    """One socket of the proxy; hands on what it receives."""

    def __init__(self, proxy: "ImpairedPath") -> None:
        self._proxy = proxy

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._proxy.receive(data, (str(addr[0]), addr[1]))

    def error_received(self, exc: Exception) -> None:
        """The far end is gone: as on a real network, its packets just vanish."""


class ImpairedPath:
    """The way to `remote`; packets from there go back unimpaired to whoever sent last."""

    def __init__(self, remote: Address, impairment: Impairment) -> None:
        self._remote = remote
        self._impairment = impairment
        self._random = Random(impairment.seed)
        self._near: Address | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._in_flight: set[asyncio.TimerHandle] = set()
        self.address: Address = ("", 0)
        self.dropped = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, remote: Address, impairment: Impairment) -> AsyncGenerator["ImpairedPath"]:
        """A proxy on this machine, on the address that routes to `remote`.

        Raises:
            UnreachableError: no socket can be opened towards `remote`.
        """
        path = cls(remote, impairment)
        loop = asyncio.get_running_loop()
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect(remote)  # no packet is sent
                host = str(probe.getsockname()[0])
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Leg(path), local_addr=(host, 0)
            )
        except OSError as error:
            raise UnreachableError(f"no proxy towards {remote[0]}: {error.strerror}") from error
        path._transport = transport
        path.address = transport.get_extra_info("sockname")
        try:
            yield path
        finally:
            for timer in path._in_flight:
                timer.cancel()
            transport.close()

    def receive(self, data: bytes, sender: Address) -> None:
        """Hand one packet on, or lose it."""
        if sender == self._remote:
            if self._near is not None:
                self._send(data, self._near)
            return
        self._near = sender
        fate = self._impairment
        if self._random.random() < fate.loss or len(self._in_flight) >= _MAX_IN_FLIGHT:
            self.dropped += 1
            return
        delay_s = fate.delay_s + self._random.uniform(-fate.jitter_s, fate.jitter_s)
        if delay_s <= 0:
            self._send(data, self._remote)
            return
        loop = asyncio.get_running_loop()
        timer = loop.call_later(delay_s, lambda: self._arrive(timer, data))
        self._in_flight.add(timer)

    def _arrive(self, timer: asyncio.TimerHandle, data: bytes) -> None:
        self._in_flight.discard(timer)
        self._send(data, self._remote)

    def _send(self, data: bytes, to: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, to)
