"""A caller who waits may choose to be called back instead: offered, chosen with a key, promised.

They may hang up as soon as they have chosen. Should an agent come before they were told so, they
have the agent at once.
"""

from typing import Final, Protocol

from server.handoff.context import HandOffContext
from server.handoff.in_hand import CallInHand
from server.handoff.run_world import RunWorld
from server.handoff.stage import Stage
from telephony.transfer import TransferState
from voice.events import HandOff

_KEY: Final = "1"


class ChoosingRun(Protocol):
    """The hand-off, as this choice sees it."""

    call: CallInHand
    handoff: HandOff

    @property
    def state(self) -> TransferState: ...

    def context(self) -> HandOffContext: ...

    def over(self, reason: str) -> None:
        """The hand-off is over, and the call."""
        ...


class CallbackChoice:
    """One hand-off's."""

    def __init__(self, run: ChoosingRun, stage: Stage, world: RunWorld) -> None:
        self._run, self._stage, self._world = run, stage, world
        self._offered = self._wanted = self._promised = False

    def offer(self) -> None:
        """Tell the caller that they may choose it, if they can be called."""
        if self._waits and self._world.callbacks.can_call(self._run.call):
            self._offered = True
            self._stage.announce(self._world.announcements.offer_callback)

    def key_pressed(self, key: str) -> None:
        if self._offered and key == _KEY and not self._wanted and self._waits:
            self._wanted = True
            said = self._world.announcements.callback_promised
            self._stage.announce(said, on_ended=self._told)

    def caller_left(self) -> bool:
        """Whether they had chosen it, and are promised it now."""
        if self._wanted:
            self._promise()
        return self._wanted

    @property
    def _waits(self) -> bool:
        return self._run.state is TransferState.QUEUED

    def _told(self) -> None:
        if self._waits:
            self._promise()

    def _promise(self) -> None:
        if not self._promised:
            self._promised = True
            run = self._run
            self._world.callbacks.promise(run.call, run.handoff, run.context())
            run.over("callback_promised")
