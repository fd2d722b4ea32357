"""The caller's audio: an RTP socket, ticked every 20 ms by a clock that calls may share.

Every 20 ms one packet leaves, silence when there is nothing to say, and one frame is listened to.
Listening lies 60 ms behind the clock, which is a phone's jitter buffer; the recording is complete.
"""

import asyncio
import secrets
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from loadtest import g711
from loadtest.clock import MediaClock
from loadtest.errors import UnreachableError
from loadtest.pcm import FRAME_S, FRAME_SAMPLES, RATE_HZ, SILENCE, Pcm, frames_of, seconds
from loadtest.quality import Quality, Transit, Underruns, call_mos
from loadtest.recorder import Recorder
from loadtest.report import MediaStats
from loadtest.rtp import (
    KEY_PAUSE_FRAMES,
    LATE_SAMPLES,
    Arrivals,
    KeyPacket,
    MalformedPacketError,
    RtpPacket,
    key_packets,
)
from loadtest.sdp import RemoteMedia

LISTENING_DELAY: Final = LATE_SAMPLES
_CONCEAL_SAMPLES: Final = 3 * FRAME_SAMPLES  # longer holes are silence, as in any phone
_MAX_LATENESS_KEPT: Final = 180_000  # an hour of ticks
_SILENT: Final = {codec: g711.encode(SILENCE, codec) for codec in g711.PAYLOAD_TYPES}
_AHEAD_SAMPLES: Final = 5 * RATE_HZ  # audio stamped further into the future is not believed


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Where something we sent lies on our clock, in samples."""

    start: int
    end: int


class Media(asyncio.DatagramProtocol):
    """One call's audio. Open with `Media.open`, start with `start`, end with `close`."""

    def __init__(self, clock: MediaClock | None = None) -> None:
        self.recorder = Recorder()
        self.on_frame: Callable[[Pcm, int], None] = lambda frame, now: None
        """Called each 20 ms with the frame listened to and the sample after its end."""
        self._transport: asyncio.DatagramTransport | None = None
        self._remote: RemoteMedia | None = None
        self._outgoing: deque[Pcm | KeyPacket] = deque()
        self._arrivals = Arrivals()
        self._clock = clock or MediaClock()
        self._started = False
        self._epoch_s = 0.0
        self._tick = 0
        self._sent = 0
        self._lateness_s: deque[float] = deque(maxlen=_MAX_LATENESS_KEPT)
        self._ssrc = secrets.randbits(32)
        self._sequence = secrets.randbits(16)
        self._timestamp = secrets.randbits(32)
        self._key_timestamp = 0
        self._marker = True
        self._heard_end = 0  # the furthest sample heard
        self._transit = Transit(RATE_HZ)
        self._underruns = Underruns()
        self.port = 0

    @classmethod
    async def open(cls, host: str, clock: MediaClock | None = None) -> "Media":
        """A media session with its socket on `host`, nothing sent yet.

        Args:
            host: the address to listen at.
            clock: shared with other calls; without one the session has its own.

        Raises:
            UnreachableError: no socket.
        """
        media = cls(clock)
        loop = asyncio.get_running_loop()
        try:
            sock = _even_port_socket(host)
        except OSError as error:
            raise UnreachableError(f"no RTP socket on {host}: {error.strerror}") from error
        media.port = sock.getsockname()[1]
        media._transport, _ = await loop.create_datagram_endpoint(lambda: media, sock=sock)
        return media

    def start(self, remote: RemoteMedia) -> None:
        """Begin to send, receive and keep time."""
        self._remote = remote
        self._started = True
        # A frame is spoken before it is sent: see loadtest/recorder.py.
        self._epoch_s = self._clock.join(self._on_tick) - FRAME_S

    def redirect(self, remote: RemoteMedia) -> None:
        """Send to another place from now on (re-INVITE)."""
        self._remote = remote
        self._marker = True

    async def close(self) -> None:
        """Stop the clock and close the socket; idempotent."""
        self._clock.leave(self._on_tick)
        if self._transport is not None:
            self._transport.close()

    # --- sending ----------------------------------------------------------------------------------

    def say(self, pcm: Pcm) -> Sent:
        """Queue speech behind what is queued; returns where it will lie."""
        return self._queue(frames_of(pcm))

    def press(self, keys: str) -> Sent:
        """Queue DTMF as telephone-events, with pauses between keys.

        Raises:
            ValueError: not a key, or the far end takes no telephone-events.
        """
        if self._remote is None or self._remote.event_type is None:
            raise ValueError("the far end takes no telephone-events")
        frames: list[Pcm | KeyPacket] = []
        for key in keys:
            frames += [*key_packets(key), *([SILENCE] * KEY_PAUSE_FRAMES)]
        return self._queue(frames)

    def stop_sending(self) -> None:
        """Forget what is queued and not yet sent."""
        self._outgoing.clear()

    @property
    def now(self) -> int:
        """The sample of our clock at which the next frame will lie."""
        return self._tick * FRAME_SAMPLES

    def time_of(self, sample: int) -> float:
        """When this sample of our clock was, by the event loop's."""
        return self._epoch_s + sample / RATE_HZ

    def _queue(self, frames: "list[Pcm] | list[Pcm | KeyPacket]") -> Sent:
        start = self.now + len(self._outgoing) * FRAME_SAMPLES
        self._outgoing.extend(frames)
        return Sent(start=start, end=start + len(frames) * FRAME_SAMPLES)

    def _on_tick(self, late_s: float) -> None:
        """Tick k ends the frame that began at epoch + k · 20 ms."""
        self._lateness_s.append(late_s)
        self._send_frame()
        end = self._tick * FRAME_SAMPLES - LISTENING_DELAY
        frame = self.recorder.heard.read(end - FRAME_SAMPLES, end)
        self._underruns.frame(frame if self._heard_end >= end else None)
        self.on_frame(frame, end)

    def _send_frame(self) -> None:
        frame = self._outgoing.popleft() if self._outgoing else SILENCE
        if isinstance(frame, KeyPacket):
            self._send_key(frame)
        else:
            self.recorder.sent.write(self.now, frame)
            self._send_audio(frame)
        self._timestamp = (self._timestamp + FRAME_SAMPLES) & 0xFFFFFFFF
        self._tick += 1

    def _send_audio(self, frame: Pcm) -> None:
        remote = self._remote
        if remote is None or remote.direction in {"sendonly", "inactive"}:
            return  # on hold
        payload = _SILENT[remote.codec] if frame is SILENCE else g711.encode(frame, remote.codec)
        self._transmit(remote, remote.payload_type, payload, self._timestamp, marker=self._marker)
        self._marker = False

    def _send_key(self, packet: KeyPacket) -> None:
        remote = self._remote
        if remote is None or remote.event_type is None:
            return
        if packet.first:
            self._key_timestamp = self._timestamp
        for _ in range(packet.copies):
            self._transmit(
                remote, remote.event_type, packet.payload, self._key_timestamp, marker=packet.first
            )

    def _transmit(
        self,
        remote: RemoteMedia,
        payload_type: int,
        payload: bytes,
        timestamp: int,
        *,
        marker: bool,
    ) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFF
        packet = RtpPacket(
            payload_type=payload_type,
            sequence=self._sequence,
            timestamp=timestamp,
            ssrc=self._ssrc,
            payload=payload,
            marker=marker,
        )
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(packet.to_bytes(), (remote.host, remote.port))
            self._sent += 1

    # --- receiving --------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if not self._started:
            return  # early media: nobody listens before the call is answered
        try:
            packet = RtpPacket.parse(data)
        except MalformedPacketError:
            return
        remote = self._remote
        if remote is None or packet.payload_type != remote.payload_type or not packet.payload:
            self._arrivals.note(packet)
            return
        arrived_s = asyncio.get_running_loop().time() - self._epoch_s
        arrived_at = round(arrived_s * RATE_HZ)
        self._transit.packet(arrived_s, packet.timestamp)
        position = self._arrivals.place(packet, arrived_at)
        if position is not None and position < arrived_at + _AHEAD_SAMPLES:
            self._hear(position, g711.decode(packet.payload, remote.codec))

    def error_received(self, exc: Exception) -> None:
        """An unreachable media port shows as silence; the call itself is SIP's to end."""

    def _hear(self, position: int, pcm: Pcm) -> None:
        hole = position - self._heard_end
        if self._heard_end and 0 < hole <= _CONCEAL_SAMPLES:
            last = self.recorder.heard.read(self._heard_end - FRAME_SAMPLES, self._heard_end)
            self.recorder.heard.write(self._heard_end, np.resize(last, hole))
        self.recorder.heard.write(position, pcm)
        self._heard_end = max(self._heard_end, position + pcm.size)

    @property
    def received(self) -> int:
        """Audio packets received."""
        return self._arrivals.received

    def stats(self) -> MediaStats:
        late_ms = np.asarray(self._lateness_s or [0.0]) * 1000
        return MediaStats(
            packets_sent=self._sent,
            packets_received=self._arrivals.received,
            packets_lost=self._arrivals.lost,
            packets_late=self._arrivals.late,
            clock_late_p99_ms=float(np.percentile(late_ms, 99)),
            clock_late_max_ms=float(late_ms.max()),
        )

    def quality(self) -> Quality:
        """How the far end's audio arrived."""
        arrivals, transit = self._arrivals, self._transit
        expected = max(1, arrivals.received + arrivals.lost)
        unusable = (arrivals.lost + arrivals.late) / expected
        lateness_p99_ms = transit.lateness.percentile_ms(99)
        return Quality(
            underruns=self._underruns.count,
            jitter_ms=transit.jitter_ms,
            worst_jitter_ms=transit.worst_jitter_ms,
            lateness_p99_ms=lateness_p99_ms,
            loss=arrivals.lost / expected,
            unusable=unusable,
            mos=call_mos(
                unusable=unusable,
                lateness_p99_ms=lateness_p99_ms,
                buffer_ms=1000 * seconds(LISTENING_DELAY),
            ),
        )


def _even_port_socket(host: str) -> socket.socket:
    """A UDP socket on an even port, as RFC 3550 §11 asks of RTP; any port after eight tries."""
    for attempt in range(8):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind((host, 0))
        if sock.getsockname()[1] % 2 == 0 or attempt == 7:
            return sock
        sock.close()
    raise AssertionError("unreachable")
