"""What agents ask of a hand-off beyond their own side: done, or refused with the reason."""

from dataclasses import replace
from typing import Protocol

from server.handoff.consulted import ConsultedSide
from server.handoff.guest_side import GuestSide
from server.handoff.in_hand import CallInHand
from server.handoff.phone_line import can_be_dialled
from server.handoff.ports import (
    ColleagueInvited,
    ConsultedElsewhere,
    HoldChanged,
    KeysSent,
    LineEvent,
    LinePressedKey,
    LineRequest,
    MuteChanged,
)
from server.handoff.target_side import TargetSide
from server.handoff.waiting_room import QUEUE_PREFIX, Routing
from telephony.transfer_events import (
    AgentTransferredOn,
    CallReturned,
    TransferEvent,
    TransferMode,
)


class GrantingRun(Protocol):
    """The hand-off that is asked."""

    call: CallInHand

    def tell(self, event: TransferEvent) -> None: ...

    def refuse(self, asked: LineRequest, why: str) -> None:
        """Tell the agent who has the caller."""
        ...

    def send_keys(self, keys: str) -> str | None:
        """Press keys for the caller's network; returns why not."""
        ...

    def requeue(self, skill: str | None) -> None:
        """Give the caller to whoever the queue of this skill picks."""
        ...


class Wishes:
    """One hand-off's."""

    def __init__(
        self,
        run: GrantingRun,
        target: TargetSide,
        guest: GuestSide,
        consulted: ConsultedSide,
        routing: Routing,
    ) -> None:
        self._run, self._routing = run, routing
        self._target, self._guest, self._consulted = target, guest, consulted

    def hear(self, event: LineEvent) -> None:
        """See run_world.Run.asked."""
        refuse = self._run.refuse
        match event:
            case HoldChanged() | MuteChanged() | LinePressedKey():
                pass  # of their own side
            case KeysSent(keys=keys):
                if (why := self._run.send_keys(keys)) is not None:
                    refuse(event, why)
            case CallReturned() if not self._run.call.has_dialog:
                refuse(event, "frontdesk made this call for you, and cannot go on with it")
            case ColleagueInvited(target=target) if not self._target.joined:
                refuse(event, f"{target} cannot be asked in before you have the caller")
            case ColleagueInvited():
                self._guest.invite(event)
            case ConsultedElsewhere(request=request):
                self._consulted.take(request)
            case AgentTransferredOn(target=str(target)):
                self._transfer_on(event, target)
            case _:
                self._run.tell(event)

    def _transfer_on(self, asked: AgentTransferredOn, target: str) -> None:
        if target == self._guest.joined_name:
            self._guest.host_left()
        elif target.startswith(QUEUE_PREFIX):
            self._requeue(asked, target.removeprefix(QUEUE_PREFIX))
        elif can_be_dialled(target):
            self._run.tell(asked)
        else:  # a colleague: no REFER leads there
            self._run.tell(replace(asked, mode=TransferMode.WARM))

    def _requeue(self, asked: AgentTransferredOn, skill: str) -> None:
        """To whoever the queue of another team picks."""
        if skill in self._routing.queues:
            self._run.requeue(skill)
        else:
            self._run.refuse(asked, f"there is no queue {skill}")
