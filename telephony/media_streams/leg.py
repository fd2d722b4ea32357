"""A carrier's media stream as a Leg: one WebSocket is one call.

We play in real time, one message for each 20 ms tick, and the carrier plays what it gets: it never
holds more than a frame or two of ours, so a reply that is interrupted ends with the next tick and
nothing has to be taken back. Only after a stall of the network does the outbox clear it.

The WebSocket is the call: the carrier ends it with `stop`, we by closing it, after a last mark has
come back to say that the caller has heard everything.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, assert_never

from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

from telephony.leg import CallerInfo, LegGoneError
from telephony.media_streams.errors import MediaStreamError
from telephony.media_streams.line import IncomingLine
from telephony.media_streams.outbox import ClearAudio, Outbox, Outgoing, SendAudio, SendMark
from telephony.media_streams.twilio import (
    Connected,
    DtmfReceived,
    MarkReached,
    MediaReceived,
    Started,
    Stopped,
    StreamEvent,
    parse,
    serialise_clear,
    serialise_mark,
    serialise_media,
)
from telephony.reporting_leg import ReportingLeg
from telephony.rtp.plc import Concealer
from voice.codec import Codec, decode, encode
from voice.events import KeyPressed
from voice.frames import Pcm, silence

logger = logging.getLogger(__name__)

_LAST_WORDS: Final = "last-words"  # the mark behind everything we said
_PLAYED_S: Final = 1.0  # for that mark to come back; a carrier holds a few 100 ms at most

_CLOSE_OK: Final = 1000  # RFC 6455 §7.4.1
_CLOSE_POLICY: Final = 1008
_CLOSE_TRY_LATER: Final = 1013
_TRY_LATER_STATUS: Final = frozenset((480, 486, 500, 503, 600))  # SIP: busy, or broken for now


class Channel(Protocol):
    """What a leg needs of a WebSocket; send and recv raise websockets' ConnectionClosed."""

    async def send(self, message: str) -> None: ...

    async def recv(self) -> str | bytes: ...

    async def close(self, code: int = 1000, reason: str = "") -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatistics:
    """Counts since the stream started."""

    received: int  # pieces of audio, of any length
    late: int  # pieces that came twice or too late
    skipped: int  # frames left out to catch up
    malformed: int  # messages
    sent: int  # frames
    dropped: int  # frames that the network did not take in time


class MediaStreamLeg(ReportingLeg):
    """Implements telephony.leg.Leg for a stream whose `start` has come; somebody must `run` it.

    Attributes:
        info: who calls whom, where the stream's parameters From and To say so.
        trunk: whose line it came over: the carrier's account, or else the carrier's address.
    """

    def __init__(
        self,
        channel: Channel,
        start: Started,
        *,
        peer: str,
        media_timeout_s: float = 20.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            channel: the open WebSocket.
            start: the stream's first message of substance.
            peer: host:port of the carrier.
            media_timeout_s: without audio, before the caller counts as gone.
            clock: monotonic seconds.
        """
        self.info = _caller_info(start, peer)
        self.trunk = start.account_sid or peer.rpartition(":")[0]
        super().__init__(self.info.call_id)
        self._channel = channel
        self._stream_sid = start.stream_sid
        self._media_timeout_s = media_timeout_s
        self._clock = clock
        self._line = IncomingLine()
        self._concealer = Concealer()
        self._outbox = Outbox()
        self._played = asyncio.Event()  # the last mark has come back, or never will
        self._answered = False
        self._heard_at_s = clock()
        self._received = self._malformed = self._sent = 0

    @property
    def statistics(self) -> StreamStatistics:
        return StreamStatistics(
            received=self._received,
            late=self._line.late,
            skipped=self._line.skipped,
            malformed=self._malformed,
            sent=self._sent,
            dropped=self._outbox.dropped,
        )

    # --- call control -----------------------------------------------------------------------------

    async def answer(self) -> None:
        """Start media; the carrier has answered the caller already.

        Raises:
            LegGoneError: the stream ended meanwhile.
        """
        if self._ended:
            raise LegGoneError("the stream ended before it was answered")
        self._answered = True
        self._heard_at_s = self._clock()

    async def reject(self, status: int, *, retry_after_s: int | None = None) -> None:
        """Refuse the call with a SIP status, told as a close code; the carrier hangs up."""
        later = retry_after_s is not None or status in _TRY_LATER_STATUS
        self._report_end("server_hangup")
        await self._channel.close(_CLOSE_TRY_LATER if later else _CLOSE_POLICY, str(status))

    async def hang_up(self, reason: str) -> None:
        """End the call; idempotent.

        The end is reported (as `server_hangup`, or `media_timeout`) at once; the WebSocket is
        closed when the caller has heard what was sent, or after 1 s.
        """
        if not self._ended:
            logger.info("Hanging up", extra={"call_id": self.info.call_id, "reason": reason})
            self._report_end(reason if reason == "media_timeout" else "server_hangup")
            if reason != "media_timeout":
                await self._let_finish()
        await self._channel.close(_CLOSE_OK)

    async def _let_finish(self) -> None:
        self._outbox.finish(_LAST_WORDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PLAYED_S):
                await self._played.wait()

    # --- audio ------------------------------------------------------------------------------------

    @property
    def delay_s(self) -> float:
        """How long the caller's audio waits here before it is received, in seconds."""
        return self._line.buffered_ms / 1000

    @property
    def slip(self) -> int:
        """See voice.ports.Buffered."""
        return self._line.slip

    @property
    def reports_keys(self) -> bool:
        """The carrier reports keys as messages of their own."""
        return True

    def receive_frame(self) -> Pcm:
        """The caller's next 20 ms, shape (160,); silence before the answer and after the end."""
        if self._ended or not self._answered:
            self._remind_of_end()
            return silence()
        if self._clock() - self._heard_at_s >= self._media_timeout_s:
            self._give_up()
        payload = self._line.pop()
        if payload is None:
            # Speech that breaks off clicks: a dry line fades out as a lost packet does.
            return self._concealer.conceal()
        return self._concealer.receive(decode(Codec.PCMU, payload))

    def send_frame(self, pcm: Pcm) -> None:
        """Send the caller 20 ms, int16, shape (160,); dropped when there is no one to hear it."""
        if self._answered and not self._ended:
            self._outbox.put(encode(Codec.PCMU, pcm))

    # --- the stream -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read and write until the stream ends, whoever ends it; call it once."""
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(self._write())
                await self._read()
                writer.cancel()
        finally:
            self._report_end("network_error")
            self._played.set()

    async def _read(self) -> None:
        try:
            while self._take(await self._channel.recv()):
                pass
        except ConnectionClosedOK:
            self._report_end("caller_hangup")
        except ConnectionClosed as closed:
            if not self._ended:
                logger.warning(
                    "Media stream lost", extra={"call_id": self.info.call_id, "error": str(closed)}
                )
            self._report_end("network_error")

    def _take(self, message: str | bytes) -> bool:
        """Take a message; whether another can follow."""
        try:
            event = parse(message)
        except MediaStreamError as error:
            self._malformed += 1
            logger.debug("Malformed message: %s", error, extra={"call_id": self.info.call_id})
            return True
        return event is None or self._take_event(event)

    def _take_event(self, event: StreamEvent) -> bool:
        match event:
            case MediaReceived(payload=payload, chunk=chunk):
                self._received += 1
                self._heard_at_s = self._clock()
                self._line.put(payload, chunk)
            case DtmfReceived(key=key):
                if not self._ended:
                    self._report(KeyPressed(key=key))
            case MarkReached(name=name):
                if name == _LAST_WORDS:
                    self._played.set()
            case Stopped():
                self._report_end("caller_hangup")
                return False
            case Connected() | Started():
                logger.debug("Stream begun twice", extra={"call_id": self.info.call_id})
            case _:
                assert_never(event)
        return True

    async def _write(self) -> None:
        # A closed connection is the reader's to report.
        with contextlib.suppress(ConnectionClosed):
            while True:
                outgoing = await self._outbox.get()
                await self._channel.send(self._serialise(outgoing))
                self._sent += isinstance(outgoing, SendAudio)

    def _serialise(self, outgoing: Outgoing) -> str:
        match outgoing:
            case SendAudio(payload=payload):
                return serialise_media(self._stream_sid, payload)
            case ClearAudio():
                return serialise_clear(self._stream_sid)
            case SendMark(name=name):
                return serialise_mark(self._stream_sid, name)
            case _:
                assert_never(outgoing)


def _caller_info(start: Started, peer: str) -> CallerInfo:
    given = {name.lower(): value for name, value in start.parameters.items()}
    return CallerInfo(
        call_id=start.call_sid or start.stream_sid,
        caller=given.get("from") or "anonymous",
        callee=given.get("to") or "unknown",
        transport="twilio/ws",
        peer=peer,
    )
