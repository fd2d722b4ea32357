"""A network that loses, delays, shuffles and doubles: a UDP proxy on this machine, one way.

The caller sends its audio to the proxy instead of to the far end; the far end sees the proxy as its
peer. Only what goes to the far end is impaired, so that a recording made by the caller shows what
the far end really sent. What becomes of a packet is decided by `Channel`, which is pure; TCP has a
proxy of its own in loadtest/impair_tcp.py.
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
_QUEUE_S: Final = 0.2  # a bottleneck's buffer: what would wait longer is dropped
_UDP_OVERHEAD: Final = 28  # IPv4 and UDP headers count towards the bandwidth


@dataclass(frozen=True, slots=True, kw_only=True)
class Impairment:
    loss: float = 0.0  # share of packets that never arrive, each on its own
    burst_loss: float = 0.0  # share that never arrive because they are in a burst
    burst_packets: float = 5.0  # mean length of such a burst
    delay_s: float = 0.0  # of every packet
    jitter_s: float = 0.0  # at most so much more or less, evenly spread; may change their order
    reorder: float = 0.0  # share held back for so long that others overtake
    reorder_s: float = 0.030
    duplicate: float = 0.0  # share that arrive twice
    bandwidth_bps: float | None = None  # bits per second, headers included
    stall_every_s: float = 0.0  # 0: never
    stall_s: float = 0.0  # nothing moves for so long, and then all at once
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.loss <= 1 or self.jitter_s > self.delay_s or self.jitter_s < 0:
            raise ValueError("loss is 0 to 1, and jitter not below 0 or above delay")
        shares = (self.burst_loss, self.reorder, self.duplicate)
        if not all(0 <= share < 1 for share in shares) or self.burst_packets < 1:
            raise ValueError("shares are 0 to below 1, and a burst is at least one packet")
        if self.bandwidth_bps is not None and self.bandwidth_bps <= 0:
            raise ValueError("a bandwidth is above 0")
        if self.stall_s < 0 or (self.stall_s > 0 and self.stall_every_s <= self.stall_s):
            raise ValueError("stalls come further apart than they last")

    @property
    def stalls(self) -> bool:
        return self.stall_s > 0


class Bursts:
    """The Gilbert–Elliott channel: two states, and in the bad one everything is lost."""

    def __init__(self, impairment: Impairment, random: Random) -> None:
        share = impairment.burst_loss
        self._leave_bad = 1 / impairment.burst_packets
        # So that the chain is in its bad state for `share` of the time.
        self._enter_bad = self._leave_bad * share / (1 - share)
        self._random = random
        self._bad = False

    def lose(self) -> bool:
        """Step once per packet; whether this one is lost."""
        if not self._enter_bad:
            return False
        change = self._leave_bad if self._bad else self._enter_bad
        if self._random.random() < change:
            self._bad = not self._bad
        return self._bad


class Bottleneck:
    """A link of limited bandwidth that stalls now and then: when a piece of data is through."""

    def __init__(self, impairment: Impairment) -> None:
        self._impairment = impairment
        self._free_s = 0.0

    def through_s(self, size: int, now_s: float) -> float:
        """When `size` octets that come now will have passed; never before those ahead of them."""
        start_s = max(now_s, self._free_s)
        rate = self._impairment.bandwidth_bps
        end_s = self._after_stall(start_s + (8 * size / rate if rate is not None else 0.0))
        self._free_s = end_s
        return end_s

    def _after_stall(self, at_s: float) -> float:
        """`at_s`, or the end of the stall it lies in; each stall ends its period."""
        if not self._impairment.stalls:
            return at_s
        period_s = self._impairment.stall_every_s
        left_s = period_s - at_s % period_s
        return at_s + left_s if left_s <= self._impairment.stall_s else at_s


class Channel:
    """What becomes of each packet; pure, feed it in order of time."""

    def __init__(self, impairment: Impairment) -> None:
        self._impairment = impairment
        self._random = Random(impairment.seed)
        self._bursts = Bursts(impairment, self._random)
        self._link = Bottleneck(impairment)

    def arrivals(self, size: int, now_s: float) -> tuple[float, ...]:
        """When a packet of `size` octets sent now arrives: never, once or twice."""
        fate, random = self._impairment, self._random
        lost = self._bursts.lose()
        if lost or random.random() < fate.loss:
            return ()
        through_s = self._link.through_s(size + _UDP_OVERHEAD, now_s)
        if fate.bandwidth_bps is not None and through_s - now_s > _QUEUE_S + fate.stall_s:
            return ()
        at_s = through_s + fate.delay_s + random.uniform(-fate.jitter_s, fate.jitter_s)
        if fate.reorder and random.random() < fate.reorder:
            at_s += fate.reorder_s
        if fate.duplicate and random.random() < fate.duplicate:
            return at_s, at_s
        return (at_s,)


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
        self._channel = Channel(impairment)
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
        now_s = asyncio.get_running_loop().time()
        arrivals = self._channel.arrivals(len(data), now_s)
        if not arrivals or len(self._in_flight) >= _MAX_IN_FLIGHT:
            self.dropped += 1
            return
        for at_s in arrivals:
            self._deliver(data, at_s, now_s)

    def _deliver(self, data: bytes, at_s: float, now_s: float) -> None:
        if at_s <= now_s:
            self._send(data, self._remote)
            return
        loop = asyncio.get_running_loop()
        timer = loop.call_at(at_s, lambda: self._arrive(timer, data))
        self._in_flight.add(timer)

    def _arrive(self, timer: asyncio.TimerHandle, data: bytes) -> None:
        self._in_flight.discard(timer)
        self._send(data, self._remote)

    def _send(self, data: bytes, to: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, to)
