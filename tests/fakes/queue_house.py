"""The queues of a house in virtual time."""

from collections.abc import Sequence
from datetime import UTC, datetime, time

from telephony.opening_hours import Hours, OpeningHours, Weekday
from telephony.queue import CallQueue
from telephony.queue_events import (
    AgentEngaged,
    AgentReady,
    AgentSignedIn,
    AgentState,
    CallerJoined,
    Offer,
    OfferAccepted,
    QueueCommand,
    QueueEvent,
    ShowAgentState,
    TalkEnded,
)
from telephony.queue_line import QueueOptions
from telephony.queue_statistics import Counters
from telephony.transfer_events import TimePassed

NOON_S = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()  # a Monday
OFFICE = OpeningHours(weekly={Weekday.MONDAY: (Hours(opens=time(9), closes=time(17)),)}, zone="UTC")


class House:
    """The queues and the time. What agents are shown is left out: that is the agents' own test."""

    def __init__(self, queues: QueueOptions | dict[str, QueueOptions] | None = None) -> None:
        options = {"main": queues} if isinstance(queues, QueueOptions) else queues
        self.queue = CallQueue(options)
        self.now_s = NOON_S

    def then(self, event: QueueEvent, *, after_s: float = 0.0) -> list[QueueCommand]:
        self.now_s += after_s
        commands = self.queue.receive(event, self.now_s)
        return [command for command in commands if not isinstance(command, ShowAgentState)]

    def wait(self, seconds: float) -> list[QueueCommand]:
        return self.then(TimePassed(), after_s=seconds)

    def agent(self, name: str, *languages: str, **skills: int) -> list[QueueCommand]:
        """Signs in, and is ready a second later than the one before."""
        signed_in = AgentSignedIn(agent=name, skills=skills, languages=frozenset(languages))
        assert self.then(signed_in, after_s=1.0) == []
        return self.then(AgentReady(agent=name))

    def busy(self, name: str, **skills: int) -> "House":
        """An agent in a call of their own."""
        self.agent(name, **skills)
        self.then(AgentEngaged(agent=name, caller=f"call of {name}"))
        self.then(OfferAccepted(agent=name, caller=f"call of {name}"))
        return self

    def joins(self, *callers: str) -> list[QueueCommand]:
        return [command for name in callers for command in self.then(CallerJoined(caller=name))]

    def served(self, agent: str, caller: str) -> list[QueueCommand]:
        """The offer is taken, the call is over and so are the notes: who is next?"""
        assert self.then(OfferAccepted(agent=agent, caller=caller)) == []
        assert self.then(TalkEnded(agent=agent), after_s=1.0) == []
        return self.then(AgentReady(agent=agent))

    def state(self, agent: str) -> AgentState:
        return next(view.state for view in self.queue.agents() if view.agent == agent)

    def total(self, *queues: str) -> Counters:
        return self.queue.statistics.total(queues or ("main",))


def offers(commands: Sequence[QueueCommand]) -> list[tuple[str, str]]:
    return [(offer.caller, offer.agent) for offer in commands if isinstance(offer, Offer)]
