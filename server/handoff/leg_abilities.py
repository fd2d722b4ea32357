"""What some legs can do and others cannot, asked of the leg itself."""

from collections.abc import AsyncIterable, Callable
from typing import Protocol, runtime_checkable

from telephony.rtp import KeyNotSentError
from telephony.sip.user_to_user import UserToUser
from telephony.sip_call_leg import SipCallLeg
from voice.ports import AudioLeg


@runtime_checkable
class SendsKeys(Protocol):
    """Presses keys for the far end to hear: SIP does; browsers and media streams do not."""

    def send_key(self, key: str) -> None:
        """
        Raises:
            KeyNotSentError: the far end takes none, or too many are waiting.
        """
        ...


@runtime_checkable
class CanBeReplaced(Protocol):
    """Goes on with whoever takes the far end's place (RFC 3891); SIP."""

    on_replaced: Callable[[str], None] | None


@runtime_checkable
class CanBeReferred(Protocol):
    """Calls somebody else when we ask for it; SIP."""

    async def refer(
        self,
        target: str,
        *,
        replaces: SipCallLeg | None = None,
        user_to_user: UserToUser | None = None,
    ) -> AsyncIterable[int]:
        """See telephony.sip_call_leg.SipCallLeg, and telephony.sip.referral for the statuses."""
        ...


@runtime_checkable
class TellsOfHold(Protocol):
    """Whose far end can put us on hold, and takes us back; SIP."""

    on_hold_changed: Callable[[bool], None] | None


def follow_hold(leg: AudioLeg, on_changed: Callable[[bool], None]) -> None:
    """Be told when the far end puts us on hold, and takes us back; browsers never do."""
    if isinstance(leg, TellsOfHold):
        leg.on_hold_changed = on_changed


def press(leg: AudioLeg, keys: str) -> str | None:
    """Press keys for the far end; returns why that was not possible, for people."""
    if not isinstance(leg, SendsKeys):
        return "this caller's line takes no keys"
    try:
        for key in keys:
            leg.send_key(key)
    except KeyNotSentError as error:
        return f"not all keys were sent: {error}"
    return None
