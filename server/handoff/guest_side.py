"""The side of a hand-off where a second person is: invited by the agent who has the caller.

It carries out what telephony/conference.py decides. The queue knows a guest by the id of their
offer, so that nobody else is offered to them meanwhile, and the caller is not counted twice.
"""

from datetime import UTC, datetime
from typing import Protocol, assert_never

from server.handoff.attempts import Attempts
from server.handoff.context import HandOffContext
from server.handoff.in_turn import InTurn
from server.handoff.ports import (
    AgentLine,
    AgentTransferredOn,
    CallReturned,
    ColleagueInvited,
    ConsultedElsewhere,
    HoldChanged,
    KeysSent,
    LineEvent,
    LinePressedKey,
    LineRequest,
    MuteChanged,
    Offer,
)
from server.handoff.run_world import RunWorld
from server.handoff.stage import GUEST, Stage
from server.handoff.target_side import ACCEPT_KEY, DECLINE_KEY, ignore
from telephony.conference import (
    Conference,
    ConferenceCommand,
    ConferenceEvent,
    ConferenceState,
    GuestInvited,
    HostLeft,
    JoinGuest,
    PromoteGuest,
    RefuseInvitation,
    TalkEnded,
    TellHost,
)
from telephony.transfer_events import (
    BriefEnded,
    ReleaseTarget,
    RingTarget,
    SayBrief,
    StopBrief,
    TargetAccepted,
    TargetAnswered,
    TargetDeclined,
    TargetFailed,
    TargetGone,
    TargetRinging,
    TimePassed,
)

_NOT_THERE = frozenset({"no_answer", "not_accepted", "unreachable", "voicemail"})


class Host(Protocol):
    """The hand-off, as the side of its guest sees it."""

    def offer(self, target: str) -> Offer: ...

    def context(self) -> HandOffContext: ...

    def refuse(self, asked: LineRequest, why: str) -> None:
        """Tell the agent who has the caller."""
        ...

    def note(self, text: str) -> None:
        """Add a word of ours to the transcript."""
        ...

    def send_keys(self, keys: str) -> str | None:
        """Press keys for the caller's network; returns why not."""
        ...

    def succeed(self, name: str, line: AgentLine) -> None:
        """The guest has the caller from now on, on this line."""
        ...


class GuestSide:
    """One hand-off's."""

    def __init__(self, host: Host, stage: Stage, attempts: Attempts, world: RunWorld) -> None:
        self._host, self._stage, self._attempts, self._world = host, stage, attempts, world
        self._machine = Conference(world.options)
        self._line: AgentLine | None = None
        self._offer: Offer | None = None
        self._invited: ColleagueInvited | None = None
        self._rang_at = datetime.now(UTC)
        self._name = ""
        self._events = InTurn[ConferenceEvent](self._deal_with)

    @property
    def line(self) -> AgentLine | None:
        """The way to the guest, once they have joined; None: nobody is to be told anything."""
        return self._line if self._machine.state is ConferenceState.JOINED else None

    @property
    def alone(self) -> bool:
        """Nobody is in the call, or on the way there."""
        return self._machine.state is ConferenceState.ALONE

    @property
    def joined_name(self) -> str | None:
        """The guest who is in the call, as who has it named them; None: there is none."""
        return self._name if self._machine.state is ConferenceState.JOINED else None

    def invite(self, invited: ColleagueInvited) -> None:
        if self._machine.state is ConferenceState.ALONE:
            self._invited = invited
        self._tell(GuestInvited(target=invited.target))

    def host_left(self) -> bool:
        """Whether a guest has the call now; one who had not joined is let go."""
        joined = self._machine.state is ConferenceState.JOINED
        self._tell(HostLeft())
        return joined

    def end(self, reason: str) -> None:
        """Let a guest go, whatever they do; idempotent."""
        self._tell(TalkEnded(reason=reason))

    def failed(self) -> None:
        """Their leg raised; it is out of the room already."""
        self._tell(TargetFailed(reason="network_error"))

    def tick(self) -> None:
        self._tell(TimePassed())

    # --- events in, commands out ---

    def _tell(self, event: ConferenceEvent) -> None:
        self._events.tell(event)

    def _deal_with(self, event: ConferenceEvent) -> None:
        for command in self._machine.receive(event, self._world.clock()):
            self._carry_out(command)

    def _carry_out(self, command: ConferenceCommand) -> None:
        match command:
            case RingTarget(target=target):
                self._ring(target)
            case ReleaseTarget(reason=reason):
                self._release(reason)
            case SayBrief():
                text = self._world.brief(self._host.context())
                self._stage.brief(text, lambda: self._tell(BriefEnded()), listener=GUEST)
            case StopBrief():
                self._stage.stop_brief(GUEST)
            case JoinGuest():
                self._join()
            case PromoteGuest():
                self._promote()
            case TellHost(reason=reason):
                self._tell_host(reason)
            case RefuseInvitation():
                invited = ColleagueInvited(target=self._name)
                self._host.refuse(invited, f"{self._called} is being asked in, or is here already")
            case _:
                assert_never(command)

    def _ring(self, target: str) -> None:
        offer = self._offer = self._host.offer(target)
        self._name, self._rang_at = target, datetime.now(UTC)
        try:
            line = self._world.lines.open(offer)
        except LookupError:
            self._tell(TargetFailed(reason="unreachable"))
            return
        self._line = line
        self._world.queue.rung(target, offer.id)
        line.on_event = lambda event: self._line_event(line, event)
        line.ring()

    def _join(self) -> None:
        if self._line is None or self._offer is None or GUEST not in self._stage.room.members:
            self._tell(TargetGone(reason="network_error"))
            return
        self._stage.join_guest()
        self._world.queue.answered(self._name, self._offer.id)
        self._attempts.joined_in(self._name, self._rang_at)
        self._line.joined()
        self._host.note(f"({self._called} has joined the call.)")

    def _release(self, reason: str) -> None:
        line, self._line = self._line, None
        offer, self._offer = self._offer, None
        self._stage.leaves(GUEST)
        if line is None or offer is None:
            return
        line.on_event = ignore
        line.release(reason)
        queue = self._world.queue
        if reason in _NOT_THERE or reason == "declined":
            queue.turned_away(self._name, offer.id, declined=reason == "declined")
        queue.talk_ended(self._name, held_s=0.0)  # of no account to who never talked
        queue.leave(offer.id, reason)

    def _promote(self) -> None:
        line, self._line = self._line, None
        self._offer = None
        assert line is not None, "who joined has a line"
        self._attempts.took_over(self._name)
        self._host.succeed(self._name, line)

    def _tell_host(self, reason: str) -> None:
        if reason == "left":
            self._host.note(f"({self._called} has left the call.)")
        elif self._invited is not None:
            why = f"{self._called} did not join: {reason.replace('_', ' ')}"
            self._host.refuse(self._invited, why)

    # --- what comes from the guest's line ---

    def _line_event(self, line: AgentLine, event: LineEvent) -> None:
        if line is not self._line:
            return
        match event:
            case TargetAnswered():
                if line.leg is not None:
                    self._stage.comes(GUEST, line.leg)
                    if line.on_telephone:
                        self._stage.watch_for_machine(GUEST, lambda: self._machine_answered(line))
                self._tell(event)
            case TargetAccepted() | TargetDeclined() | TargetFailed() | TargetGone():
                self._tell(event)
            case LinePressedKey(key=key):
                self._key_pressed(key)
            case _:
                self._asked(line, event)

    def _machine_answered(self, line: AgentLine) -> None:
        """Nobody will press a key there."""
        if line is self._line and self._machine.state is not ConferenceState.JOINED:
            self._tell(TargetFailed(reason="voicemail"))

    def _asked(
        self,
        line: AgentLine,
        event: TargetRinging | HoldChanged | MuteChanged | ConsultedElsewhere | LineRequest,
    ) -> None:
        match event:
            case TargetRinging():
                pass
            case HoldChanged(held=held):
                self._stage.hold_in_talk(held=held)
            case MuteChanged(muted=muted):
                self._stage.mute(GUEST, muted=muted)
            case KeysSent(keys=keys):
                if (why := self._host.send_keys(keys)) is not None:
                    line.refused(event, why)
            case ConsultedElsewhere(request=request):
                request.decline()
            case ColleagueInvited() | AgentTransferredOn() | CallReturned():
                line.refused(event, "this is for the colleague who asked you in")
            case _:
                assert_never(event)

    @property
    def _called(self) -> str:
        return self._world.name_of(self._name)

    def _key_pressed(self, key: str) -> None:
        if self._machine.state is ConferenceState.JOINED:
            return
        if key == ACCEPT_KEY:
            self._tell(TargetAccepted())
        elif key == DECLINE_KEY:
            self._tell(TargetDeclined(reason="key"))
