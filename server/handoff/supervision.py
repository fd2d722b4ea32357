"""Calls, queue and rooms from above: server.desk.ports.Supervision."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from uuid import UUID

from server.desk.board import BoardApproval, BoardCall, ListenMode, QueueFigures, QueueInterval
from server.desk.errors import RefusedError
from server.desk.masking import mask_caller
from server.desk.presence import AgentDirectory, UnknownAgentError
from server.handoff.approving import Approving, Audit
from server.handoff.coordinator import HandOffs
from server.handoff.figures import Figures
from server.handoff.run import TransferRun
from server.handoff.sentiment import sentiment_of
from server.handoff.stage import AGENT
from server.live_calls import LiveCall, LiveCalls, Tap, Tappable, both_sides
from server.tie_lines.far_calls import FarCalls
from telephony.queue import CallQueue
from telephony.transfer import TransferState
from voice.frames import Pcm
from voice.ports import AudioLeg

_State: TypeAlias = Literal["frontdesk", "waiting", "ringing", "agent", "held"]

_DONE: Final[dict[ListenMode, str]] = {
    "listen": "call_listened_to",
    "coach": "call_coached",
    "barge": "call_barged_into",
}  # in the audit, which is written before it is done
_STATES: Final[dict[TransferState, _State]] = {
    TransferState.REQUESTED: "waiting",
    TransferState.QUEUED: "waiting",
    TransferState.RINGING: "ringing",
    TransferState.BRIEFING: "ringing",
    TransferState.DECIDING: "ringing",
    TransferState.JOINED: "agent",
    TransferState.LOST: "held",
    TransferState.REFERRING: "agent",
}


@dataclass(slots=True, kw_only=True)
class _Presence:
    """How one supervisor is in one call."""

    leg: AudioLeg
    tap: Tap | None = None  # listens to the call
    tapped: Tappable | None = None  # there
    member: str | None = None  # in the call's room


class RoomSupervision:
    """Implements Supervision."""

    def __init__(
        self,
        *,
        live: LiveCalls,
        handoffs: HandOffs,
        queue: CallQueue,
        directory: AgentDirectory,
        approving: Approving,
        audit: Audit,
        far: FarCalls,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            far: the calls of other processes.
        """
        self._far = far
        self._live, self._handoffs, self._queue = live, handoffs, queue
        self._directory, self._audit, self._clock = directory, audit, clock
        self._approving, self._figures = approving, Figures(queue)
        self._present: dict[tuple[UUID, str], _Presence] = {}

    # --- what is seen -----------------------------------------------------------------------------

    def calls(self) -> Sequence[BoardCall]:
        """See Supervision."""
        ours = {each.in_hand.call_id: self._seen(each) for each in self._live}
        others = [row for row in self._far.rows() if row.call_id not in ours]
        return sorted([*ours.values(), *others], key=lambda row: row.for_s, reverse=True)

    def queue(self) -> QueueFigures:
        """See Supervision."""
        return self._figures.today(time.time())

    def queues(self) -> Sequence[QueueFigures]:
        """See Supervision."""
        names = tuple(self._queue.queues)
        now_s = time.time()
        return [self._figures.today(now_s, name) for name in names] if len(names) > 1 else []

    def intervals(self) -> Sequence[QueueInterval]:
        """See Supervision."""
        return self._figures.intervals()

    def approvals(self) -> Sequence[BoardApproval]:
        """See Supervision."""
        return self._approving.on_board()

    def _seen(self, call: LiveCall) -> BoardCall:
        row = seen(call, self._clock())
        run = self._handoffs.get(row.call_id)
        if run is None:
            return row
        state = _STATES.get(run.state, "frontdesk")
        return row.model_copy(update={"state": state, "agent": self._name(run.agent)})

    def _name(self, agent: str | None) -> str | None:
        if agent is None:
            return None
        try:
            return self._directory.get(agent).profile.name
        except UnknownAgentError:
            return agent  # an address that was dialled

    # --- what is done -----------------------------------------------------------------------------

    async def listen(
        self, call_id: UUID, supervisor_id: str, leg: AudioLeg, mode: ListenMode
    ) -> None:
        """See Supervision."""
        live = self._live.get(call_id)
        tapped = live.tapped if live is not None else self._far.tappable(call_id)
        if tapped is None:
            raise RefusedError("this call is over", code="gone")
        run = self._handoffs.get(call_id)
        if mode != "listen" and (run is None or run.state is not TransferState.JOINED):
            raise RefusedError("nobody but frontdesk talks to this caller now", code="not_now")
        await self._audit(_DONE[mode], supervisor_id, call_id)
        self._take_out(call_id, supervisor_id)
        present = self._present[call_id, supervisor_id] = _Presence(leg=leg)
        if mode == "listen" or run is None:
            present.tap, present.tapped = _relay(leg), tapped
            tapped.add(present.tap)
        else:
            self._enter(run, present, supervisor_id, mode)

    async def leave(self, call_id: UUID, supervisor_id: str) -> None:
        """See Supervision."""
        self._take_out(call_id, supervisor_id)

    async def decide(
        self, call_id: UUID, supervisor_id: str, action_id: str, approved: bool
    ) -> None:
        """See Supervision."""
        await self._approving.decide(call_id, supervisor_id, action_id, approved)

    @staticmethod
    def _enter(run: TransferRun, present: _Presence, supervisor_id: str, mode: ListenMode) -> None:
        room, name = run.stage.room, f"supervisor {supervisor_id}"
        room.add(name, present.leg)
        present.member = name
        if mode == "coach":
            room.coach(name, AGENT)
        else:
            room.barge(name)

    def _take_out(self, call_id: UUID, supervisor_id: str) -> None:
        present = self._present.pop((call_id, supervisor_id), None)
        if present is None:
            return
        run = self._handoffs.get(call_id)
        if present.tap is not None and present.tapped is not None:
            present.tapped.remove(present.tap)
        if present.member is not None and run is not None:
            room = run.stage.room
            if present.member in room.members:
                room.remove(present.member)


def seen(call: LiveCall, now_s: float) -> BoardCall:
    """A call that no person has; `now_s` on the clock of the call sessions."""
    hand = call.in_hand
    return BoardCall(
        call_id=hand.call_id,
        state="frontdesk",
        caller=mask_caller(hand.info.caller),
        for_s=now_s - hand.answered_at_s,
        task=hand.standing().task,
        sentiment=sentiment_of(hand.story.turns),
    )


def _relay(leg: AudioLeg) -> Tap:
    """Send a listener both sides of a call; what they say is not even taken."""

    def tap(caller: Pcm, ours: Pcm) -> None:
        leg.receive_frame()
        leg.send_frame(both_sides(caller, ours))

    return tap
