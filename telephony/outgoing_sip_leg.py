"""Somebody we call over SIP, as a Leg."""

import random
import time
from collections.abc import Callable

from telephony.leg import LegGoneError, LegRefusedError
from telephony.rtp import PortsExhaustedError
from telephony.rtp.session import RtpSession
from telephony.sip.endpoint import SipEndpoint
from telephony.sip.errors import MalformedValueError, RemoteProtocolError
from telephony.sip.outgoing_call import DialOptions, OutgoingCall
from telephony.sip_call_leg import MediaOptions, SipCallLeg


class OutgoingSipLeg(SipCallLeg):
    """Implements telephony.leg.OutgoingLeg; made by `dial`.

    An end that comes instead of an answer is reported like any other: as `refused` by the far end,
    `network_error` when it cannot be reached, `server_hangup` by us.

    Attributes:
        target: the URI that is called.
        on_ringing: called on the event loop when the far end rings, at most once.
    """

    def __init__(
        self,
        call: OutgoingCall,
        session: RtpSession,
        *,
        media: MediaOptions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Use `dial`."""
        super().__init__(call, media=media, clock=clock)
        self.target = call.target
        self._outgoing = call
        self._session = session

    @classmethod
    async def dial(
        cls,
        endpoint: SipEndpoint,
        options: DialOptions,
        *,
        media: MediaOptions,
        randomness: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> "OutgoingSipLeg":
        """Send the INVITE; set the callbacks before anything else is awaited.

        Args:
            media: shared by all legs of a server.
            randomness: for RTP's initial numbers; the system's when None.
            clock: monotonic seconds.

        Raises:
            LegRefusedError: 503 without a free media port, 404 when a name has no address, 400 or
                416 when the target cannot be dialled.
            LocalProtocolError: a header field is none, or the endpoint is closed.
        """
        try:
            session = await media.open_session(
                endpoint.local_address[0], randomness=randomness, clock=clock
            )
        except PortsExhaustedError as error:
            raise LegRefusedError(503, str(error)) from error
        try:
            call = await endpoint.dial(
                options, media_port=session.local_port, media_host=media.advertised_host
            )
        except MalformedValueError as error:
            session.close()
            raise LegRefusedError(error.status, str(error)) from error
        except OSError as error:
            session.close()
            raise LegRefusedError(404, str(error)) from error
        except BaseException:
            session.close()
            raise
        return cls(call, session, media=media, clock=clock)

    @property
    def on_ringing(self) -> Callable[[], None]:
        return self._outgoing.on_ringing

    @on_ringing.setter
    def on_ringing(self, listener: Callable[[], None]) -> None:
        self._outgoing.on_ringing = listener

    async def answered(self) -> None:
        """Wait for the far end to answer; audio flows from then on.

        Cancelling the wait leaves the call as it is; `hang_up` ends it.

        Raises:
            LegRefusedError: it refused, is busy, did not answer or cannot be reached (408).
            LegGoneError: it vanished, agreed to nothing we can speak, or `hang_up` came first.
        """
        try:
            agreement = await self._outgoing.answered()
        except RemoteProtocolError as error:
            raise LegGoneError(f"no media could be agreed on: {error}") from error
        if self._session is None:
            raise LegGoneError("the call ended as it was answered")
        self._start_media(self._session, agreement)
