"""A telephone line in virtual time: our end and the caller's, RTP packets in between.

The caller's packets go through the impairments of the load test and wait in the jitter buffer of
the real legs, concealed where lost. Ours arrive as they were sent: what the caller records is what
we said, as in a call over a network that is impaired one way (loadtest/impair.py).
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from loadtest.impair import Channel, Impairment
from loadtest.media import LISTENING_DELAY, Sent
from loadtest.pcm import SILENCE, frames_of
from loadtest.recorder import Recorder
from loadtest.report import MediaStats
from server.virtual.clock import VirtualClock
from telephony.rtp.jitter import Gap, JitterBuffer
from telephony.rtp.packet import RtpPacket
from telephony.rtp.plc import Concealer
from voice.codec import Codec, decode, encode, is_quiet
from voice.events import KeyPressed, LegEvent
from voice.frames import FRAME_SAMPLES, RATE_HZ, Pcm

_KEY_FRAMES: Final = 8  # from one key to the next
_TRANSIT_S: Final = 0.002  # of a packet on a network in good order
_PHASE_S: Final = 0.013  # by which the caller's ticks follow ours: no two telephones are in step
_HEADER_OCTETS: Final = 12


class VirtualLeg:
    """Implements voice.ports.AudioLeg: our end of the line."""

    def __init__(self, clock: VirtualClock, network: Impairment | None) -> None:
        self.on_event: Callable[[LegEvent], None] = lambda event: None
        self.reports_keys = True
        self.sent: deque[Pcm] = deque()  # and not yet heard by the caller
        self.hung_up = asyncio.Event()
        self.reason = ""
        self._clock = clock
        self._channel = Channel(network or Impairment(delay_s=_TRANSIT_S))
        self._on_the_way: list[tuple[float, int, bytes]] = []
        self._jitter = JitterBuffer(is_quiet=partial(is_quiet, Codec.PCMU))
        self._concealer = Concealer()

    @property
    def delay_s(self) -> float:
        """See voice.ports.Buffered."""
        return self._jitter.buffered_ms / 1000

    @property
    def slip(self) -> int:
        """See voice.ports.Buffered."""
        return self._jitter.slip

    def deliver(self, number: int, payload: bytes, sent_s: float) -> None:
        """The caller sends their packet of this number."""
        size = len(payload) + _HEADER_OCTETS
        for arrives_s in self._channel.arrivals(size, sent_s):
            heapq.heappush(self._on_the_way, (arrives_s, number, payload))

    def receive_frame(self) -> Pcm:
        """See AudioLeg."""
        while self._on_the_way and self._on_the_way[0][0] <= self._clock.now_s:
            arrived_s, number, payload = heapq.heappop(self._on_the_way)
            packet = RtpPacket(
                payload_type=0,
                sequence=number & 0xFFFF,
                timestamp=number * FRAME_SAMPLES,
                ssrc=1,
                payload=payload,
            )
            self._jitter.put(packet, arrived_s)
        payload = self._jitter.pop()
        if isinstance(payload, Gap):
            return self._concealer.conceal()
        return self._concealer.receive(decode(Codec.PCMU, payload))

    def send_frame(self, pcm: Pcm) -> None:
        """See AudioLeg."""
        self.sent.append(decode(Codec.PCMU, encode(Codec.PCMU, pcm)))

    async def hang_up(self, reason: str) -> None:
        """See AudioLeg."""
        self.reason = reason
        self.hung_up.set()


class VirtualLine:
    """The caller's end; loadtest.call_line.CallLine as far as a plan needs it."""

    def __init__(self, leg: VirtualLeg, clock: VirtualClock) -> None:
        self.recorder = Recorder()
        self.started = asyncio.Event()
        self._leg, self._clock = leg, clock
        self._on_frame: Callable[[Pcm, int], None] = lambda frame, end: None
        self._saying: Pcm = SILENCE
        self._keys: deque[str] = deque()
        self._tick = 0

    @property
    def now(self) -> int:
        """See CallLine."""
        return self._tick * FRAME_SAMPLES

    def start(self, on_frame: Callable[[Pcm, int], None]) -> None:
        """See CallLine."""
        self._on_frame = on_frame
        self.started.set()

    def say(self, pcm: Pcm) -> Sent:
        """See CallLine."""
        self._saying = next(iter(frames_of(pcm)))
        return Sent(start=self.now, end=self.now + pcm.size)

    def press(self, keys: str) -> Sent:
        """See CallLine."""
        for key in keys:
            self._keys.extend([key, *[""] * (_KEY_FRAMES - 1)])
        return Sent(start=self.now, end=self.now + len(self._keys) * FRAME_SAMPLES)

    def stats(self) -> MediaStats:
        """See CallLine."""
        return MediaStats(
            packets_sent=self._tick,
            packets_received=self._tick,
            packets_lost=0,
            packets_late=0,
            clock_late_p99_ms=0.0,
            clock_late_max_ms=0.0,
        )

    async def wait_ended(self) -> str:
        """See CallLine."""
        await self._leg.hung_up.wait()
        return self._leg.reason

    def tick(self) -> None:
        """Speak 20 ms, and hear as much, a little after a tick of ours."""
        self._take_in()
        saying, self._saying = self._saying, SILENCE
        payload = encode(Codec.PCMU, saying)
        self.recorder.sent.write(self.now, decode(Codec.PCMU, payload))
        self._leg.deliver(self._tick, payload, self._clock.now_s + _PHASE_S)
        self._tick += 1
        if self._keys and (key := self._keys.popleft()):
            self._leg.on_event(KeyPressed(key=key))
        end = self.now - LISTENING_DELAY
        self._on_frame(self.recorder.heard.read(end - FRAME_SAMPLES, end), end)

    def _take_in(self) -> None:
        """Put what we were sent where it was heard."""
        # The frame that is spoken now ends with this tick, and ours came as much before that.
        at = self.now + FRAME_SAMPLES - round((_PHASE_S - _TRANSIT_S) * RATE_HZ)
        while self._leg.sent:
            pcm = self._leg.sent.popleft()
            self.recorder.heard.write(at, pcm)
            at += pcm.size
