"""The side of a hand-off where the target is: rung, briefed, joined, lost, let go.

At most one target at a time; a line that was let go is not listened to any more.
"""

import logging
from typing import Final

from server.handoff.attempts import Attempts
from server.handoff.ports import (
    AgentLine,
    HoldChanged,
    LineEvent,
    LinePressedKey,
    MuteChanged,
)
from server.handoff.run_world import Run, RunWorld
from server.handoff.stage import AGENT, Stage
from telephony.transfer import TransferState
from telephony.transfer_events import (
    TargetAccepted,
    TargetAnswered,
    TargetDeclined,
    TargetFailed,
    TargetGone,
)
from voice.ports import AudioLeg

log = logging.getLogger(__name__)

_UNDECIDED: Final = (TransferState.BRIEFING, TransferState.DECIDING)
ACCEPT_KEY, DECLINE_KEY = "1", "2"
_NOT_THERE: Final = frozenset({"no_answer", "not_accepted"})  # the target's own doing


class TargetSide:
    """One hand-off's.

    Attributes:
        name: who has the caller, or is or was rung last; "" before that.
        joined: they and the caller hear each other, or are to again.
        line: the way to them; None once they are let go.
    """

    def __init__(self, run: Run, stage: Stage, attempts: Attempts, world: RunWorld) -> None:
        self.name, self.joined = "", False
        self.line: AgentLine | None = None
        self._run, self._stage, self._attempts, self._world = run, stage, attempts, world
        self._rung = False  # they are told of the caller, and have not taken them
        self._held_since_s: float | None = None
        self._held_s = 0.0

    @property
    def held_s(self) -> float:
        """How long they have had the caller on hold, before they took them back."""
        return self._held_s

    def ring(self, target: str) -> None:
        self.name, self._rung, self.joined, self._held_s = target, True, False, 0.0
        self._held_since_s = None
        self._attempts.rang(target)
        self._world.queue.rung(target, self._run.call.call_id)
        try:
            line = self._world.lines.open(self._run.offer(target))
        except LookupError as error:
            log.warning("a target cannot be reached", extra={"cause": str(error)})
            self._tell_of_end(TargetFailed(reason="unreachable"), "unreachable")
            return
        self.line = line
        line.on_event = lambda event: self._line_event(line, event)
        line.ring()

    def join(self) -> None:
        if AGENT not in self._stage.room.members:
            self._run.tell(TargetGone(reason="network_error"))
            return
        self._stage.join()
        self._hold_over()
        self.joined, self._rung = True, False
        self._attempts.accepted()
        self._world.queue.answered(self.name, self._run.call.call_id)
        if self.line is not None:
            self.line.joined()

    def release(self, reason: str) -> None:
        """Let them go, whatever they do; idempotent."""
        line, self.line = self.line, None
        self._stage.leaves(AGENT)
        self._attempts.ended(reason)
        if reason in _NOT_THERE:
            self._turned_away(reason)
        self._rung = False
        if line is not None:
            line.on_event = ignore
            line.release(reason)

    def succeed(self, name: str, line: AgentLine) -> None:
        """A guest who is in the call has it from now on."""
        before = self.line
        self._hold_over()
        self._stage.promote_guest()
        self._world.queue.talk_ended(self.name, held_s=self._held_s)
        self.name, self.line, self.joined = name, line, True
        self._held_s, self._held_since_s = 0.0, None
        line.on_event = lambda event: self._line_event(line, event)
        if before is not None:
            before.on_event = ignore
            before.release("guest_took_over")

    def surrender(self) -> tuple[str, AgentLine, AudioLeg] | None:
        """Give whoever has the caller to another hand-off; None: nobody has the caller."""
        name, line = self.name, self.line
        if not self.joined or line is None or AGENT not in self._stage.room.members:
            return None
        self.name, self.line, self.joined = "", None, False
        line.on_event = ignore  # until the other hand-off listens
        return name, line, self._stage.gives(AGENT)

    # --- what comes from their line ---

    def _line_event(self, line: AgentLine, event: LineEvent) -> None:
        if line is not self.line:
            return  # released: the next target's events are the ones that count
        match event:
            case TargetAnswered():
                if line.leg is not None:
                    self._stage.comes(AGENT, line.leg)
                    if line.on_telephone and not self.joined:
                        self._stage.watch_for_machine(AGENT, lambda: self._machine_answered(line))
                self._run.tell(event)
            case TargetDeclined() | TargetFailed() | TargetGone():
                self._line_ended(event)
            case HoldChanged(held=held):
                self._hold(held)
            case MuteChanged(muted=muted):
                self._stage.mute(AGENT, muted=muted)
            case LinePressedKey(key=key):
                self._key_pressed(key)
            case _:
                self._run.asked(event)

    def _line_ended(self, event: TargetDeclined | TargetFailed | TargetGone) -> None:
        self._stage.leaves(AGENT)
        if self.joined and self._run.host_left():
            return  # a guest has the caller
        if self.joined:
            self._run.tell(event)  # they may come back, on the same line
            return
        self.line = None
        declined = isinstance(event, TargetDeclined)
        self._tell_of_end(event, "declined" if declined else event.reason or "gone")

    def _machine_answered(self, line: AgentLine) -> None:
        """Nobody will press a key there."""
        if line is self.line and self._run.state in _UNDECIDED:
            self._line_ended(TargetFailed(reason="voicemail"))
            line.on_event = ignore
            line.release("voicemail")

    def _tell_of_end(self, event: TargetDeclined | TargetFailed | TargetGone, outcome: str) -> None:
        """The queue, told of it, may pick the next target at once."""
        self._run.tell_before(event, lambda: self._turned_away(outcome))

    def _turned_away(self, outcome: str) -> None:
        """The target does not get the caller; idempotent."""
        if not self._rung:
            return
        self._rung = False
        self._attempts.ended(outcome)
        declined = outcome == "declined"
        self._world.queue.turned_away(self.name, self._run.call.call_id, declined=declined)

    def _key_pressed(self, key: str) -> None:
        if self._run.state not in _UNDECIDED:
            return
        if key == ACCEPT_KEY:
            self._run.tell(TargetAccepted())
        elif key == DECLINE_KEY and (line := self.line) is not None:
            self._line_ended(TargetDeclined(reason="key"))
            line.on_event = ignore
            line.release("declined")

    def _hold(self, held: bool) -> None:
        if not self.joined:
            return
        self._stage.hold_in_talk(held=held)
        if held:
            self._held_since_s = self._world.clock()
            self._stage.announce(self._world.announcements.on_hold)
        else:
            self._hold_over()

    def _hold_over(self) -> None:
        if self._held_since_s is not None:
            self._held_s += self._world.clock() - self._held_since_s
            self._held_since_s = None


def ignore(event: LineEvent) -> None:
    """For lines that were let go."""
