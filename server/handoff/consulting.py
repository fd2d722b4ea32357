"""Calls that agents' telephones made to whom they consulted: found, or taken over."""

import asyncio
from collections.abc import Callable
from uuid import UUID

from server.handoff.handoff_token import user_to_user_of
from server.handoff.in_hand import CallInHand
from server.handoff.phone_line import PhoneLine
from server.handoff.ports import Dial
from server.handoff.run_world import OtherRun
from server.live_calls import LiveCalls
from telephony.leg import LegRefusedError, OutgoingLeg
from telephony.sip.errors import DialogError, LocalProtocolError
from telephony.sip.live_call import LiveCall
from telephony.sip.referral import ReferRequest
from telephony.sip.replaces import Replaces
from telephony.sip.user_to_user import FIELD
from telephony.sip_call_leg import SipCallLeg


class Consulting:
    """Implements run_world.Consultations.

    Args:
        call_replaced_by: the SIP call of ours that is named so; raises DialogError.
        run_of: the hand-off that a call is in.
    """

    def __init__(
        self,
        dial: Dial,
        live: LiveCalls,
        *,
        call_replaced_by: Callable[[Replaces], LiveCall],
        run_of: Callable[[UUID], OtherRun | None],
    ) -> None:
        self._dial, self._live = dial, live
        self._call_replaced_by, self._run_of = call_replaced_by, run_of
        self._ending: set[asyncio.Task[None]] = set()

    def line(self, request: ReferRequest, handoff_id: UUID) -> PhoneLine:
        """See Consultations."""
        fields = {
            "Replaces": str(request.replaces),
            # Else a phone that does not know Replaces would ring, as for any other call.
            "Require": "replaces",
            FIELD: request.user_to_user or str(user_to_user_of(handoff_id)),
        }
        if request.referred_by is not None:
            fields["Referred-By"] = request.referred_by

        async def dial() -> OutgoingLeg:
            try:
                return await self._dial(request.target, fields)
            except LocalProtocolError as error:  # what the telephone wants said cannot be
                raise LegRefusedError(400, str(error)) from error

        return PhoneLine(dial)

    def own(self, replaces: Replaces) -> CallInHand:
        """See Consultations."""
        meant = self._call_replaced_by(replaces)
        for each in self._live:
            leg = each.in_hand.leg
            if isinstance(leg, SipCallLeg) and leg.call is meant:
                return each.in_hand
        raise DialogError("its far end is no caller of ours", status=603)

    def run_of(self, own: CallInHand) -> OtherRun | None:
        """See Consultations."""
        return self._run_of(own.call_id)

    def hang_up(self, own: CallInHand) -> None:
        """See Consultations."""
        task = asyncio.create_task(own.leg.hang_up("consulted"), name="end of a consultation")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
