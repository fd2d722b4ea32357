"""The two machines together: a caller goes through the queue to an agent, whatever agents do.

The shell between them may tell the queue of an agent's answer before or after the transfer hears of
it, and may be in the middle of its commands; nobody must be forgotten between the two.
"""

from collections import deque
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.queue import CallQueue
from telephony.queue_events import (
    AgentReady,
    AgentSignedIn,
    AgentState,
    CallerJoined,
    CallerLeft,
    GiveUp,
    Offer,
    OfferAccepted,
    OfferDeclined,
    OfferMissed,
    QueueEvent,
    TalkEnded,
)
from telephony.queue_line import QueueOptions
from telephony.transfer import Transfer, TransferOptions, TransferState
from telephony.transfer_events import (
    BeginWrapUp,
    CallerGone,
    EndTransfer,
    EnterQueue,
    JoinCaller,
    LeaveQueue,
    QueueGaveUp,
    ReleaseTarget,
    TakeBack,
    TargetAccepted,
    TargetAnswered,
    TargetDeclined,
    TargetFailed,
    TargetGone,
    TargetPicked,
    TimePassed,
    TransferCommand,
    TransferEvent,
    TransferRequested,
)

AGENTS = ("ada", "ben", "cleo")
DEEDS = (
    "decline",
    "busy",
    "ignore",
    "answer_only",
    "talk",
    "lose",
    "lose_and_return",
    "caller_hangs_up",
)


@dataclass
class House:
    """Callers, agents and one queue; `queue_first`: the queue hears of agents' answers first."""

    queue_first: bool
    queue: CallQueue = field(
        default_factory=lambda: CallQueue(
            {"main": QueueOptions(max_wait_s=300.0, wrap_up_s=10.0, nobody_s=5.0)}
        )
    )
    transfers: dict[str, Transfer] = field(default_factory=dict[str, Transfer])
    waiting: deque[tuple[str, TransferEvent]] = field(
        default_factory=deque[tuple[str, TransferEvent]]
    )
    draining: bool = False
    now_s: float = 1_767_700_800.0

    def tell_queue(self, event: QueueEvent) -> None:
        for command in self.queue.receive(event, self.now_s):
            match command:
                case Offer(caller=caller, agent=agent):
                    self.tell(caller, TargetPicked(target=agent))
                case GiveUp(caller=caller, reason=reason, recovery=recovery):
                    self.tell(caller, QueueGaveUp(reason=reason.value, recovery=recovery))
                case _:
                    pass

    def tell(self, caller: str, event: TransferEvent) -> None:
        """After whatever the transfers are being told already."""
        self.waiting.append((caller, event))
        if self.draining:
            return
        self.draining = True
        while self.waiting:
            caller, event = self.waiting.popleft()
            target = self.transfers[caller].target
            for command in self.transfers[caller].receive(event, self.now_s):
                self.carry_out(caller, target, command)
        self.draining = False

    def carry_out(self, caller: str, target: str | None, command: TransferCommand) -> None:
        match command:
            case EnterQueue(first=first, without=without):
                excluded = frozenset(without)
                self.tell_queue(CallerJoined(caller=caller, first=first, excluded=excluded))
            case JoinCaller():
                agent = self.transfers[caller].target
                assert agent is not None
                self.tell_queue(OfferAccepted(agent=agent, caller=caller))
            case ReleaseTarget(reason="no_answer" | "not_accepted") if target is not None:
                self.tell_queue(OfferMissed(agent=target, caller=caller))
            case BeginWrapUp(target=agent):
                self.tell_queue(TalkEnded(agent=agent))
            case LeaveQueue(reason=reason) | TakeBack(reason=reason) | EndTransfer(reason=reason):
                self.tell_queue(CallerLeft(caller=caller, reason=reason))
            case _:
                pass

    def line_ends(self, caller: str, agent: str, event: TargetDeclined | TargetFailed) -> None:
        declined = isinstance(event, TargetDeclined)
        answer = (OfferDeclined if declined else OfferMissed)(agent=agent, caller=caller)
        if self.queue_first:
            self.tell_queue(answer)
            self.tell(caller, event)
        else:
            self.tell(caller, event)
            self.tell_queue(answer)

    def act(self, caller: str, deed: str) -> None:
        """The agent who is rung for this caller does something."""
        agent = self.transfers[caller].target
        assert agent is not None
        match deed:
            case "decline":
                self.line_ends(caller, agent, TargetDeclined())
            case "busy":
                self.line_ends(caller, agent, TargetFailed(reason="busy"))
            case "answer_only":
                self.tell(caller, TargetAnswered(sees_context=True))
            case "caller_hangs_up":
                self.tell(caller, CallerGone(reason="caller_hangup"))
            case "talk" | "lose" | "lose_and_return":
                self.tell(caller, TargetAnswered(sees_context=True))
                self.tell(caller, TargetAccepted())
                gone = "agent_hangup" if deed == "talk" else "network_error"
                self.tell(caller, TargetGone(reason=gone))
                if deed == "lose_and_return":
                    self.tell(caller, TargetAnswered())
                    self.tell(caller, TargetGone(reason="agent_hangup"))
            case _:
                pass

    def pass_time(self) -> None:
        self.now_s += 1.0
        self.tell_queue(TimePassed())
        for caller in self.transfers:
            self.tell(caller, TimePassed())

    def check(self) -> None:
        """Who is rung or talks is the same to both machines, and so is who waits."""
        queue = {view.caller: view.agent for view in self.queue.callers(self.now_s)}
        for caller, transfer in self.transfers.items():
            match transfer.state:
                case TransferState.OVER:
                    assert caller not in queue
                case TransferState.QUEUED:
                    assert queue[caller] is None, "offered, and nobody rings"
                case _:
                    assert queue[caller] == transfer.target


@settings(max_examples=500, deadline=None)
@given(
    queue_first=st.booleans(),
    callers=st.integers(min_value=1, max_value=4),
    deeds=st.lists(st.sampled_from(DEEDS), min_size=1, max_size=20),
)
def test_nobody_is_forgotten_between_the_queue_and_the_transfer(
    queue_first: bool, callers: int, deeds: list[str]
):
    house = House(queue_first)
    for agent in AGENTS:
        house.tell_queue(AgentSignedIn(agent=agent, skills={}))
        house.tell_queue(AgentReady(agent=agent))
    for number in range(callers):
        caller = f"caller{number}"
        house.transfers[caller] = Transfer(TransferOptions(max_attempts=4, total_s=600.0))
        house.tell(caller, TransferRequested())
        house.check()
    done = 0
    for _ in range(700):
        for caller, transfer in house.transfers.items():
            if transfer.state is TransferState.RINGING:
                house.act(caller, deeds[done % len(deeds)])
                done += 1
                house.check()
        house.pass_time()
        house.check()
        if all(each.state is TransferState.OVER for each in house.transfers.values()):
            break
    assert all(each.state is TransferState.OVER for each in house.transfers.values())
    busy = (AgentState.OFFERED, AgentState.TALKING)
    assert all(view.state not in busy for view in house.queue.agents())
    if set(deeds) == {"caller_hangs_up"}:
        assert all(view.state is AgentState.READY for view in house.queue.agents())
