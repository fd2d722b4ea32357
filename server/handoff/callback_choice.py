"""A caller who waits may choose to be called back instead, or to leave a message: by a key.

They may hang up as soon as they have chosen the call back. Should an agent come before they were
told so, they have the agent at once. A message is the dialog's to take.
"""

from typing import Protocol

from server.handoff.context import HandOffContext
from server.handoff.in_hand import CallInHand
from server.handoff.run_world import RunWorld
from server.handoff.stage import Stage
from telephony.transfer import TransferState
from telephony.transfer_events import CallerChose, Recovery, TransferEvent
from voice.events import HandOff

_CALL_BACK, _MESSAGE = "1", "2"


class ChoosingRun(Protocol):
    """The hand-off, as this choice sees it."""

    call: CallInHand
    handoff: HandOff

    @property
    def state(self) -> TransferState: ...

    def tell(self, event: TransferEvent) -> None:
        """Tell the machine."""
        ...

    def context(self) -> HandOffContext: ...

    def over(self, reason: str) -> None:
        """The hand-off is over, and the call."""
        ...


class CallbackChoice:
    """One hand-off's."""

    def __init__(self, run: ChoosingRun, stage: Stage, world: RunWorld) -> None:
        self._run, self._stage, self._world = run, stage, world
        self._keys: frozenset[str] = frozenset()  # what was offered
        self._wanted = self._promised = False

    def offer(self) -> None:
        """Tell the caller what they may choose: a call back if they have a number, a message if
        there is a dialog to take it."""
        if not self._waits:
            return
        texts, call = self._world.announcements, self._run.call
        offered = {
            _CALL_BACK: texts.offer_callback if self._world.callbacks.can_call(call) else "",
            _MESSAGE: texts.offer_message if call.has_dialog else "",
        }
        self._keys = frozenset(key for key, text in offered.items() if text)
        if self._keys:
            self._stage.announce(" ".join(filter(None, offered.values())))

    def key_pressed(self, key: str) -> None:
        if key not in self._keys or self._wanted or not self._waits:
            return
        if key == _MESSAGE:
            self._run.tell(CallerChose(recovery=Recovery.VOICEMAIL))
            return
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
