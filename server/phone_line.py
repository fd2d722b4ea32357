"""The page's calls in this process: an offer becomes a leg, and the leg a call."""

import asyncio
import uuid
from dataclasses import dataclass
from typing import Final, Protocol

from server.calls import Calls
from server.captions import show_captions
from server.feed import Feed
from telephony.leg import CallerInfo
from telephony.webrtc import WebRtcLeg, WebRtcPeers

PAGE_PATH: Final = "/phone"
TRUNK: Final = "phone"
"""What [load] trunks calls the page; addresses of its visitors are limited by their rate."""


class LinesTakenError(Exception):
    """No line is free.

    Attributes:
        retry_after_s: when to try again.
    """

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"no line is free; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class DeclinedError(Exception):
    """This process would rather have another one asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenCall:
    """The answer for the browser, and what the call is known by."""

    sdp: str
    call_id: uuid.UUID


class PhoneLine(Protocol):
    """Takes the page's calls."""

    async def call(self, offer_sdp: str, *, peer: str) -> TakenCall:
        """Take the call of whoever offers this, from the address `peer`.

        Raises:
            LinesTakenError: there is no room for it.
            BadOfferError, TooManyPeersError: see WebRtcPeers.
        """
        ...


class OwnPhoneLine:
    """Implements PhoneLine with the calls of this process.

    Args:
        beyond: what people say to callers of ours in another process; None: there is none.
    """

    def __init__(
        self, calls: Calls, peers: WebRtcPeers, feed: Feed, *, beyond: Feed | None = None
    ) -> None:
        self._calls, self._peers = calls, peers
        self._feed, self._beyond = feed, beyond
        self._captioning: set[asyncio.Task[None]] = set()

    async def call(self, offer_sdp: str, *, peer: str, may_decline: bool = False) -> TakenCall:
        """See PhoneLine.

        Args:
            may_decline: there is another process to be asked.

        Raises:
            DeclinedError: it may, and does.
        """
        if may_decline and self._calls.takes_none:
            raise DeclinedError
        self._check_room()
        info = CallerInfo(
            call_id=uuid.uuid4().hex,
            caller="anonymous",
            callee=PAGE_PATH,
            transport="webrtc",
            peer=peer,
        )
        leg = await self._peers.accept(offer_sdp, info)
        try:
            self._check_room()  # again: others came while this one was answered
        except LinesTakenError:
            await leg.hang_up("full")
            raise
        return TakenCall(sdp=leg.answer_sdp, call_id=self._take(leg))

    def _take(self, leg: WebRtcLeg) -> uuid.UUID:
        call_id = uuid.uuid4()
        # Before the call's own task, so that it listens when the call's first event comes.
        task = asyncio.create_task(show_captions(self._feed, call_id, leg, beyond=self._beyond))
        self._captioning.add(task)
        task.add_done_callback(self._captioning.discard)
        self._calls.take(leg, call_id, trunk=TRUNK)
        return call_id

    def _check_room(self) -> None:
        retry_after_s = self._calls.admit(trunk=TRUNK)
        if retry_after_s is not None:
            raise LinesTakenError(retry_after_s)
