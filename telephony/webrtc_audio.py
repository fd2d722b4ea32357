"""A WebRTC peer's audio between aiortc and the 20 ms tick.

In: aiortc's own jitter buffer waits 80 ms always, and 300 ms from the first lost packet on. Ours,
which adapts and conceals, takes its place, and what it holds is µ-law as everywhere at the edge:
Opus is decoded and brought to 8 kHz as it arrives, which also spares a thread per peer its work.

Out: what the tick sends is what goes out, at once. aiortc asks the track for the next frame; there
is one per tick, so the clock is the server's and no second one can drift against it.
"""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from fractions import Fraction
from functools import partial
from typing import Final, Protocol, TypeAlias

import numpy as np
from aiortc import MediaStreamTrack, RTCRtpReceiver
from aiortc.codecs.opus import OpusDecoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from telephony.rtp.jitter import Gap, JitterBuffer, JitterStatistics
from telephony.rtp.packet import TIMESTAMP_MODULUS, RtpPacket, unwrap
from telephony.rtp.plc import Concealer
from voice.codec import Codec, decode, encode, is_quiet
from voice.frames import FRAME_SAMPLES, RATE_HZ, Pcm
from voice.resample import Resampler

OPUS_HZ: Final = 48_000  # of its RTP clock and of libopus, whatever is in it (RFC 7587 §4.1)
_RATIO: Final = OPUS_HZ // RATE_HZ
_QUEUED_FRAMES: Final = 5  # 100 ms: what a stalled sender still sends; the oldest gives way

# What goes out: ready to send, or to be encoded. Packet is generic in its type stub only.
Outgoing: TypeAlias = "Packet[Stream] | AudioFrame"

_JITTER_BUFFER: Final = "_RTCRtpReceiver__jitter_buffer"


class AudioCodec(StrEnum):
    """The codecs spoken with browsers, by their MIME type."""

    PCMU = "audio/PCMU"  # G.711 µ-law: a fifth of Opus's work
    OPUS = "audio/opus"  # for browsers and networks that want it


class _ReceivedPacket(Protocol):
    """The part of aiortc's RtpPacket that is used."""

    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    payload: bytes


class IncomingAudio:
    """What the peer says: packets in as they come, one frame out per tick.

    Attributes:
        last_packet_at_s: when audio last came, by the clock; None before it ever did.
    """

    def __init__(self, codec: AudioCodec, *, clock: Callable[[], float]) -> None:
        self.last_packet_at_s: float | None = None
        self._clock = clock
        self._jitter = JitterBuffer(is_quiet=partial(is_quiet, Codec.PCMU))
        self._concealer = Concealer()
        self._opus = _OpusToUlaw() if codec is AudioCodec.OPUS else None

    @property
    def statistics(self) -> JitterStatistics:
        return self._jitter.statistics

    @property
    def delay_s(self) -> float:
        """How long audio waits here before it is received, in seconds."""
        return self._jitter.buffered_ms / 1000

    @property
    def slip(self) -> int:
        """How much later than the first frame the latest one was given out, in samples."""
        return self._jitter.slip

    def attach(self, receiver: RTCRtpReceiver) -> None:
        """Take what this receiver hears.

        Raises:
            RuntimeError: this aiortc keeps its jitter buffer elsewhere.
        """
        if not hasattr(receiver, _JITTER_BUFFER):
            raise RuntimeError("this version of aiortc has no such jitter buffer to replace")
        setattr(receiver, _JITTER_BUFFER, self)

    def add(self, packet: _ReceivedPacket) -> tuple[bool, None]:
        """Take a packet, as aiortc's jitter buffer would; nothing is left for it to decode."""
        now_s = self._clock()
        self.last_packet_at_s = now_s
        payload, timestamp = packet.payload, packet.timestamp
        if self._opus is not None and payload:
            payload, timestamp = self._opus.convert(payload, timestamp)
        self._jitter.put(
            RtpPacket(
                payload_type=packet.payload_type,
                sequence=packet.sequence_number,
                timestamp=timestamp,
                ssrc=packet.ssrc,
                payload=payload,
            ),
            now_s,
        )
        return False, None

    def receive_frame(self) -> Pcm:
        """The next 20 ms, shape (160,); concealed when lost, silent when there is nothing."""
        payload = self._jitter.pop()
        if isinstance(payload, Gap):
            return self._concealer.conceal()
        return self._concealer.receive(decode(Codec.PCMU, payload))


class _OpusToUlaw:
    """Opus packets as µ-law ones. One that comes out of order is decoded so: rare, and brief."""

    def __init__(self) -> None:
        self._decoder = OpusDecoder()
        self._resampler = Resampler(OPUS_HZ, RATE_HZ)
        self._started = False
        self._timestamp = 0  # of the latest packet, unwrapped

    def convert(self, payload: bytes, timestamp: int) -> tuple[bytes, int]:
        """Returns µ-law, one octet for each sample at 8 kHz, and its timestamp at 8 kHz.

        What cannot be decoded is returned empty: nothing was said.
        """
        if not self._started:
            self._timestamp = timestamp
        self._timestamp = unwrap(timestamp, near=self._timestamp, modulus=TIMESTAMP_MODULUS)
        pcm = self._decode(payload)
        return encode(Codec.PCMU, pcm), self._timestamp // _RATIO % TIMESTAMP_MODULUS

    def _decode(self, payload: bytes) -> Pcm:
        try:
            frames = self._decoder.decode(JitterFrame(data=payload, timestamp=0))
        except FFmpegError:
            return np.zeros(0, dtype=np.int16)
        # Packed stereo, shape (1, 2n).
        stereo = [frame.to_ndarray() for frame in frames if isinstance(frame, AudioFrame)]
        if not stereo:
            return np.zeros(0, dtype=np.int16)
        pairs = np.concatenate(stereo, axis=1).reshape(-1, 2)
        mono = pairs.mean(axis=1).astype(np.int16)
        return self._aligned(self._resampler.process(mono), mono.size // _RATIO)

    def _aligned(self, pcm: Pcm, wanted: int) -> Pcm:
        """The resampler's first output lacks what it holds back: silence before it makes it whole,
        so that every packet is as long as its timestamps say."""
        if not self._started:
            self._started = True
            return np.concatenate((np.zeros(wanted - pcm.size, dtype=np.int16), pcm))
        return pcm


class OutgoingAudio(MediaStreamTrack):
    """What we say, as a track that gives each frame when the tick sends it."""

    kind = "audio"

    def __init__(self, codec: AudioCodec) -> None:
        super().__init__()
        self._pack = _UlawPacker() if codec is AudioCodec.PCMU else _OpusPacker()
        self._frames: asyncio.Queue[Outgoing] = asyncio.Queue(_QUEUED_FRAMES)
        self.dropped = 0  # frames that the network did not take in time

    def push(self, pcm: Pcm) -> None:
        """Send 20 ms, int16, shape (160,); never blocks."""
        if self._frames.full():
            self._frames.get_nowait()
            self.dropped += 1
        self._frames.put_nowait(self._pack(pcm))

    async def recv(self) -> Outgoing:
        """The next frame, when there is one.

        Raises:
            MediaStreamError: the track was stopped.
        """
        if self.readyState != "live":
            raise MediaStreamError
        return await self._frames.get()


class _UlawPacker:
    """Frames as packets ready to send: aiortc's encoder, and its thread, have nothing to do."""

    _TIME_BASE: Final = Fraction(1, RATE_HZ)

    def __init__(self) -> None:
        self._pts = 0

    def __call__(self, pcm: Pcm) -> "Packet[Stream]":
        packet: Packet[Stream] = Packet(encode(Codec.PCMU, pcm))
        packet.pts, packet.time_base = self._pts, self._TIME_BASE
        self._pts += FRAME_SAMPLES
        return packet


class _OpusPacker:
    """Frames at 48 kHz, for aiortc to encode."""

    _TIME_BASE: Final = Fraction(1, OPUS_HZ)
    _SAMPLES: Final = FRAME_SAMPLES * _RATIO

    def __init__(self) -> None:
        self._resampler = Resampler(RATE_HZ, OPUS_HZ)
        self._pts = 0

    def __call__(self, pcm: Pcm) -> AudioFrame:
        wide = self._resampler.process(pcm)
        if wide.size < self._SAMPLES:  # the first one
            wide = np.concatenate((np.zeros(self._SAMPLES - wide.size, dtype=np.int16), wide))
        # Packed stereo, as aiortc encodes: mono it would bring there 3 dB quieter.
        pairs = np.repeat(wide, 2).reshape(1, -1)
        frame = AudioFrame.from_ndarray(pairs, format="s16", layout="stereo")
        frame.sample_rate = OPUS_HZ
        frame.pts, frame.time_base = self._pts, self._TIME_BASE
        self._pts += self._SAMPLES
        return frame
