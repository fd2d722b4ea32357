"""Browsers as Legs, over WebRTC: an SDP offer comes in, an SDP answer goes out, then audio flows.

`WebRtcPeers.accept` answers an offer and gives the leg. The leg connects by itself (ICE, DTLS), or
ends as `network_error` when no way is found in time; `answer` waits for that. Whichever way it
ends, its sockets, tasks and threads are given back at once, whether or not anybody hangs it up.
What the two say to each other beside the audio is in telephony/webrtc_messages.py.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, assert_never

from aiortc import RTCDataChannel, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.exceptions import InternalError, InvalidStateError, OperationError

from telephony.leg import CallerInfo, LegGoneError
from telephony.reporting_leg import ReportingLeg
from telephony.rtp.jitter import JitterStatistics
from telephony.webrtc_audio import AudioCodec, IncomingAudio, OutgoingAudio
from telephony.webrtc_errors import BadOfferError, TooManyPeersError
from telephony.webrtc_ice import IceServers, configuration, offering
from telephony.webrtc_messages import (
    CAPTIONS_CHANNEL,
    ENDED,
    KEYS_CHANNEL,
    HungUp,
    KeySent,
    caption,
    parse,
)
from telephony.webrtc_offer import AIORTC_FAULTS, agreed_codec
from voice.events import KeyPressed
from voice.frames import Pcm, silence

logger = logging.getLogger(__name__)

_CLOSE_S: Final = 5.0  # aiortc closes within milliseconds; one that hangs is left, and reported
_CAPTIONS_HELD: Final = 64  # said before their channel opens, some 100 ms after the audio
_CAPTIONS_UNSENT: Final = 64 * 1024  # bytes that a browser may be behind

# aioice tells each step of every connection at INFO, with the addresses of both ends.
logging.getLogger("aioice").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebRtcOptions:
    """How browsers are connected."""

    ice_servers: tuple[IceServers, ...] = ()
    codec: AudioCodec = AudioCodec.PCMU  # preferred; the other one when a browser has only that
    host_addresses: tuple[str, ...] | None = None  # of ours, to be reached at; None: all
    connect_s: float = 15.0  # from our answer until audio can flow
    media_timeout_s: float = 20.0  # without a packet before the browser counts as gone
    max_connecting: int = 32  # each holds a socket for each address until its time is up


class WebRtcPeers:
    """Answers offers; the number of browsers that are not yet connected is bounded."""

    def __init__(
        self, options: WebRtcOptions, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` gives monotonic seconds."""
        self._options, self._clock = options, clock
        self._connecting: set[WebRtcLeg] = set()

    @property
    def connecting(self) -> int:
        """Browsers that are not yet connected."""
        return len(self._connecting)

    async def accept(self, offer_sdp: str, info: CallerInfo) -> "WebRtcLeg":
        """Answer this offer: the leg's `answer_sdp` is for the browser. Takes up to 5 s when a
        STUN or TURN server does not answer, else milliseconds.

        Raises:
            BadOfferError: it is no SDP, or not of one audio stream that we can speak.
            TooManyPeersError: too many browsers are connecting.
        """
        if self.connecting >= self._options.max_connecting:
            raise TooManyPeersError(f"{self.connecting} browsers are connecting already")
        codec = agreed_codec(offer_sdp, self._options.codec)
        leg = WebRtcLeg(
            info,
            codec=codec,
            options=self._options,
            clock=self._clock,
            on_settled=self._connecting.discard,
        )
        self._connecting.add(leg)
        await leg.negotiate(offer_sdp)
        return leg


class WebRtcLeg(ReportingLeg):
    """Implements telephony.leg.Leg; made by WebRtcPeers.

    Attributes:
        on_event: called on the event loop with keys and, once, the end. An end that came before it
            was set is reported after the next `receive_frame`; keys are not.
        info: who calls, as far as the page's server knows.
        codec: what is spoken.
        answer_sdp: for the browser, with all our candidates.
    """

    def __init__(
        self,
        info: CallerInfo,
        *,
        codec: AudioCodec,
        options: WebRtcOptions,
        clock: Callable[[], float],
        on_settled: Callable[["WebRtcLeg"], None],
    ) -> None:
        """`on_settled` is called once, when it is connected or never will be."""
        super().__init__(info.call_id)
        self.info, self.codec, self.answer_sdp = info, codec, ""
        self._options, self._clock, self._on_settled = options, clock, on_settled
        self._incoming = IncomingAudio(codec, clock=clock)
        self._outgoing = OutgoingAudio(codec)
        self._peer = RTCPeerConnection(configuration(options.ice_servers))
        self._keys: RTCDataChannel | None = None
        self._captions: RTCDataChannel | None = None
        self._captions_held: deque[str] = deque(maxlen=_CAPTIONS_HELD)
        self._settled = asyncio.Event()
        self._connected_at_s: float | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._releasing: asyncio.Task[None] | None = None
        self._peer.on("connectionstatechange", self._state_changed)
        self._peer.on("datachannel", self._channel_opened)

    async def negotiate(self, offer_sdp: str) -> None:
        """Answer the offer and begin to connect; called once, by WebRtcPeers.

        Raises:
            BadOfferError: the offer cannot be answered; everything is released.
        """
        try:
            await self._agree(RTCSessionDescription(sdp=offer_sdp, type="offer"))
        except (InternalError, InvalidStateError, OperationError, *AIORTC_FAULTS) as error:
            await self._give_back("network_error")
            raise BadOfferError(f"the offer cannot be answered: {error!r}") from error
        except BaseException:
            await self._give_back("network_error")
            raise
        self._deadline = asyncio.get_running_loop().call_later(
            self._options.connect_s, self._not_connected
        )

    async def _agree(self, offer: RTCSessionDescription) -> None:
        transceiver = self._peer.addTransceiver(self._outgoing, direction="sendrecv")
        transceiver.setCodecPreferences(
            [
                known
                for known in RTCRtpSender.getCapabilities("audio").codecs
                if known.mimeType.lower() == self.codec.value.lower()
            ]
        )
        self._incoming.attach(transceiver.receiver)
        await self._peer.setRemoteDescription(offer)
        with offering(self._options.host_addresses):
            await self._peer.setLocalDescription(await self._peer.createAnswer())
        self.answer_sdp = self._peer.localDescription.sdp

    # --- call control -----------------------------------------------------------------------------

    async def answer(self) -> None:
        """Wait until audio flows both ways.

        Raises:
            LegGoneError: no way to the browser was found, or it went away.
        """
        await self._settled.wait()
        if self._ended:
            raise LegGoneError("the browser could not be reached, or went away")

    async def reject(self, status: int, *, retry_after_s: int | None = None) -> None:
        """Refuse the call; the browser learns that it has ended, not why."""
        await self.hang_up(f"rejected_{status}")

    async def hang_up(self, reason: str) -> None:
        """End the call; idempotent.

        The end is reported (as `server_hangup`, or `media_timeout`) at once; this returns when
        everything is released.
        """
        if not self._ended:
            logger.info("Hanging up", extra={"call_id": self.info.call_id, "reason": reason})
            self._send(self._keys, ENDED)
        await self._give_back(reason if reason == "media_timeout" else "server_hangup")

    def send_caption(self, who: str, text: str, *, final: bool = True) -> None:
        """Show a line of the conversation in the browser; never blocks.

        Args:
            who: caller, frontdesk or agent.
            text: what was said.
            final: if not, their next caption replaces it; one without text takes it back.
        """
        if not self._ended:
            self._captions_held.append(caption(who, text, final=final))
            self._show_captions()

    # --- audio ------------------------------------------------------------------------------------

    @property
    def reports_keys(self) -> bool:
        """Browsers have no tones: keys come over their channel."""
        return True

    @property
    def delay_s(self) -> float:
        """See voice.ports.Buffered."""
        return self._incoming.delay_s

    @property
    def slip(self) -> int:
        """See voice.ports.Buffered."""
        return self._incoming.slip

    @property
    def statistics(self) -> JitterStatistics:
        """Of the audio received."""
        return self._incoming.statistics

    def receive_frame(self) -> Pcm:
        """The browser's next 20 ms, shape (160,); silence before it is connected and after the
        end."""
        if self._connected_at_s is None or self._ended:
            self._remind_of_end()
            return silence()
        heard_at_s = max(self._incoming.last_packet_at_s or 0.0, self._connected_at_s)
        if self._clock() - heard_at_s >= self._options.media_timeout_s:
            self._finish("media_timeout")
        return self._incoming.receive_frame()

    def send_frame(self, pcm: Pcm) -> None:
        """Send 20 ms, int16, shape (160,); dropped when there is no one to hear it."""
        if self._connected_at_s is not None and not self._ended:
            self._outgoing.push(pcm)

    # --- what the network reports -----------------------------------------------------------------

    def _state_changed(self) -> None:
        match self._peer.connectionState:
            case "connected":
                self._connected_at_s = self._clock()
                self._settle()
            case "failed":
                self._finish("network_error")
            case "closed":
                self._finish("caller_hangup")
            case _:
                pass

    def _not_connected(self) -> None:
        if self._connected_at_s is None:
            self._finish("network_error")

    def _channel_opened(self, channel: RTCDataChannel) -> None:
        if channel.label == KEYS_CHANNEL and self._keys is None:
            self._keys = channel
            channel.on("message", self._message_received)
            # A page that is left or reloaded says no more than this.
            channel.on("close", lambda: self._finish("caller_hangup"))
        elif channel.label == CAPTIONS_CHANNEL and self._captions is None:
            self._captions = channel
            self._show_captions()

    def _message_received(self, message: str | bytes) -> None:
        said = parse(message)
        match said:
            case KeySent(key=key):
                if not self._ended:
                    self._report(KeyPressed(key=key))
            case HungUp():
                self._finish("caller_hangup")
            case None:
                logger.debug("Unknown message", extra={"call_id": self.info.call_id})
            case _:
                assert_never(said)

    def _show_captions(self) -> None:
        channel = self._captions
        while channel is not None and self._captions_held:
            if channel.bufferedAmount > _CAPTIONS_UNSENT:
                return
            self._send(channel, self._captions_held.popleft())

    def _send(self, channel: RTCDataChannel | None, message: str) -> None:
        if channel is not None and channel.readyState == "open":
            channel.send(message)

    # --- the end ----------------------------------------------------------------------------------

    async def _give_back(self, reason: str) -> None:
        """End it, if it has not, and wait until everything is released."""
        self._finish(reason)
        assert self._releasing is not None
        # Who waits may be cancelled; the sockets are closed all the same.
        await asyncio.shield(self._releasing)

    def _finish(self, reason: str) -> None:
        if self._ended:
            return
        self._report_end(reason)
        self._settle()
        # A task of the leg's own: it is released even if nobody runs the call.
        self._releasing = asyncio.get_running_loop().create_task(
            self._release(), name=f"release {self.info.call_id}"
        )

    def _settle(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if not self._settled.is_set():
            self._settled.set()
            self._on_settled(self)

    async def _release(self) -> None:
        self._captions_held.clear()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._peer.close()
        except Exception:
            logger.exception("A peer was not closed", extra={"call_id": self.info.call_id})
