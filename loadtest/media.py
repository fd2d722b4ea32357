"""The caller's audio: an RTP socket, ticked every 20 ms by a clock that calls may share.

Every 20 ms one packet leaves, silence when there is nothing to say; then the socket is read and one
frame is listened to. Listening lies 60 ms behind the clock, which is a phone's jitter buffer.

A hundred calls share one core with nothing to spare, so what can be done once is: speech is encoded
when it is queued, digital silence is neither decoded nor copied, and the kernel tells when a packet
came, so that no packet wakes the process.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

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
    rtp_header,
)
from loadtest.rtp_socket import RtpSocket
from loadtest.sdp import RemoteMedia

LISTENING_DELAY: Final = LATE_SAMPLES
_CONCEAL_SAMPLES: Final = 3 * FRAME_SAMPLES  # longer holes are silence, as in any phone
_MAX_LATENESS_KEPT: Final = 180_000  # an hour of ticks
_SILENT: Final = {codec: g711.encode(SILENCE, codec) for codec in g711.PAYLOAD_TYPES}
_NOTHING: Final = _SILENT["PCMU"]  # decodes to zeros, which A-law does not have
_HOLDING: Final = frozenset({"sendonly", "inactive"})  # the far end does not listen
_AHEAD_SAMPLES: Final = 5 * RATE_HZ  # audio stamped further into the future is not believed


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Where something we sent lies on our clock, in samples."""

    start: int
    end: int


_Spoken: TypeAlias = tuple[Pcm, bytes]
"""A frame and its payload."""


def quality_of(arrivals: Arrivals, transit: Transit, underruns: Underruns) -> Quality:
    """How RTP audio arrived, for a listener whose buffer waits LISTENING_DELAY."""
    expected = max(1, arrivals.received + arrivals.lost)
    unusable = (arrivals.lost + arrivals.late) / expected
    lateness_p99_ms = transit.lateness.percentile_ms(99)
    return Quality(
        underruns=underruns.count,
        held_up=underruns.held_up,
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


def _heard_by_nobody(frame: Pcm, now: int) -> None:
    """Before a call is answered, and after it."""


class Media:
    """One call's audio. Open with `Media.open`, start with `start`, end with `close`."""

    def __init__(self, sock: RtpSocket, clock: MediaClock, recorder: Recorder) -> None:
        self.recorder = recorder
        self.on_frame: Callable[[Pcm, int], None] = _heard_by_nobody
        """Called each 20 ms with the frame listened to and the sample after its end."""
        self._socket = sock
        self._remote: RemoteMedia | None = None
        self._codec = "PCMU"
        self._silence: _Spoken = SILENCE, _SILENT["PCMU"]
        self._address = ("", 0)
        self._outgoing: deque[_Spoken | KeyPacket] = deque()
        self._arrivals = Arrivals()
        self._clock = clock
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
        self._underruns = Underruns(held_up=clock.held_up_lately)

    @classmethod
    async def open(
        cls, host: str, clock: MediaClock | None = None, recorder: Recorder | None = None
    ) -> "Media":
        """A media session with its socket on `host`, nothing sent yet.

        Args:
            host: the address to listen at.
            clock: shared with other calls; without one the session has its own.
            recorder: keeps the audio; without one all of it is kept.

        Raises:
            UnreachableError: no socket.
        """
        try:
            sock = RtpSocket(host)
        except OSError as error:
            raise UnreachableError(f"no RTP socket on {host}: {error.strerror}") from error
        return cls(sock, clock or MediaClock(), recorder or Recorder())

    @property
    def port(self) -> int:
        """Where our socket listens."""
        return self._socket.port

    def start(self, remote: RemoteMedia) -> None:
        """Begin to send, receive and keep time."""
        for _ in self._socket.receive():
            pass  # early media: nobody listens before the call is answered
        self.redirect(remote)
        # A frame is spoken before it is sent: see loadtest/recorder.py.
        self._epoch_s = self._clock.join(self._on_tick, self._listen) - FRAME_S

    def redirect(self, remote: RemoteMedia) -> None:
        """Send to another place from now on (re-INVITE)."""
        self._remote = remote
        self._address = remote.host, remote.port
        self._marker = True
        if remote.codec != self._codec:
            self._codec = remote.codec
            self._silence = SILENCE, _SILENT[remote.codec]
            waiting = tuple(self._outgoing)
            self._outgoing.clear()
            self._outgoing.extend(
                each if isinstance(each, KeyPacket) else (each[0], self._encode(each[0]))
                for each in waiting
            )

    async def close(self) -> None:
        """Stop the clock and close the socket; idempotent."""
        self._clock.leave(self._on_tick)
        self._socket.close()
        self.on_frame = _heard_by_nobody  # who listened has us: we would be a ring

    # --- sending ----------------------------------------------------------------------------------

    def say(self, pcm: Pcm) -> Sent:
        """Queue speech behind what is queued; returns where it will lie."""
        frames = frames_of(pcm)
        coded = self._encode(pcm).ljust(len(frames) * FRAME_SAMPLES, self._silence[1][:1])
        payloads = (coded[at : at + FRAME_SAMPLES] for at in range(0, len(coded), FRAME_SAMPLES))
        return self._queue(zip(frames, payloads, strict=True))

    def press(self, keys: str) -> Sent:
        """Queue DTMF as telephone-events, with pauses between keys.

        Raises:
            ValueError: not a key, or the far end takes no telephone-events.
        """
        if self._remote is None or self._remote.event_type is None:
            raise ValueError("the far end takes no telephone-events")
        frames: list[_Spoken | KeyPacket] = []
        for key in keys:
            frames += [*key_packets(key), *([self._silence] * KEY_PAUSE_FRAMES)]
        return self._queue(frames)

    @property
    def now(self) -> int:
        """The sample of our clock at which the next frame will lie."""
        return self._tick * FRAME_SAMPLES

    def time_of(self, sample: int) -> float:
        """When this sample of our clock was, by the event loop's."""
        return self._epoch_s + sample / RATE_HZ

    def _encode(self, pcm: Pcm) -> bytes:
        return g711.encode(pcm, self._codec)

    def _queue(self, frames: "Iterable[_Spoken | KeyPacket]") -> Sent:
        start = self.now + len(self._outgoing) * FRAME_SAMPLES
        self._outgoing.extend(frames)
        return Sent(start=start, end=self.now + len(self._outgoing) * FRAME_SAMPLES)

    def _on_tick(self, late_s: float) -> None:
        """Tick k ends the frame that began at epoch + k · 20 ms."""
        self._lateness_s.append(late_s)
        frame = self._outgoing.popleft() if self._outgoing else self._silence
        if isinstance(frame, KeyPacket):
            self._send_key(frame)
        else:
            self._send_audio(*frame)
        self._timestamp = (self._timestamp + FRAME_SAMPLES) & 0xFFFFFFFF
        self._tick += 1

    def _send_audio(self, frame: Pcm, payload: bytes) -> None:
        if frame is SILENCE:
            self.recorder.sent.reach(self.now + FRAME_SAMPLES)
        else:
            self.recorder.sent.write(self.now, frame)
        remote = self._remote
        if remote is None or remote.direction in _HOLDING:
            return
        self._transmit(remote.payload_type, payload, self._timestamp, marker=self._marker)
        self._marker = False

    def _send_key(self, packet: KeyPacket) -> None:
        remote = self._remote
        if remote is None or remote.event_type is None:
            return
        if packet.first:
            self._key_timestamp = self._timestamp
        for _ in range(packet.copies):
            self._transmit(
                remote.event_type, packet.payload, self._key_timestamp, marker=packet.first
            )

    def _transmit(self, payload_type: int, payload: bytes, timestamp: int, *, marker: bool) -> None:
        self._sequence = sequence = (self._sequence + 1) & 0xFFFF
        header = rtp_header(marker << 7 | payload_type, sequence, timestamp, self._ssrc)
        self._sent += self._socket.send(header + payload, self._address)

    # --- receiving --------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Take in what has come, and hear the frame that is due."""
        for data, age_s in self._socket.receive():
            self._receive(data, age_s)
        end = self._tick * FRAME_SAMPLES - LISTENING_DELAY
        frame = self.recorder.heard.read(end - FRAME_SAMPLES, end)
        self._underruns.frame(frame if self._heard_end >= end else None)
        self.on_frame(frame, end)

    def _receive(self, data: bytes, age_s: float) -> None:
        try:
            packet = RtpPacket.parse(data)
        except MalformedPacketError:
            return
        remote = self._remote
        if remote is None or packet.payload_type != remote.payload_type or not packet.payload:
            self._arrivals.note(packet)
            return
        arrived_s = asyncio.get_running_loop().time() - age_s - self._epoch_s
        arrived_at = round(arrived_s * RATE_HZ)
        self._transit.packet(arrived_s, packet.timestamp)
        position = self._arrivals.place(packet, arrived_at)
        if position is not None and position < arrived_at + _AHEAD_SAMPLES:
            self._hear(position, packet.payload)

    def _hear(self, position: int, payload: bytes) -> None:
        heard, end = self.recorder.heard, position + len(payload)
        hole = position - self._heard_end
        if self._heard_end and 0 < hole <= _CONCEAL_SAMPLES:
            last = heard.read(self._heard_end - FRAME_SAMPLES, self._heard_end)
            heard.write(self._heard_end, np.resize(last, hole))
        if payload == _NOTHING and hole >= 0 and self._codec == "PCMU":
            heard.reach(end)
        else:
            heard.write(position, g711.decode(payload, self._codec))
        self._heard_end = max(self._heard_end, end)

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
        return quality_of(self._arrivals, self._transit, self._underruns)
