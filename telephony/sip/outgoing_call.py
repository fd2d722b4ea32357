"""One call of ours, as the rest of frontdesk handles it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from telephony.sip.digest import Credentials
from telephony.sip.live_call import CallControl, LiveCall
from telephony.sip.media import MediaAgreement
from telephony.sip.outputs import Address, DialogId


@dataclass(frozen=True, slots=True, kw_only=True)
class DialOptions:
    """A call to be made.

    Attributes:
        target: a sip URI.
        from_uri: who calls; None: frontdesk at our address.
        from_name: the display name in From.
        headers: more header fields of the INVITE, User-to-User and the like.
        credentials: for whoever asks for some.
        proxy: where all calls go first; None: straight to the target's host and port.
        reach: where the target really is, when it registered from behind NAT.
    """

    target: str
    from_uri: str | None = None
    from_name: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    credentials: Credentials | None = None
    proxy: Address | None = None
    reach: Address | None = None


class OutgoingCall(LiveCall):
    """A call of ours from its INVITE to its end; set the callbacks before the loop's next turn.

    Attributes:
        target: the URI that is called.
        on_ringing: called when the far end rings, at most once.
    """

    on_ringing: Callable[[], None]

    def __init__(
        self,
        control: CallControl,
        dialog_id: DialogId,
        *,
        target: str,
        peer: str,
        local_host: str,
    ) -> None:
        super().__init__(control, dialog_id, peer=peer, local_host=local_host)
        self.target = target
        self.on_ringing = lambda: None
        self._is_ringing = False

    async def answered(self) -> MediaAgreement:
        """Wait for an answer; cancelling the wait leaves the call as it is.

        Raises:
            LegRefusedError: the far end refused, did not answer, or cannot be reached (408).
            LegGoneError: the call was ended first.
            MalformedSdpError: its answer cannot be used; the call has been ended.
            NoCommonCodecError: likewise.
        """
        return await asyncio.shield(self._established)

    # --- for the endpoint -----------------------------------------------------------------------

    def note_ringing(self) -> None:
        """The far end is being alerted."""
        if not self._is_ringing:
            self._is_ringing = True
            self._loop.call_soon(lambda: self.on_ringing())
