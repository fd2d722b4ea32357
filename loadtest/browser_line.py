"""A caller in a browser: a call to the page /phone over WebRTC, by the page's own protocol.

The offer goes to POST /v1/phone/offer, audio over aiortc, keys and the end over the channel `keys`.
Target: http://host:port/phone.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from loadtest.clock import MediaClock
from loadtest.errors import BadTargetError, PeerError, RefusedError, UnreachableError
from loadtest.media import LISTENING_DELAY, Sent, quality_of
from loadtest.pcm import FRAME_SAMPLES, RATE_HZ, SILENCE, Pcm, frames_of
from loadtest.quality import Quality, Transit, Underruns
from loadtest.recorder import Recorder
from loadtest.report import MediaStats
from loadtest.rtp import frames_of_keys
from loadtest.transfer.browser_audio import BrowserAudio
from loadtest.transfer.errors import AgentError

_OFFER: Final = "/v1/phone/offer"
_ANSWER_S: Final = 15.0  # a server that is connecting many browsers takes its time
_LOCAL: Final = frozenset({"127.0.0.1", "localhost"})


class BrowserLine:
    """One call from a browser. Open it with `open_browser_line`."""

    def __init__(self, audio: BrowserAudio, recorder: Recorder, clock: MediaClock) -> None:
        self.recorder = recorder
        self.setup_s = 0.0
        """From the offer until audio could flow."""
        self.broke = False
        """Whether the far end went without a word."""
        self._audio, self._clock = audio, clock
        self._outgoing: deque[Pcm | str] = deque()  # a frame, or a key
        self._on_frame: Callable[[Pcm, int], None] = lambda frame, now: None
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._closed = False
        self._sent = 0
        self._heard_end = 0
        self._transit = Transit(RATE_HZ)
        self._underruns = Underruns(held_up=clock.held_up_lately)
        audio.heard = recorder.heard
        audio.speak = self._speak
        audio.on_frame = self._hear
        audio.on_packet = self._packet_came
        audio.on_message = self._told

    @property
    def now(self) -> int:
        """The sample at which the next frame will lie."""
        return self._audio.now

    def start(self, on_frame: Callable[[Pcm, int], None]) -> None:
        """Listen; the connection keeps time since it is there."""
        self._on_frame = on_frame

    def say(self, pcm: Pcm) -> Sent:
        """Queue speech behind what is queued; returns where it will lie."""
        return self._queue(list(frames_of(pcm)))

    def press(self, keys: str) -> Sent:
        """Queue keys, with pauses between them.

        Raises:
            ValueError: not a key.
        """
        return self._queue(frames_of_keys(keys))

    @property
    def received(self) -> int:
        """Packets of audio received."""
        return self._audio.arrivals.received

    @property
    def ended(self) -> str | None:
        """Why the far end ended the call, once it has."""
        return self._ended.result() if self._ended.done() else None

    async def wait_ended(self) -> str:
        """Wait until the far end hangs up; returns why."""
        return await asyncio.shield(self._ended)

    def stats(self) -> MediaStats:
        arrivals, late = self._audio.arrivals, self._clock.lateness
        return MediaStats(
            packets_sent=self._sent,
            packets_received=arrivals.received,
            packets_lost=arrivals.lost,
            packets_late=arrivals.late,
            clock_late_p99_ms=late.percentile_ms(99),  # of all calls on this clock
            clock_late_max_ms=late.percentile_ms(100),
        )

    def quality(self) -> Quality:
        """How the far end's audio arrived, as far as this process saw it in time."""
        return quality_of(self._audio.arrivals, self._transit, self._underruns)

    async def close(self) -> None:
        """Hang up as the page does, and let go; idempotent."""
        if not self._closed:
            self._closed = True
            if not self._ended.done():
                self._audio.send(json.dumps({"type": "hang_up"}))
            await self._audio.close()
            self._on_frame = lambda frame, now: None  # who listened has us: we would be a ring

    # --- what the connection does -----------------------------------------------------------------

    def _queue(self, frames: "list[Pcm] | list[Pcm | str]") -> Sent:
        start = self.now + len(self._outgoing) * FRAME_SAMPLES
        self._outgoing.extend(frames)
        return Sent(start=start, end=self.now + len(self._outgoing) * FRAME_SAMPLES)

    def _speak(self, start: int) -> Pcm:
        frame = self._outgoing.popleft() if self._outgoing else SILENCE
        if isinstance(frame, str):
            self._audio.send(json.dumps({"type": "key", "key": frame}))
            frame = SILENCE
        self.recorder.sent.write(start, frame)
        self._sent += 1
        return frame

    def _packet_came(self, arrived_s: float, timestamp: int, end: int) -> None:
        self._transit.packet(arrived_s, timestamp)
        self._heard_end = max(self._heard_end, end)

    def _hear(self, frame: Pcm) -> None:
        end = self.now - LISTENING_DELAY
        self._underruns.frame(frame if self._heard_end >= end else None)
        self._on_frame(frame, end)

    def _told(self, message: str) -> None:
        with contextlib.suppress(ValueError, AttributeError):
            if not message:
                self.broke = not self._closed and not self._ended.done()
                self._end("the connection was lost")
            elif json.loads(message).get("type") == "ended":
                self._end("hung up")

    def _end(self, why: str) -> None:
        if not self._ended.done():
            self._ended.set_result(why)


@contextlib.asynccontextmanager
async def open_browser_line(
    url: str, *, clock: MediaClock | None = None, recorder: Recorder | None = None
) -> AsyncGenerator[BrowserLine]:
    """Call from a browser; leaving the context hangs up.

    Raises:
        BadTargetError: not a URL of a host.
        RefusedError: the page takes no call now.
        UnreachableError: no answer, or no way for the audio.
        PeerError: the answer is none.
    """
    parts = urlsplit(url)
    if not parts.hostname:
        raise BadTargetError(f"{url} names no host: write http://host:port/phone")
    clock = clock or MediaClock()
    audio = BrowserAudio(clock, address="127.0.0.1" if parts.hostname in _LOCAL else None)
    line = BrowserLine(audio, recorder or Recorder(), clock)
    try:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        answer = await _offer(f"{parts.scheme}://{parts.netloc}", await audio.offer())
        await audio.take(answer)
        await audio.connected()
        line.setup_s = loop.time() - began_s
        yield line
    except (AgentError, TimeoutError) as error:
        raise UnreachableError(f"no audio to {parts.netloc}: {error or 'timed out'}") from error
    finally:
        await line.close()


async def _offer(site: str, sdp: str) -> str:
    """The answer's SDP."""
    try:
        async with httpx.AsyncClient(base_url=site, timeout=_ANSWER_S) as client:
            answer = await client.post(
                _OFFER, json={"type": "offer", "sdp": sdp}, headers={"Origin": site}
            )
    except httpx.HTTPError as error:
        raise UnreachableError(
            f"{site} does not answer: {error or type(error).__name__}"
        ) from error
    if not answer.is_success:
        later = answer.headers.get("Retry-After", "")
        raise RefusedError(
            answer.status_code,
            answer.reason_phrase,
            retry_after_s=int(later) if later.isdigit() else None,
        )
    try:
        content: Any = answer.json()
        return str(content["sdp"])
    except (ValueError, KeyError, TypeError) as error:
        raise PeerError(f"{site} answered with no session description") from error
