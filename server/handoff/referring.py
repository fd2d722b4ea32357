"""Callers whose own phone system is told to call somebody else: REFER, RFC 3515 and 3891."""

import logging
from collections.abc import AsyncIterator, Callable

from server.handoff.context import HandOffContext
from server.handoff.handoff_token import user_to_user_of
from server.handoff.leg_abilities import CanBeReferred
from telephony.leg import LegGoneError, LegRefusedError
from telephony.sip.errors import SipError
from telephony.sip_call_leg import SipCallLeg
from telephony.transfer_events import ReferProgressed
from voice.ports import AudioLeg

log = logging.getLogger(__name__)


class Referring:
    """Implements run_world.Refers: only SIP can be told to call somebody else.

    Args:
        address_of: where a target is called; raises LegRefusedError for one that cannot be.
    """

    def __init__(self, address_of: Callable[[str], str]) -> None:
        self._address_of = address_of

    async def __call__(
        self, leg: AudioLeg, target: str, *, replaces: AudioLeg | None, context: HandOffContext
    ) -> AsyncIterator[ReferProgressed]:
        """See run_world.Refers."""
        if not isinstance(leg, CanBeReferred):
            yield ReferProgressed(status=501, answer=True)
            return
        try:
            referral = await leg.refer(
                self._address_of(target),
                replaces=replaces if isinstance(replaces, SipCallLeg) else None,
                user_to_user=user_to_user_of(context.handoff_id),
            )
        except LegRefusedError as refused:
            yield ReferProgressed(status=refused.status, answer=True)
            return
        except (LegGoneError, SipError) as error:
            log.warning("a REFER could not be sent", extra={"cause": str(error)})
            yield ReferProgressed(status=400, answer=True)
            return
        is_answer = True
        async for status in referral:
            yield ReferProgressed(status=status, answer=is_answer)
            is_answer = False
