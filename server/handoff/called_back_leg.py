"""A caller who is called back: a leg before it is dialled, and the dialled one afterwards.

The agent comes first, so that nobody is called to wait; until the caller answers, silence is heard
from here.
"""

from collections.abc import Callable

from server.handoff.leg_abilities import SendsKeys
from telephony.leg import CallerInfo, OutgoingLeg
from telephony.rtp import KeyNotSentError
from voice.events import LegEnded, LegEvent
from voice.frames import Pcm, silence
from voice.ports import Buffered

NOT_REACHED = "not_reached"
"""The reason of a LegEnded of somebody who did not answer."""


def _ignore(event: LegEvent) -> None:
    pass


class CalledBackLeg:
    """Implements telephony.leg.Leg.

    Attributes:
        reached: the caller answered, at any time.
        failed: they were called and did not answer.
    """

    def __init__(self, info: CallerInfo) -> None:
        self.info = info
        self.on_event: Callable[[LegEvent], None] = _ignore
        self.reached = self.failed = False
        self._leg: OutgoingLeg | None = None
        self._ended = False

    @property
    def reports_keys(self) -> bool:
        return self._leg is None or self._leg.reports_keys

    @property
    def delay_s(self) -> float:
        """See Buffered."""
        return self._leg.delay_s if isinstance(self._leg, Buffered) else 0.0

    @property
    def slip(self) -> int:
        """See Buffered."""
        return self._leg.slip if isinstance(self._leg, Buffered) else 0

    async def answer(self) -> None:
        """See Leg; who is called back answers themselves."""

    async def reject(self, status: int, *, retry_after_s: int | None = None) -> None:
        """See Leg; there is nobody to reject."""

    def dialled(self, leg: OutgoingLeg) -> bool:
        """Take what was dialled; False: the agent is gone already, and it is for hanging up."""
        if self._ended:
            return False
        self._leg = leg
        return True

    def answered(self) -> None:
        """The caller hears us, and is heard, from now on."""
        if self._leg is not None and not self._ended:
            self.reached = True
            self._leg.on_event = self._report

    def not_answered(self) -> None:
        """Nobody came to the phone: this is the end."""
        self.failed = True
        self._leg = None
        self._report(LegEnded(reason=NOT_REACHED))

    def receive_frame(self) -> Pcm:
        """See AudioLeg."""
        return self._leg.receive_frame() if self._leg and self.reached else silence()

    def send_frame(self, pcm: Pcm) -> None:
        """See AudioLeg."""
        if self._leg is not None and self.reached:
            self._leg.send_frame(pcm)

    def send_key(self, key: str) -> None:
        """See SendsKeys."""
        if not self.reached or not isinstance(self._leg, SendsKeys):
            raise KeyNotSentError("the caller is not on the line")
        self._leg.send_key(key)

    async def hang_up(self, reason: str) -> None:
        """Also while it rings; idempotent."""
        self._ended = True
        leg, self._leg = self._leg, None
        if leg is not None:
            await leg.hang_up(reason)

    def _report(self, event: LegEvent) -> None:
        if not self._ended:
            self.on_event(event)
