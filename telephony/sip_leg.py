"""A SIP caller as a Leg."""

import logging
import random
import time
from collections.abc import Callable
from typing import Final

from telephony.leg import CallerInfo, LegGoneError
from telephony.rtp import PortsExhaustedError
from telephony.rtp.session import RtpSession
from telephony.sip.errors import RemoteProtocolError
from telephony.sip.incoming_call import IncomingCall
from telephony.sip_call_leg import MediaOptions, SipCallLeg

__all__ = ["MediaOptions", "SipLeg"]

logger = logging.getLogger(__name__)

_RETRY_AFTER_S: Final = 5  # without a free port: some call will have ended by then


class SipLeg(SipCallLeg):
    """Implements telephony.leg.Leg; make it in the endpoint's `on_call`, before that returns.

    Attributes:
        info: who calls whom.
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
        self._incoming = call
        self._randomness = randomness
        super().__init__(call, media=media, clock=clock)

    async def answer(self) -> None:
        """Accept the call and start media.

        Raises:
            LegGoneError: the caller cancelled or vanished, agreed to nothing we can speak, or no
                media port was free (the caller then got 503).
        """
        session = await self._open_session()
        try:
            host = self._media.advertised_host or self._incoming.local_host
            self._start_media(session, await self._incoming.answer(host, session.local_port))
        except RemoteProtocolError as error:
            session.close()
            raise LegGoneError(f"no media could be agreed on: {error}") from error
        except BaseException:
            session.close()
            raise

    async def _open_session(self) -> RtpSession:
        try:
            return await self._media.open_session(
                self._incoming.local_host, randomness=self._randomness, clock=self._clock
            )
        except PortsExhaustedError as error:
            logger.warning("No media port for a call", extra={"call_id": self.info.call_id})
            self._incoming.reject(503, retry_after_s=_RETRY_AFTER_S)
            raise LegGoneError(str(error)) from error

    async def reject(self, status: int, *, retry_after_s: int | None = None) -> None:
        """Refuse the unanswered call with a SIP status; does nothing once it has ended.

        Raises:
            LocalProtocolError: the call was answered before, or the status is not final.
        """
        self._incoming.reject(status, retry_after_s=retry_after_s)
