"""A browser for tests: an aiortc peer that plays a tone, keeps what it hears, and presses keys."""

import asyncio
from fractions import Fraction
from typing import cast

import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from telephony.leg import CallerInfo
from telephony.webrtc_ice import offering

RATE_HZ = 48_000
FRAME = RATE_HZ // 50
LOOPBACK = ("127.0.0.1",)

INFO = CallerInfo(
    call_id="call-1", caller="anonymous", callee="/phone", transport="webrtc", peer="127.0.0.1"
)


class Tone(MediaStreamTrack):
    """A sine in real time, the same on both channels, 48 kHz."""

    kind = "audio"

    def __init__(self, hz: float) -> None:
        super().__init__()
        self._hz, self._sent, self._started_s = hz, 0, 0.0

    async def recv(self) -> AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        loop = asyncio.get_running_loop()
        self._started_s = self._started_s or loop.time()
        await asyncio.sleep(self._started_s + self._sent / RATE_HZ - loop.time())
        times = (self._sent + np.arange(FRAME)) / RATE_HZ
        samples = (10_000 * np.sin(2 * np.pi * self._hz * times)).astype(np.int16)
        pairs = np.repeat(samples, 2).reshape(1, -1)
        frame = AudioFrame.from_ndarray(pairs, format="s16", layout="stereo")
        frame.sample_rate = RATE_HZ
        frame.pts, frame.time_base = self._sent, Fraction(1, RATE_HZ)
        self._sent += FRAME
        return frame


class BrowserPeer:
    """Offers a call with data channels, as the phone page does; loopback only."""

    def __init__(self, *codecs: str, tone_hz: float = 440.0) -> None:
        """`codecs`: MIME types offered, in order; none: all."""
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.captions: list[str] = []
        self.told: list[str] = []  # on the keys channel
        self.heard: list[np.ndarray] = []
        self._listening: asyncio.Task[None] | None = None
        transceiver = self.connection.addTransceiver(Tone(tone_hz), direction="sendrecv")
        known = RTCRtpSender.getCapabilities("audio").codecs
        wanted = [c for mime in codecs for c in known if c.mimeType.lower() == mime.lower()]
        if wanted:
            transceiver.setCodecPreferences(wanted)
        self.keys = self.connection.createDataChannel("keys")
        self.keys.on("message", self.told.append)
        self._captioned = asyncio.Event()
        self.connection.createDataChannel("captions").on("message", self._caption)
        self.connection.on("track", self._hear)

    async def offer(self) -> str:
        with offering(LOOPBACK):
            await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def take(self, answer_sdp: str) -> None:
        await self.connection.setRemoteDescription(
            RTCSessionDescription(sdp=answer_sdp, type="answer")
        )

    async def close(self) -> None:
        await self.connection.close()
        if self._listening is not None:
            await self._listening

    async def until_told(self) -> None:
        """Wait for the first caption."""
        await asyncio.wait_for(self._captioned.wait(), 10)

    def _caption(self, message: str) -> None:
        self.captions.append(message)
        self._captioned.set()

    def _hear(self, track: MediaStreamTrack) -> None:
        self._listening = asyncio.create_task(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = cast("AudioFrame", await track.recv())
                channels = 2 if frame.layout.name == "stereo" else 1
                samples = frame.to_ndarray().reshape(-1, channels)[:, 0]
                self.heard.append(samples[:: frame.sample_rate // 8000])
        except MediaStreamError:
            pass
