"""One caller whose line ends here, with people of another process: see voice.plane.Served."""

import asyncio
from functools import partial
from typing import Final

from server.handoff.in_hand import CallInHand, CallOver, HandOffOutcome, TakenBack
from server.handoff.leg_abilities import CanBeReplaced
from server.tie_lines.connection import Connection
from server.tie_lines.messages import Ended, Replaced, Reported
from server.tie_lines.slack import Slack
from voice.comfort import ComfortNoise
from voice.events import HandOffEnded, LegEnded, LegEvent

_UNREACHED: Final = TakenBack(ended=HandOffEnded(reason="desk_unreachable"))
_PARTING_S: Final = 5.0  # for the other process to note that the caller has left
_SILENT_FRAMES: Final = 250  # a process that has sent nothing for 5 s is as good as gone


class Away:
    """On the media plane from its making until `is_back`; the caller's recording goes on.

    Attributes:
        slack: what the caller is to hear.
        connection: to where they are; None: not yet.
        outcome: what came of it.
    """

    def __init__(self, number: int, call: CallInHand) -> None:
        self.call, self.slack = call, Slack()
        self.connection: Connection | None = None
        self.outcome: asyncio.Future[HandOffOutcome] = asyncio.get_running_loop().create_future()
        self._number = number
        self._comfort = ComfortNoise()
        self._left: str | None = None  # why the caller did
        self._waited = 0  # frames in a row that did not come
        self._frame = self._comfort.pop()  # what the caller says on this tick
        call.leg.on_event = self._heard
        if isinstance(call.leg, CanBeReplaced):
            call.leg.on_replaced = self._replaced
        call.plane.add(self)

    def leaves(self, connection: Connection) -> None:
        """The other process has them from now on."""
        self.connection = connection

    def comes_home(self, outcome: HandOffOutcome) -> None:
        """The other process has let them go."""
        self.connection = None
        self.settle(outcome)

    def settle(self, outcome: HandOffOutcome) -> None:
        """Only the first one counts."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def end_of(self, outcome: HandOffOutcome) -> HandOffOutcome:
        """The same, unless the caller is taken back who has just left."""
        if isinstance(outcome, TakenBack) and self._left is not None:
            return CallOver(reason=self._left)
        return outcome

    def is_back(self) -> None:
        """The leg is its owner's again, whether the other process has noticed or not."""
        self.call.plane.remove(self)
        if self.connection is not None:
            self.connection.say(Ended(number=self._number, reason=_UNREACHED.ended.reason))
        if isinstance(self.call.leg, CanBeReplaced):
            self.call.leg.on_replaced = None

    # --- voice.plane.Served -----------------------------------------------------------------------

    def listen(self) -> None:
        """Take 20 ms from the caller."""
        self._frame = self.call.leg.receive_frame()
        if self.connection is not None:
            self.connection.sound(self._number, self._frame)

    def act(self, now_s: float) -> None:
        """Send them 20 ms of what comes for them."""
        coming = self.slack.take()
        sent = self._comfort.pop() if coming is None else coming
        self._waited = 0 if coming is not None or self.connection is None else self._waited + 1
        if self._waited >= _SILENT_FRAMES:
            self.settle(_UNREACHED)
        self.call.leg.send_frame(sent)
        self.call.recorder.write(self._frame, sent)

    def end(self, reason: str) -> None:
        """The leg has failed."""
        self._heard(LegEnded(reason="network_error"))

    # --- what the leg reports ---------------------------------------------------------------------

    def _heard(self, event: LegEvent) -> None:
        if isinstance(event, LegEnded):
            self._left = event.reason
            # Should nobody listen there any more, the call is over all the same.
            parting = partial(self.settle, CallOver(reason=event.reason))
            asyncio.get_running_loop().call_later(_PARTING_S, parting)
        if self.connection is not None:
            self.connection.say(Reported(number=self._number, event=event))
        elif self._left is not None:
            self.settle(CallOver(reason=self._left))

    def is_lost(self) -> None:
        """The other process is gone."""
        self.comes_home(_UNREACHED)

    def _replaced(self, uri: str) -> None:
        if self.connection is not None:
            self.connection.say(Replaced(number=self._number, uri=uri))
