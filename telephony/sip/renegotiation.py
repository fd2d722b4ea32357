"""Changing the media of a call that is up: re-INVITEs of ours (RFC 3261 §14.1).

One at a time. The far end refuses with 491 when it has just sent one itself; then both wait, each
for a time of its own, so that one of them comes first. What is wanted stays wanted until the far
end agreed, refused it for another reason, or the two collided too often.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from telephony.sip.call_line import CallLine
from telephony.sip.errors import LocalProtocolError, RemoteProtocolError
from telephony.sip.media import Direction, MediaAgreement
from telephony.sip.message import Response
from telephony.sip.negotiation import Negotiation
from telephony.sip.outputs import RenegotiationEnded
from telephony.sip.screening import ALLOW_FIELD, SDP_TYPE
from telephony.sip.sdp import SessionDescription
from telephony.sip.transaction_layer import ClientTransaction

MAX_TRIES: Final = (
    8  # collisions in a row are bad luck twice, and a defect of somebody's after that
)
_COLLIDED: Final = (491, 500)  # 500: it saw them in another order (§14.2)
_GONE: Final = (408, 481)  # the dialog is dead (§12.2.1.2)
_OWNER_MS: Final = (2_100, 4_000)  # §14.1: whoever made the Call-ID waits between these,
_OTHER_MS: Final = (0, 2_000)  # the other side between these, in steps of 10 ms


@dataclass(slots=True, kw_only=True)
class _Wish:
    direction: Direction
    offer: SessionDescription | None = None
    tries: int = 0
    before: Direction = Direction.SENDRECV
    retry_s: float | None = None


class Renegotiation:
    """Our re-INVITEs, one call's."""

    def __init__(
        self,
        line: CallLine,
        *,
        owns_call_id: bool,
        on_agreement: Callable[[MediaAgreement], None],
        on_lost: Callable[[float], None],
        on_useless: Callable[[RemoteProtocolError, float], None],
    ) -> None:
        """
        Args:
            owns_call_id: we made the call.
            on_agreement: told what was agreed.
            on_lost: told the time when the far end is found to be gone.
            on_useless: told when its answer cannot be used.
        """
        self._line = line
        self._wait_ms = _OWNER_MS if owns_call_id else _OTHER_MS
        self._on_agreement = on_agreement
        self._on_lost = on_lost
        self._on_useless = on_useless
        self._wish: _Wish | None = None
        self._negotiation: Negotiation | None = None  # while an INVITE is open

    @property
    def is_open(self) -> bool:
        """An INVITE of ours is unanswered."""
        return self._negotiation is not None

    def want(self, direction: Direction) -> None:
        """Note what is wanted; `proceed` does it.

        Raises:
            LocalProtocolError: something else is wanted already.
        """
        if self._wish is not None:
            raise LocalProtocolError("a renegotiation is under way")
        self._wish = _Wish(direction=direction)

    def proceed(self, negotiation: Negotiation, now_s: float) -> None:
        """Send what is wanted, if anything; the call says when no other INVITE is in the way."""
        wish = self._wish
        if wish is None or self.is_open or wish.retry_s is not None:
            return
        wish.tries += 1
        wish.before, negotiation.direction = negotiation.direction, wish.direction
        wish.offer = negotiation.offer()
        self._negotiation = negotiation
        fields = [("Contact", self._line.dialog.contact), ALLOW_FIELD, ("Content-Type", SDP_TYPE)]
        body = bytes(wish.offer)
        self._line.send("INVITE", now_s, fields=fields, body=body, on_response=self._answered)

    def next_deadline_s(self) -> float | None:
        return None if self._wish is None else self._wish.retry_s

    def is_due(self, now_s: float) -> bool:
        """Whether a wait is over; then `proceed`."""
        wish = self._wish
        if wish is None or wish.retry_s is None or wish.retry_s > now_s:
            return False
        wish.retry_s = None
        return True

    def stop(self) -> None:
        """The call is over: nothing is wanted any more."""
        self._wish = None

    # --- inside ---------------------------------------------------------------------------------

    def _answered(
        self, transaction: ClientTransaction, response: Response | None, now_s: float
    ) -> None:
        if response is not None and not response.is_final:
            return
        if response is not None and response.status < 300:
            self._line.acknowledge(transaction, self._line.dialog)
        negotiation, wish = self._negotiation, self._wish
        if wish is None or negotiation is None or wish.offer is None:
            self._negotiation = None
            return  # the call ended meanwhile
        if self._line.send_again(transaction, response, now_s) is not None:
            return
        self._negotiation = None
        if response is None or response.status in _GONE:
            self._on_lost(now_s)
        elif response.status < 300:
            self._agree(negotiation, wish.offer, response, now_s)
        else:
            negotiation.direction = wish.before
            self._refused(wish, response.status, now_s)

    def _agree(
        self,
        negotiation: Negotiation,
        offer: SessionDescription,
        response: Response,
        now_s: float,
    ) -> None:
        self._line.dialog.refresh_target(response)
        try:
            agreement = negotiation.settle(offer, response.body)
        except RemoteProtocolError as error:
            self._on_useless(error, now_s)
            return
        self._on_agreement(agreement)
        self._end(200)

    def _refused(self, wish: _Wish, status: int, now_s: float) -> None:
        if status not in _COLLIDED or wish.tries >= MAX_TRIES:
            self._end(status)
            return
        low, high = self._wait_ms
        wish.retry_s = now_s + (low + 10 * self._line.pick((high - low) // 10 + 1)) / 1000

    def _end(self, status: int) -> None:
        self._wish = None
        self._line.outputs.append(RenegotiationEnded(dialog_id=self._line.id, status=status))
