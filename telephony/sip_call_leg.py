"""What legs over SIP have in common: signalling from telephony.sip, audio from telephony.rtp.

A leg owns its call's RTP session from the answer to the end, whichever way the end comes, and
reports the end exactly once. Keys may come as telephone events, by INFO, or, from phones that want
to be sure, both ways at once: such a pair is one key. Somebody may take the far end's place
(RFC 3891): the leg goes on with them, and only its signalling and the RTP's far end change.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from telephony.leg import LegGoneError
from telephony.reporting_leg import ReportingLeg
from telephony.rtp import KeyNotSentError
from telephony.rtp.exchange import RtpExchange
from telephony.rtp.ports import PortRange
from telephony.rtp.session import RtpSession, RtpStatistics
from telephony.sip.errors import RemoteProtocolError
from telephony.sip.incoming_call import IncomingCall
from telephony.sip.live_call import LiveCall
from telephony.sip.media import Direction, MediaAgreement
from telephony.sip.referral import Referral, ReferRequest
from telephony.sip.user_to_user import UserToUser
from voice.events import KeyPressed
from voice.frames import Pcm, silence

logger = logging.getLogger(__name__)

_SAME_KEY_S: Final = 0.1  # an INFO and the telephone event of one press are not further apart
_CONFIRM_S: Final = 2.0  # a far end that is there confirms a BYE in far less

_REASONS: Final = {
    "cancelled": "caller_hangup",
    "no_ack": "network_error",
    "lost": "network_error",
    "unreachable": "network_error",
}
"""What the signalling calls an end, in the words of LegEnded where they differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaOptions:
    """Where a server's media lives, and how long it may be silent."""

    ports: PortRange
    bind_host: str = "0.0.0.0"  # noqa: S104 - a server's media is reached at all its addresses
    advertised_host: str | None = None  # named to far ends; None: our address as they reach it
    exchange: RtpExchange | None = None  # serves the sessions of all calls together
    timeout_s: float = 20.0  # without a packet, off hold, before the far end counts as gone

    async def open_session(
        self,
        local_host: str,
        *,
        randomness: random.Random | None,
        clock: Callable[[], float],
    ) -> RtpSession:
        """Bind a port for a call whose far end reaches us at `local_host`.

        Raises:
            PortsExhaustedError: no port is free.
        """
        host = self.bind_host
        if host == "0.0.0.0" and ":" in local_host:  # noqa: S104
            host = "::"
        return await RtpSession.open(
            host, self.ports, randomness=randomness, clock=clock, exchange=self.exchange
        )


class SipCallLeg(ReportingLeg):
    """Base of the SIP legs of either direction.

    Attributes:
        on_refer: the far end asks us to call somebody; None declines.
        on_replaced: told the URI of whoever took the far end's place; None declines them.
        on_hold_changed: told when one side puts the other on hold, and when it is over.
    """

    def __init__(
        self,
        call: LiveCall,
        *,
        media: MediaOptions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            call: its callbacks become the leg's.
            media: shared by all legs of a server.
            clock: monotonic seconds.
        """
        super().__init__(call.call_id)
        self.on_refer: Callable[[ReferRequest], None] | None = None
        self.on_replaced: Callable[[str], None] | None = None
        self.on_hold_changed: Callable[[bool], None] | None = None
        self._call = call
        self._media = media
        self._clock = clock
        self._session: RtpSession | None = None
        self._last_statistics: RtpStatistics | None = None
        self._direction = Direction.INACTIVE
        self._was_on_hold = False
        self._has_events = False
        self._heard_at_s: float | None = None  # as of the latest frame
        self._media_since_s = 0.0  # when the far end was last due to start sending
        self._event_key: str | None = None  # the latest key by telephone event
        self._info_key: tuple[str, float] | None = None  # the latest key by INFO, and when
        self._replacing: asyncio.Task[None] | None = None
        self._listen_to(call)

    @property
    def call(self) -> LiveCall:
        """The signalling; another one once somebody took the far end's place."""
        return self._call

    @property
    def statistics(self) -> RtpStatistics | None:
        """The RTP session's, also after the end; None when the call was never answered."""
        return self._session.statistics if self._session else self._last_statistics

    @property
    def delay_s(self) -> float:
        """See voice.ports.Buffered."""
        return self._session.delay_s if self._session else 0.0

    @property
    def slip(self) -> int:
        """See voice.ports.Buffered."""
        return self._session.slip if self._session else 0

    @property
    def on_hold(self) -> bool:
        """One side has put the other on hold: audio flows one way at most."""
        return self._session is not None and self._direction is not Direction.SENDRECV

    @property
    def reports_keys(self) -> bool:
        """Telephone events were agreed on, or a key came by INFO."""
        return self._has_events or self._info_key is not None

    # --- call control -----------------------------------------------------------------------------

    async def hold(self) -> None:
        """Put the far end on hold: it hears us, music or nothing, and we hear it no more.

        Raises:
            LegGoneError: the call ended first.
            RequestRefusedError: the far end refused; the call goes on as it was.
        """
        await self._call.renegotiate(Direction.SENDONLY)

    async def resume(self) -> None:
        """Take the far end back from hold.

        Raises:
            LegGoneError: the call ended first.
            RequestRefusedError: the far end refused; the call goes on as it was.
        """
        await self._call.renegotiate(Direction.SENDRECV)

    async def refer(
        self,
        target: str,
        *,
        replaces: "SipCallLeg | None" = None,
        user_to_user: UserToUser | None = None,
    ) -> Referral:
        """Ask the far end to call `target` itself, and follow what becomes of it.

        The call goes on meanwhile. Hang it up once 200 is reported; take the far end back when
        anything else is final.

        Args:
            target: a URI.
            replaces: a leg to that target, whose place the far end shall take: an attended
                transfer, after which neither leg is ours.
            user_to_user: for the call there, an opaque id.

        Raises:
            LegGoneError: one of the calls has ended.
            MalformedValueError: the target is no URI.
        """
        replaced = None if replaces is None else replaces.call.replaceable
        return await self._call.refer(target, replaces=replaced, user_to_user=user_to_user)

    def send_key(self, key: str) -> None:
        """Press a key for the far end to hear, after those already waiting.

        Raises:
            ValueError: not one of 0-9 * # A-D.
            KeyNotSentError: the far end takes no telephone events, or too many keys are waiting.
        """
        if self._session is None:
            raise KeyNotSentError("the call is not up")
        self._session.send_key(key)

    async def hang_up(self, reason: str) -> None:
        """End the call in whatever state it is; idempotent.

        Media stops and the end is reported (as `server_hangup`, or `media_timeout`) at once; this
        returns when it is confirmed, or after 2 s: the endpoint repeats the BYE regardless.
        """
        if not self._ended:
            logger.info("Hanging up", extra={**self._log_fields, "reason": reason})
            self._finish(reason if reason == "media_timeout" else "server_hangup")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CONFIRM_S):
                await self._call.hang_up()

    # --- audio ------------------------------------------------------------------------------------

    def receive_frame(self) -> Pcm:
        """The far end's next 20 ms, shape (160,); silence before the answer and after the end."""
        session = self._session
        if session is None:
            self._remind_of_end()
            return silence()
        frame = session.receive_frame()  # first: it takes in what has come
        heard_at_s, before = session.last_packet_at_s, self._heard_at_s
        self._heard_at_s = heard_at_s
        # Another time than before: something came since. So it is on nearly every tick.
        if heard_at_s is before and self._direction is Direction.SENDRECV:
            due_s = max(heard_at_s or 0.0, self._media_since_s)
            if self._clock() - due_s >= self._media.timeout_s:
                self._give_up()
        return frame

    def send_frame(self, pcm: Pcm) -> None:
        """Send the far end 20 ms, int16, shape (160,); dropped when there is no one to hear it."""
        if self._session is not None:
            self._session.send_frame(pcm)

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
        was, self._was_on_hold = self._was_on_hold, self.on_hold
        if was != self.on_hold and self.on_hold_changed is not None:
            self.on_hold_changed(self.on_hold)

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

    def _start_media(self, session: RtpSession, agreement: MediaAgreement) -> None:
        if self._ended or self._call.ended is not None:
            raise LegGoneError("the call ended while it was being answered")
        self._session = session
        session.on_key = self._event_key_received
        self._media_changed(agreement)

    def _listen_to(self, call: LiveCall) -> None:
        call.on_ended = self._call_ended
        call.on_media_changed = self._media_changed
        call.on_key = self._info_key_received
        call.on_refer = self._referred
        call.on_replaced = self._offered_replacement

    def _call_ended(self, reason: str) -> None:
        if self._replacing is None:  # or whoever takes its place may be there any moment
            self._finish(_REASONS.get(reason, reason))

    def _referred(self, request: ReferRequest) -> None:
        if self.on_refer is None:
            request.decline()
        else:
            self.on_refer(request)

    def _offered_replacement(self, call: IncomingCall) -> None:
        if self.on_replaced is None or self._session is None or self._replacing is not None:
            call.reject(603)
            return
        self._replacing = asyncio.get_running_loop().create_task(
            self._go_on_with(call, self._session), name=f"replace {self._call.call_id}"
        )

    async def _go_on_with(self, call: IncomingCall, session: RtpSession) -> None:
        """Answer with the session of the call before, then hang that one up (RFC 3891 §3)."""
        before = self._call
        host = self._media.advertised_host or call.local_host
        try:
            agreement = await call.answer(host, session.local_port)
        except (LegGoneError, RemoteProtocolError) as error:
            logger.info("Nobody took the far end's place", extra=self._log_fields, exc_info=error)
            agreement = None
        self._replacing = None
        if agreement is None or self._ended:
            call_to_end = call
        else:
            call_to_end, self._call = before, call
            before.on_ended = lambda reason: None
            self._listen_to(call)
            self._media_changed(agreement)
            logger.info("Far end replaced", extra={**self._log_fields, "by": call.call_id})
            if self.on_replaced is not None:
                self.on_replaced(call.from_uri)
        if self._call.ended is not None:
            self._call_ended(self._call.ended)
        await call_to_end.hang_up()

    def _finish(self, reason: str) -> None:
        if self._ended:
            return
        if self._session is not None:
            self._last_statistics = self._session.statistics
            self._session.close()
            self._session = None
        self._report_end(reason)
