"""The leg of a caller whose line ends in another process: implements telephony.leg.Leg."""

import asyncio
from collections.abc import AsyncIterator, Callable

from server.tie_lines.connection import Connection
from server.tie_lines.messages import HangUp, Press, Refer
from server.tie_lines.slack import Slack
from telephony.leg import CallerInfo, LegGoneError
from telephony.reporting_leg import ReportingLeg
from telephony.sip.user_to_user import UserToUser
from telephony.sip_call_leg import SipCallLeg
from voice.events import KeyPressed, LegEnded, LegEvent
from voice.frames import Pcm, silence

_CALL_ENDED = 481


class TiedLeg(ReportingLeg):
    """
    Attributes:
        on_replaced: told the URI of whoever took the far end's place (RFC 3891).
    """

    def __init__(
        self, number: int, info: CallerInfo, connection: Connection, *, reports_keys: bool
    ) -> None:
        """
        Args:
            number: of the caller, on this connection.
        """
        super().__init__(info.call_id)
        self.info = info
        self.on_replaced: Callable[[str], None] | None = None
        self._number, self._connection = number, connection
        self._reports_keys = reports_keys
        self._slack = Slack()
        self._referral: asyncio.Queue[int | None] | None = None

    @property
    def reports_keys(self) -> bool:
        """See AudioLeg."""
        return self._reports_keys

    async def answer(self) -> None:
        """See Leg; the caller was answered at home."""

    async def reject(self, status: int, *, retry_after_s: int | None = None) -> None:
        """See Leg; the caller was answered at home."""

    def receive_frame(self) -> Pcm:
        """See AudioLeg."""
        self._remind_of_end()
        frame = self._slack.take()
        return silence() if frame is None else frame

    def send_frame(self, pcm: Pcm) -> None:
        """See AudioLeg."""
        if not self._ended:
            self._connection.sound(self._number, pcm)

    def send_key(self, key: str) -> None:
        """See leg_abilities.SendsKeys; whether the line takes it is only known at home."""
        self._connection.say(Press(number=self._number, key=key))

    async def refer(
        self,
        target: str,
        *,
        replaces: SipCallLeg | None = None,
        user_to_user: UserToUser | None = None,
    ) -> AsyncIterator[int]:
        """See leg_abilities.CanBeReferred.

        Raises:
            LegGoneError: one of the calls has ended.
        """
        if self._ended:
            raise LegGoneError("the caller is gone")
        self._referral = asyncio.Queue()
        self._connection.say(
            Refer(
                number=self._number,
                target=target,
                replaces=None if replaces is None else str(replaces.call.replaceable),
                user_to_user=None if user_to_user is None else str(user_to_user),
            )
        )
        return self._progress(self._referral)

    async def hang_up(self, reason: str) -> None:
        """See AudioLeg."""
        self._connection.say(HangUp(number=self._number, reason=reason))

    # --- what home says ---------------------------------------------------------------------------

    def heard(self, pcm: Pcm) -> None:
        """20 ms of the caller, shape (160,)."""
        self._slack.put(pcm)

    def reported(self, event: LegEvent) -> None:
        match event:
            case LegEnded(reason=reason):
                self.gone(reason)
            case KeyPressed():
                self._reports_keys = True
                self._report(event)

    def gone(self, reason: str) -> None:
        """The caller has left, or their process has; idempotent."""
        self.referred(_CALL_ENDED)
        self.referred(None)
        self._report_end(reason)

    def replaced(self, uri: str) -> None:
        if self.on_replaced is not None:
            self.on_replaced(uri)

    def referred(self, status: int | None) -> None:
        """What became of the referral; None: no more is heard of it."""
        if self._referral is not None:
            self._referral.put_nowait(status)

    @staticmethod
    async def _progress(statuses: asyncio.Queue[int | None]) -> AsyncIterator[int]:
        while (status := await statuses.get()) is not None:
            yield status
