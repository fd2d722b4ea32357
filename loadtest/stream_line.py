"""A carrier's end of a Twilio Media Streams WebSocket: the call's audio without SIP or RTP.

The carrier opens the socket, says `connected` and `start`, sends the caller's audio every 20 ms and
plays what comes back in order, at the speed of speech, until `clear` empties its buffer; a `mark`
is sent back when the audio before it has been played.
https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

import asyncio
import base64
import contextlib
import json
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final, cast

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from loadtest import g711
from loadtest.clock import MediaClock
from loadtest.errors import BadTargetError, PeerError, RefusedError, UnreachableError
from loadtest.media import Sent
from loadtest.pcm import FRAME_S, FRAME_SAMPLES, RATE_HZ, SILENCE, Pcm, frames_of
from loadtest.quality import Quality, Underruns, call_mos
from loadtest.recorder import Recorder
from loadtest.report import MediaStats
from loadtest.rtp import frames_of_keys

_OPEN_S: Final = 10.0  # a server that has not accepted by then will not
_MAX_BUFFERED: Final = 120 * RATE_HZ  # samples waiting to be played; more is not speech
_CARRIER_FRAMES: Final = 3  # 60 ms that a carrier's own jitter buffer hides from the listener
_UNSENT: Final = 500  # messages, 10 s: then the far end does not read, and the oldest are dropped
_MAX_LATENESS_KEPT: Final = 180_000


def _encoded(frame: Pcm) -> str:
    return base64.b64encode(g711.encode(frame, "PCMU")).decode("ascii")


_SILENT: Final = _encoded(SILENCE)


class _Playback:
    """The carrier's buffer: audio and marks in order."""

    def __init__(self) -> None:
        self._items: deque[Pcm | str] = deque()
        self._samples = 0

    @property
    def empty(self) -> bool:
        """Whether there is no audio to play."""
        return self._samples == 0

    def add_audio(self, pcm: Pcm) -> None:
        if self._samples + pcm.size > _MAX_BUFFERED:
            raise PeerError("the far end sent two minutes of audio ahead")
        self._items.append(pcm)
        self._samples += pcm.size

    def add_mark(self, name: str) -> None:
        self._items.append(name)

    def clear(self) -> list[str]:
        """Throw all audio away; returns the marks that were waiting for it."""
        marks = [item for item in self._items if isinstance(item, str)]
        self._items.clear()
        self._samples = 0
        return marks

    def pop(self, count: int) -> tuple[Pcm, list[str]]:
        """The next `count` samples, padded with silence, and the marks reached."""
        parts: list[Pcm] = []
        marks: list[str] = []
        missing = count
        while self._items and (missing or isinstance(self._items[0], str)):
            item = self._items.popleft()
            if isinstance(item, str):
                marks.append(item)
                continue
            parts.append(item[:missing])
            if item.size > missing:
                self._items.appendleft(item[missing:])
            missing -= parts[-1].size
        self._samples -= count - missing
        return np.concatenate([*parts, np.zeros(missing, np.int16)]), marks


class StreamLine:
    """One call over a WebSocket, ticked every 20 ms by a clock that calls may share.

    Open it with `open_stream_line`.
    """

    def __init__(
        self,
        socket: ClientConnection,
        caller: str,
        clock: MediaClock | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.recorder = recorder or Recorder()
        self.setup_s = 0.0
        """Connecting and upgrading."""
        self._socket = socket
        self._stream_sid = f"MZ{secrets.token_hex(16)}"
        self._call_sid = f"CA{secrets.token_hex(16)}"
        self._caller = caller
        self._outgoing: deque[Pcm | str] = deque()  # a frame, or a key
        self._unsent: asyncio.Queue[str] = asyncio.Queue(_UNSENT)
        self._playback = _Playback()
        self._on_frame: Callable[[Pcm, int], None] = lambda frame, now: None
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._tasks: list[asyncio.Task[None]] = []
        self._clock = clock or MediaClock()
        self._underruns = Underruns(buffered=_CARRIER_FRAMES, held_up=self._clock.held_up_lately)
        self._closed = False
        self.broke = False
        """Whether the far end went without closing the stream in order."""
        self._tick = 0
        self._number = 0
        self._sent = self._received = 0
        self._lateness_s: deque[float] = deque(maxlen=_MAX_LATENESS_KEPT)

    @property
    def now(self) -> int:
        """The sample at which the next frame will lie."""
        return self._tick * FRAME_SAMPLES

    def start(self, on_frame: Callable[[Pcm, int], None]) -> None:
        """Announce the call and begin to send, play and keep time."""
        self._on_frame = on_frame
        self._announce()
        self._clock.join(self._on_tick)
        for work in (self._write(), self._read()):
            self._tasks.append(asyncio.create_task(work, name="stream-line"))

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
    def ended(self) -> str | None:
        """Why the far end closed the stream, once it has."""
        return self._ended.result() if self._ended.done() else None

    async def wait_ended(self) -> str:
        """Wait until the far end closes the stream; returns why."""
        return await asyncio.shield(self._ended)

    def stats(self) -> MediaStats:
        late_ms = np.asarray(self._lateness_s or [0.0]) * 1000
        return MediaStats(
            packets_sent=self._sent,
            packets_received=self._received,
            packets_lost=0,
            packets_late=0,
            clock_late_p99_ms=float(np.percentile(late_ms, 99)),
            clock_late_max_ms=float(late_ms.max()),
        )

    @property
    def received(self) -> int:
        """Messages of audio received."""
        return self._received

    def quality(self) -> Quality:
        """How the far end's audio played; TCP loses nothing, so only holes count."""
        unusable = min(1.0, self._underruns.count / max(1, self._received))
        return Quality(
            underruns=self._underruns.count,
            held_up=self._underruns.held_up,
            unusable=unusable,
            mos=call_mos(unusable=unusable, lateness_p99_ms=0.0, buffer_ms=1000 * FRAME_S),
        )

    async def close(self) -> None:
        """Say `stop` and let go; idempotent."""
        if self._closed:
            return
        self._closed = True
        self._clock.leave(self._on_tick)
        self._on_frame = lambda frame, now: None  # who listened has us: we would be a ring
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(ConnectionClosed, TimeoutError):
            async with asyncio.timeout(2):
                await self._socket.send(self._message("stop", callSid=self._call_sid))

    # --- sending ----------------------------------------------------------------------------------

    def _announce(self) -> None:
        self._post(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        start = {
            "streamSid": self._stream_sid,
            "accountSid": "AC" + "0" * 32,
            "callSid": self._call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": RATE_HZ, "channels": 1},
            "customParameters": {"from": self._caller},
        }
        self._post(self._message("start", **start))

    def _queue(self, frames: "list[Pcm] | list[Pcm | str]") -> Sent:
        start = self.now + len(self._outgoing) * FRAME_SAMPLES
        self._outgoing.extend(frames)
        return Sent(start=start, end=start + len(frames) * FRAME_SAMPLES)

    def _message(self, event: str, **content: Any) -> str:
        self._number += 1
        head = {"event": event, "sequenceNumber": str(self._number), "streamSid": self._stream_sid}
        return json.dumps({**head, event: content})

    def _post(self, text: str) -> None:
        if self._unsent.full():
            self._unsent.get_nowait()
        self._unsent.put_nowait(text)

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._socket.send(await self._unsent.get())

    def _on_tick(self, late_s: float) -> None:
        self._lateness_s.append(late_s)
        self._send_frame()
        self._play_frame()

    def _send_frame(self) -> None:
        item = self._outgoing.popleft() if self._outgoing else SILENCE
        if isinstance(item, str):
            self._post(self._message("dtmf", track="inbound_track", digit=item))
            item = SILENCE
        self.recorder.sent.write(self.now, item)
        payload = _SILENT if item is SILENCE else _encoded(item)
        self._sent += 1
        self._post(
            self._message(
                "media",
                track="inbound",
                chunk=str(self._sent),
                timestamp=str(self._tick * 20),
                payload=payload,
            )
        )
        self._tick += 1

    # --- receiving --------------------------------------------------------------------------------

    def _play_frame(self) -> None:
        end = self.now
        present = not self._playback.empty
        frame, marks = self._playback.pop(FRAME_SAMPLES)
        self._underruns.frame(frame if present else None)
        self.recorder.heard.write(end - FRAME_SAMPLES, frame)
        self._return_marks(marks)
        self._on_frame(frame, end)

    def _return_marks(self, marks: list[str]) -> None:
        for name in marks:
            self._post(self._message("mark", name=name))

    async def _read(self) -> None:
        reason = "the far end closed the stream"
        try:
            async for text in self._socket:
                self._receive(text)
        except ConnectionClosed as error:
            reason, self.broke = f"the stream broke: {error}", True
        except PeerError as error:
            reason = str(error)
        if not self._ended.done():
            self._ended.set_result(reason)

    def _receive(self, text: str | bytes) -> None:
        """Take one message; what is not of the dialect ends the call.

        Raises:
            PeerError: not a message of the dialect.
        """
        try:
            message = cast("dict[str, Any]", json.loads(text))
            match message["event"]:
                case "media":
                    payload = base64.b64decode(message["media"]["payload"], validate=True)
                    self._received += 1
                    self._playback.add_audio(g711.decode(payload, "PCMU"))
                case "mark":
                    self._playback.add_mark(str(message["mark"]["name"]))
                case "clear":
                    self._underruns.forget()
                    self._return_marks(self._playback.clear())
                case _:
                    pass  # a carrier ignores what it does not know
        except (ValueError, KeyError, TypeError) as error:
            raise PeerError(f"not a message of the dialect: {error!r}") from error


@contextlib.asynccontextmanager
async def open_stream_line(
    url: str,
    *,
    caller: str,
    open_timeout_s: float = _OPEN_S,
    clock: MediaClock | None = None,
    via: tuple[str, int] | None = None,
    recorder: Recorder | None = None,
) -> AsyncGenerator[StreamLine]:
    """Open a stream to `url` (ws:// or wss://); leaving the context stops it.

    Args:
        url: where the far end takes media streams.
        caller: our number or name.
        open_timeout_s: how long it may take to accept.
        clock: shared with other calls; without one the line has its own.
        via: connect to this address instead of the URL's: a proxy.
        recorder: keeps the audio; without one all of it is kept.

    Raises:
        BadTargetError: not a WebSocket URL.
        UnreachableError: nothing listens there, or it does not answer in time.
        RefusedError: it declines the WebSocket.
    """
    where: dict[str, Any] = {} if via is None else {"host": via[0], "port": via[1]}
    began_s = asyncio.get_running_loop().time()
    try:
        socket = await connect(
            url, open_timeout=open_timeout_s, ping_interval=None, compression=None, **where
        )
    except InvalidURI as error:
        raise BadTargetError(f"not a WebSocket address: {url!r}") from error
    except InvalidHandshake as error:
        status = getattr(getattr(error, "response", None), "status_code", 0)
        raise RefusedError(status, str(error)) from error
    except (OSError, TimeoutError) as error:
        raise UnreachableError(f"{url}: {error or 'no answer in time'}") from error
    line = StreamLine(socket, caller, clock, recorder)
    line.setup_s = asyncio.get_running_loop().time() - began_s
    try:
        yield line
    finally:
        await line.close()
        await socket.close()
