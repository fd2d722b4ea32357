"""The audio of a browser, an agent's or a caller's, over aiortc: what it sends and all it hears.

What it hears is taken as it arrives, before aiortc's jitter buffer, which would add 80 ms
that are aiortc's own and not the server's; PCMU goes out ready made, so that twenty agents in one
process cost little beside the server they measure.
"""

import asyncio
import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from typing import Any, Final, Protocol

import aioice.ice
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av.packet import Packet
from av.stream import Stream

from loadtest import g711
from loadtest.clock import MediaClock
from loadtest.media import LISTENING_DELAY
from loadtest.pcm import FRAME_S, FRAME_SAMPLES, RATE_HZ, SILENCE, Pcm
from loadtest.recorder import Track
from loadtest.rtp import Arrivals, RtpPacket
from loadtest.transfer.errors import AgentError

_CODEC: Final = "PCMU"
_TIME_BASE: Final = Fraction(1, RATE_HZ)
_QUEUED: Final = 10  # frames, 200 ms; the oldest gives way
_JITTER_BUFFER: Final = "_RTCRtpReceiver__jitter_buffer"
_CONNECT_S: Final = 15.0

_at: ContextVar[str | None] = ContextVar("our_address", default=None)
_all_addresses = aioice.ice.get_host_addresses


def _host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    chosen = _at.get()
    return _all_addresses(use_ipv4, use_ipv6) if chosen is None else [chosen]


aioice.ice.get_host_addresses = _host_addresses


@contextmanager
def _gathering_at(address: str | None) -> Generator[None]:
    """Offer only this address of ours; aioice leaves out loopback, and has no option for it."""
    token = _at.set(address)
    try:
        yield
    finally:
        _at.reset(token)


class _Received(Protocol):
    """The part of aiortc's RtpPacket that is used."""

    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    payload: bytes


class BrowserAudio:
    """One connection: `offer`, `take` the answer, wait for `connected`, `close`.

    Attributes:
        speak: gives the next 20 ms to send, by the sample at which they lie.
        on_frame: called each 20 ms with what is heard, 60 ms behind, as loadtest.media does.
        on_packet: told of each packet of audio: when it came, its timestamp, and the end of its
            place on our clock, in samples.
        on_message: told what the server says over the channel of the keys; "" when that closes.
        heard: everything, by our clock: sample n arrived at `time_of(n)`.
        arrivals: what was lost and what was late.
    """

    def __init__(self, clock: MediaClock, *, address: str | None = None) -> None:
        """`address`: the only one of this machine to be reached at; None: any."""
        self.speak: Callable[[int], Pcm] = lambda start: SILENCE
        self.on_frame: Callable[[Pcm], None] = lambda frame: None
        self.on_packet: Callable[[float, int, int], None] = lambda arrived_s, timestamp, end: None
        self.on_message: Callable[[str], None] = lambda message: None
        self.heard = Track()
        self._clock, self._address = clock, address
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._track = _Outgoing()
        self.arrivals = Arrivals()
        self._epoch_s = 0.0
        self._tick = 0
        self._joined = False
        self._settled: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._keys: RTCDataChannel = self._peer.createDataChannel("keys")
        self._keys.on("message", self._message_came)
        self._keys.on("close", self._channel_closed)
        transceiver = self._peer.addTransceiver(self._track, direction="sendrecv")
        known = RTCRtpSender.getCapabilities("audio").codecs
        transceiver.setCodecPreferences([c for c in known if c.mimeType == f"audio/{_CODEC}"])
        if not hasattr(transceiver.receiver, _JITTER_BUFFER):
            raise AgentError("this version of aiortc has no such jitter buffer to replace")
        setattr(transceiver.receiver, _JITTER_BUFFER, self)
        self._peer.on("connectionstatechange", self._state_changed)

    # --- the connection ---------------------------------------------------------------------------

    async def offer(self) -> str:
        """The SDP for the server, with all candidates."""
        with _gathering_at(self._address):
            await self._peer.setLocalDescription(await self._peer.createOffer())
        return self._peer.localDescription.sdp

    async def take(self, answer_sdp: str) -> None:
        """Connect as the server answered."""
        await self._peer.setRemoteDescription(RTCSessionDescription(sdp=answer_sdp, type="answer"))

    async def connected(self) -> None:
        """Wait until audio flows.

        Raises:
            AgentError: no way to the server was found.
        """
        async with asyncio.timeout(_CONNECT_S):
            if not await asyncio.shield(self._settled):
                raise AgentError("the audio of the desk found no way")

    def send(self, message: str) -> None:
        """Say it over the channel of the keys; lost while that is not open."""
        if self._keys.readyState == "open":
            self._keys.send(message)

    def vanish(self) -> None:
        """From now on nothing leaves and nothing arrives, and nobody is told: a cut cable."""
        dtls = self._peer.getSenders()[0].transport
        # aiortc has no such failure to offer: it is made where aioice meets the sockets.
        ice: Any = dtls.transport.iceGatherer
        for protocol in ice._connection._protocols:
            protocol.transport = _Cut(protocol.transport)
            protocol.datagram_received = _ignore

    async def close(self) -> None:
        """As a browser does whose page is closed; idempotent."""
        self._stop()
        await self._peer.close()

    def _state_changed(self) -> None:
        match self._peer.connectionState:
            case "connected":
                self._settle(True)
                self._start()
            case "failed" | "closed":
                self._settle(False)
                self._stop()
            case _:
                pass

    def _message_came(self, message: str | bytes) -> None:
        self.on_message(message if isinstance(message, str) else message.decode(errors="replace"))

    def _channel_closed(self) -> None:
        self.on_message("")

    def _settle(self, well: bool) -> None:
        if not self._settled.done():
            self._settled.set_result(well)

    # --- audio ------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The sample of our clock at which the next frame will lie."""
        return self._tick * FRAME_SAMPLES

    def time_of(self, sample: int) -> float:
        """When this sample of our clock was, by the event loop's."""
        return self._epoch_s + sample / RATE_HZ

    def add(self, packet: _Received) -> tuple[bool, None]:
        """Take a packet, as aiortc's jitter buffer would; nothing is left for it to decode."""
        if self._joined and packet.payload:
            received = RtpPacket(
                payload_type=packet.payload_type,
                sequence=packet.sequence_number,
                timestamp=packet.timestamp,
                ssrc=packet.ssrc,
                payload=packet.payload,
            )
            arrived_s = asyncio.get_running_loop().time() - self._epoch_s
            position = self.arrivals.place(received, round(arrived_s * RATE_HZ))
            if position is not None:
                self.on_packet(arrived_s, packet.timestamp, position + len(packet.payload))
                self.heard.write(position, g711.decode(packet.payload, _CODEC))
        return False, None

    def _start(self) -> None:
        if not self._joined:
            self._joined = True
            self._epoch_s = self._clock.join(self._on_tick) - FRAME_S

    def _stop(self) -> None:
        self._clock.leave(self._on_tick)

    def _on_tick(self, late_s: float) -> None:
        self._track.push(g711.encode(self.speak(self.now), _CODEC))
        self._tick += 1
        end = self.now - LISTENING_DELAY
        self.on_frame(self.heard.read(end - FRAME_SAMPLES, end))


class _Outgoing(MediaStreamTrack):
    """Packets that are made when our clock ticks, and sent at once."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._packets: asyncio.Queue[Packet[Stream]] = asyncio.Queue(_QUEUED)
        self._pts = secrets.randbits(16)

    def push(self, payload: bytes) -> None:
        packet: Packet[Stream] = Packet(payload)
        packet.pts, packet.time_base = self._pts, _TIME_BASE
        self._pts += FRAME_SAMPLES
        if self._packets.full():
            self._packets.get_nowait()
        self._packets.put_nowait(packet)

    async def recv(self) -> "Packet[Stream]":
        """
        Raises:
            MediaStreamError: the track was stopped.
        """
        if self.readyState != "live":
            raise MediaStreamError
        return await self._packets.get()


class _Cut:
    """A socket's transport whose cable is cut: it closes, and sends nothing."""

    def __init__(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def sendto(self, data: bytes, addr: object = None) -> None:
        """Lost."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _ignore(data: bytes, addr: object) -> None:
    """Lost."""
