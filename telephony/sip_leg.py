"""A SIP caller as a Leg: signalling from telephony.sip, audio from telephony.rtp.

The leg owns the call's RTP session from the answer to the end, whichever way the end comes, and
reports the end exactly once. Keys may come as telephone events, by INFO, or, from phones that want
to be sure, both ways at once: such a pair is one key.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from telephony.leg import CallerInfo, LegGoneError
from telephony.rtp import PortsExhaustedError
from telephony.rtp.ports import PortRange
from telephony.rtp.session import RtpSession, RtpStatistics
from telephony.sip.errors import RemoteProtocolError
from telephony.sip.incoming_call import IncomingCall
from telephony.sip.media import Direction, MediaAgreement
from voice.events import KeyPressed, LegEnded, LegEvent
from voice.frames import Pcm, silence

logger = logging.getLogger(__name__)

_SAME_KEY_S: Final = 0.1  # an INFO and the telephone event of one press are not further apart
_CONFIRM_S: Final = 2.0  # a caller who is there confirms a BYE in far less
_RETRY_AFTER_S: Final = 5  # without a free port: some call will have ended by then

_REASONS: Final = {"cancelled": "caller_hangup", "no_ack": "network_error"}
"""What the signalling calls an end, in the words of LegEnded where they differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaOptions:
    """Where a server's media lives, and how long it may be silent."""

    ports: PortRange
    bind_host: str = "0.0.0.0"  # noqa: S104 - a server's media is reached at all its addresses
    advertised_host: str | None = None  # named to callers; None: our address as they reach it
    timeout_s: float = 20.0  # without a packet, off hold, before the caller counts as gone


def _ignore_event(_event: LegEvent) -> None:
    pass


class SipLeg:
    """Implements telephony.leg.Leg; make it in the endpoint's `on_call`, before that returns.

    Attributes:
        info: who calls whom.
        on_event: called on the event loop with keys and, once, the end. An end that came before it
            was set is reported after the next `receive_frame`; keys are not.
    """

    def __init__(
        self,
        call: IncomingCall,
        *,
        media: MediaOptions,
        randomness: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            call: not yet answered; its callbacks become the leg's.
            media: shared by all legs of a server.
            randomness: for RTP's initial numbers; the system's when None.
            clock: monotonic seconds.
        """
        self.info = CallerInfo(
            call_id=call.call_id,
            caller=call.from_uri,
            callee=call.to_uri,
            transport="sip/udp",
            peer=call.peer,
        )
        self.on_event: Callable[[LegEvent], None] = _ignore_event
        self._end: LegEnded | None = None  # not yet reported
        self._call = call
        self._media = media
        self._randomness = randomness
        self._clock = clock
        self._session: RtpSession | None = None
        self._last_statistics: RtpStatistics | None = None
        self._direction = Direction.INACTIVE
        self._has_events = False
        self._media_since_s = 0.0  # when the caller was last due to start sending
        self._event_key: str | None = None  # the latest key by telephone event
        self._info_key: tuple[str, float] | None = None  # the latest key by INFO, and when
        self._ended = False
        self._hanging_up: asyncio.Task[None] | None = None
        call.on_ended = self._call_ended
        call.on_media_changed = self._media_changed
        call.on_key = self._info_key_received

    @property
    def statistics(self) -> RtpStatistics | None:
        """The RTP session's, also after the end; None when the call was never answered."""
        return self._session.statistics if self._session else self._last_statistics

    @property
    def on_hold(self) -> bool:
        """The caller has put us on hold: they hear nothing of us, or we nothing of them."""
        return self._session is not None and self._direction is not Direction.SENDRECV

    @property
    def reports_keys(self) -> bool:
        """Telephone events were agreed on, or a key came by INFO."""
        return self._has_events or self._info_key is not None

    # --- call control -----------------------------------------------------------------------------

    async def answer(self) -> None:
        """Accept the call and start media.

        Raises:
            LegGoneError: the caller cancelled or vanished, agreed to nothing we can speak, or no
                media port was free (the caller then got 503).
        """
        session = await self._open_session()
        try:
            host = self._media.advertised_host or self._call.local_host
            self._start_media(session, await self._call.answer(host, session.local_port))
        except RemoteProtocolError as error:
            session.close()
            raise LegGoneError(f"no media could be agreed on: {error}") from error
        except BaseException:
            session.close()
            raise

    async def _open_session(self) -> RtpSession:
        host = self._media.bind_host
        if host == "0.0.0.0" and ":" in self._call.local_host:  # noqa: S104
            host = "::"
        try:
            return await RtpSession.open(
                host, self._media.ports, randomness=self._randomness, clock=self._clock
            )
        except PortsExhaustedError as error:
            logger.warning("No media port for a call", extra={"call_id": self.info.call_id})
            self._call.reject(503, retry_after_s=_RETRY_AFTER_S)
            raise LegGoneError(str(error)) from error

    def _start_media(self, session: RtpSession, agreement: MediaAgreement) -> None:
        if self._ended or self._call.ended is not None:
            raise LegGoneError("the call ended while it was being answered")
        self._session = session
        session.on_key = self._event_key_received
        self._media_changed(agreement)

    async def reject(self, status: int, *, retry_after_s: int | None = None) -> None:
        """Refuse the unanswered call with a SIP status; does nothing once it has ended.

        Raises:
            LocalProtocolError: the call was answered before, or the status is not final.
        """
        self._call.reject(status, retry_after_s=retry_after_s)

    async def hang_up(self, reason: str) -> None:
        """End the call in whatever state it is; idempotent.

        Media stops and the end is reported (as `server_hangup`, or `media_timeout`) at once; this
        returns when the caller confirmed it, or after 2 s: the endpoint repeats the BYE regardless.
        """
        if not self._ended:
            logger.info("Hanging up", extra={"call_id": self.info.call_id, "reason": reason})
            self._finish(reason if reason == "media_timeout" else "server_hangup")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CONFIRM_S):
                await self._call.hang_up()

    # --- audio ------------------------------------------------------------------------------------

    def receive_frame(self) -> Pcm:
        """The caller's next 20 ms, shape (160,); silence before the answer and after the end."""
        session = self._session
        if session is None:
            if self._end is not None:
                asyncio.get_running_loop().call_soon(self._report_end)
            return silence()
        if self._direction is Direction.SENDRECV:
            now_s = self._clock()
            heard_at_s = max(session.last_packet_at_s or 0.0, self._media_since_s)
            if now_s - heard_at_s >= self._media.timeout_s:
                self._give_up()
        return session.receive_frame()

    def send_frame(self, pcm: Pcm) -> None:
        """Send the caller 20 ms, int16, shape (160,); dropped when there is no one to hear it."""
        if self._session is not None:
            self._session.send_frame(pcm)

    def _give_up(self) -> None:
        if self._hanging_up is None:
            # A task of the leg's own: the end must reach the caller even if nobody runs the call.
            self._hanging_up = asyncio.get_running_loop().create_task(
                self.hang_up("media_timeout"), name=f"hang up {self.info.call_id}"
            )

    # --- what the network reports -----------------------------------------------------------------

    def _media_changed(self, agreement: MediaAgreement) -> None:
        if self._session is None:
            return
        self._session.connect(
            remote_host=agreement.remote_host,
            remote_port=agreement.remote_port,
            payload_type=agreement.payload_type,
            codec=agreement.codec,
            event_payload_type=agreement.event_payload_type,
            direction=agreement.direction,
        )
        self._has_events = agreement.event_payload_type is not None
        self._direction = agreement.direction
        self._media_since_s = self._clock()

    def _event_key_received(self, key: str) -> None:
        self._event_key = key
        if self._info_key is not None:
            info_key, at_s = self._info_key
            if key == info_key and self._clock() - at_s <= _SAME_KEY_S:
                return
        self._report(KeyPressed(key=key))

    def _info_key_received(self, key: str) -> None:
        now_s = self._clock()
        self._info_key = (key, now_s)
        # Counted from the event's last packet: some phones send INFO when the key is let go.
        last_event_at_s = self._session.last_event_at_s if self._session else None
        recent = last_event_at_s is not None and now_s - last_event_at_s <= _SAME_KEY_S
        if not (recent and key == self._event_key):
            self._report(KeyPressed(key=key))

    def _call_ended(self, reason: str) -> None:
        self._finish(_REASONS.get(reason, reason))

    def _finish(self, reason: str) -> None:
        if self._ended:
            return
        self._ended = True
        if self._session is not None:
            self._last_statistics = self._session.statistics
            self._session.close()
            self._session = None
        self._end = LegEnded(reason=reason)
        # In the loop's next turn: whoever hangs up must not be called back from within.
        asyncio.get_running_loop().call_soon(self._report_end)

    def _report_end(self) -> None:
        if self._end is not None and self.on_event is not _ignore_event:
            end, self._end = self._end, None
            self._report(end)

    def _report(self, event: LegEvent) -> None:
        try:
            self.on_event(event)
        except Exception:
            logger.exception("A leg's event was not handled", extra={"call_id": self.info.call_id})
