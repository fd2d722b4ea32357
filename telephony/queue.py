"""Who is rung for whom: waiting callers, agents with skills, and the rules between them.

Theory of operation. One CallQueue serves every queue of the house, because an agent may serve
several and can be rung for one caller only. It is told what agents and callers do, each with the
time, and answers with commands. A caller in it is in one of three places:

    waiting    in line, perhaps absent: hung up, and to be called back when it is their turn
    offered    one agent is being rung for them
    talking    with that agent, until the agent's TalkEnded

and leaves it by talking, by CallerLeft, or by GiveUp; nothing else loses a caller. What agents do
is the table of telephony/queue_agents.py.

Callers are served in this order: who was turned away already, then by priority, then by arrival.
Each is offered to the agent who speaks their language, has their skill (best at it first, where the
queue wants that), and has been idle longest. An agent they know is preferred, and waited for a
little when busy. An agent who declines or does not answer is not offered this caller again, and who
does not answer is away until they say otherwise. A caller does not wait behind one whom nobody
ready can serve.

Time is Unix time here, not monotonic: opening hours, intervals of statistics and places that are
kept over a restart are all of the clock on the wall. A clock that is set back stands still.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import ClassVar, Final, TypeAlias

from telephony.queue_agents import Agent, AgentPool, Conversation
from telephony.queue_announcements import announcements
from telephony.queue_events import (
    MAIN_QUEUE,
    AgentAway,
    AgentEngaged,
    AgentEvent,
    AgentReady,
    AgentSignedIn,
    AgentSignedOut,
    AgentState,
    CallbackChosen,
    CallerJoined,
    CallerLeft,
    GiveUp,
    GiveUpReason,
    Offer,
    OfferAccepted,
    OfferDeclined,
    OfferMissed,
    Place,
    QueueCommand,
    QueueEvent,
    TalkEnded,
)
from telephony.queue_line import Caller, QueueOptions, arrival
from telephony.queue_matching import agent_for, can_take
from telephony.queue_standing import Standing, standings
from telephony.queue_statistics import QueueStatistics
from telephony.queue_views import AgentView, CallerView, view_of_agent, view_of_caller
from telephony.transfer_events import Recovery, TimePassed

HANDLING_TIME_WEIGHT: Final = (
    0.1  # of the latest call in the average: follows within some ten calls
)

_Rule: TypeAlias = Callable[["CallQueue", QueueEvent, float], list[QueueCommand]]


class UnknownQueueError(LookupError):
    """We misused the machine: there is no queue of this name. Nothing has changed."""


class CallQueue:
    """All queues of the house; see the module's theory of operation."""

    def __init__(
        self,
        queues: Mapping[str, QueueOptions] | None = None,
        *,
        statistics: QueueStatistics | None = None,
    ) -> None:
        """Set up empty queues, by name; a main queue with the defaults if there are none.

        The first one's wrap-up time is also for conversations that came from no queue.

        Raises:
            UnknownQueueError: a queue overflows to one that is not there.
        """
        self.queues = dict(queues or {MAIN_QUEUE: QueueOptions()})
        self.statistics = statistics or QueueStatistics()
        for options in self.queues.values():
            if options.overflow_to is not None:
                self._options(options.overflow_to)
        self._pool = AgentPool(next(iter(self.queues.values())).wrap_up_s)
        self._callers: dict[str, Caller] = {}
        self._handling_time_s = {name: row.handling_time_s for name, row in self.queues.items()}
        self._joined = 0
        self._now_s = float("-inf")

    def receive(self, event: QueueEvent, now_s: float) -> tuple[QueueCommand, ...]:
        """Take one event and return the commands it causes, in order.

        Args:
            event: what happened.
            now_s: Unix time, in seconds.

        Raises:
            UnknownQueueError: CallerJoined names a queue that is not there; nothing has changed.
        """
        self._now_s = now_s = max(now_s, self._now_s)
        commands = self._RULES[type(event)](self, event, now_s)
        self._count_handled()
        offers = self._assign(now_s)
        return (*commands, *self._pool.take_shown(), *offers)

    @classmethod
    def transitions(cls) -> list[tuple[AgentState, str, str]]:
        """The agents' table as (state, event, rule), for the documents."""
        return AgentPool.transitions()

    # --- what can be asked ---

    def agents(self) -> list[AgentView]:
        """Everyone signed in, in the order of signing in."""
        return [view_of_agent(agent) for agent in self._pool]

    def callers(self, now_s: float) -> list[CallerView]:
        """Everyone in the queues, in the order in which they will be served."""
        stands = self._standings(self._in_line())
        everybody = sorted(self._callers.values(), key=lambda caller: caller.order)
        return [view_of_caller(caller, stands.get(caller.id), now_s) for caller in everybody]

    @property
    def length(self) -> int:
        """How many callers are on the line and not with an agent."""
        return sum(not each.talking and not each.absent for each in self._callers.values())

    def place(self, caller: str) -> Place | None:
        """The caller's place in line, to be kept; None: they have none."""
        found = self._callers.get(caller)
        return found.place if found is not None and not found.talking else None

    def is_open(self, queue: str, now_s: float) -> bool:
        """Whether the queue's opening hours are now.

        Raises:
            UnknownQueueError: there is no such queue.
        """
        return self._options(queue).opening_hours.is_open(datetime.fromtimestamp(now_s, UTC))

    # --- callers come and go ---

    def _join(self, event: QueueEvent, now_s: float) -> list[QueueCommand]:
        assert isinstance(event, CallerJoined)
        self._options(event.place.queue if event.place else event.queue)
        known = self._callers.get(event.caller)
        if known is not None and not known.talking:
            known.excluded |= event.excluded
            known.first = known.first or event.first
            return self._standing_offer(known)
        if known is not None:
            self._forget(known, now_s)
        self._free_holder(event.caller, now_s)
        self._joined += 1
        caller = arrival(event, number=self._joined, now_s=now_s)
        return self._enter(caller, caller.queue, now_s)

    def _standing_offer(self, caller: Caller) -> list[QueueCommand]:
        """The last offer may have reached whom it was for before they knew that they wait again."""
        if caller.agent is None or caller.agent in caller.excluded:
            return []
        return [Offer(caller=caller.id, agent=caller.agent, callback=caller.absent)]

    def _enter(self, caller: Caller, queue: str, now_s: float) -> list[QueueCommand]:
        options = self._options(queue)
        if caller.visited or caller.skill is None:  # what the first queue needed, the next does not
            caller.skill = options.skill
        caller.queue, caller.entered_s = queue, now_s
        caller.visited.add(queue)
        caller.next_announcement_s = now_s + options.announce_after_s
        caller.unserved_since_s = None
        self.statistics.offered(queue, now_s)
        reason = self._refusal(caller, now_s)
        if reason is not None:
            return self._turn_away(caller, reason, now_s)
        self._callers[caller.id] = caller
        return []

    def _refusal(self, caller: Caller, now_s: float) -> GiveUpReason | None:
        """Why the caller cannot wait here at all; who had a place already keeps it."""
        options = self._options(caller.queue)
        if not self._is_served(caller):
            return GiveUpReason.NOBODY_SIGNED_IN
        if caller.first or caller.absent or caller.joined_at_s < now_s:
            return None
        if not self.is_open(caller.queue, now_s):
            return GiveUpReason.CLOSED
        return GiveUpReason.FULL if self._length(caller.queue) >= options.max_length else None

    def _turn_away(self, caller: Caller, reason: GiveUpReason, now_s: float) -> list[QueueCommand]:
        """To the next queue if there is one, else out."""
        options, waited_s = self._options(caller.queue), now_s - caller.entered_s
        if options.overflow_to is not None and options.overflow_to not in caller.visited:
            self.statistics.overflowed(caller.queue, caller.entered_s, waited_s=waited_s)
            return self._enter(caller, options.overflow_to, now_s)
        self._callers.pop(caller.id, None)
        self.statistics.given_up(caller.queue, caller.entered_s, reason, waited_s=waited_s)
        recovery = options.recoveries.get(reason, Recovery.DIALOG)
        return [GiveUp(caller=caller.id, reason=reason, recovery=recovery)]

    def _leave(self, event: QueueEvent, now_s: float) -> list[QueueCommand]:
        assert isinstance(event, CallerLeft)
        caller = self._callers.get(event.caller)
        if caller is None:
            self._free_holder(event.caller, now_s)
            return []
        if not caller.talking and not caller.absent:
            hung_up = event.reason == "caller_hangup"
            count = self.statistics.abandoned if hung_up else self.statistics.redirected
            count(caller.queue, caller.entered_s, waited_s=now_s - caller.entered_s)
        self._forget(caller, now_s)
        return []

    def _forget(self, caller: Caller, now_s: float) -> None:
        del self._callers[caller.id]
        self._free_agent(caller, now_s)

    def _free_agent(self, caller: Caller, now_s: float) -> None:
        self._free_holder(caller.id, now_s)
        caller.agent = None

    def _free_holder(self, caller: str, now_s: float) -> None:
        agent = self._pool.holder(caller)
        if agent is not None:
            self._pool.caller_left(agent, now_s)

    def _keep_place(self, event: QueueEvent, now_s: float) -> list[QueueCommand]:
        assert isinstance(event, CallbackChosen)
        caller = self._callers.get(event.caller)
        if caller is None or caller.talking or caller.absent:
            return []
        waited_s = now_s - caller.entered_s
        self.statistics.redirected(caller.queue, caller.entered_s, waited_s=waited_s)
        self._free_agent(caller, now_s)
        caller.absent = True
        return []

    # --- agents come and go ---

    def _agent_changes(self, event: QueueEvent, now_s: float) -> list[QueueCommand]:
        self._pool.receive(_of_agent(event), now_s)
        return []

    def _engage(self, event: QueueEvent, now_s: float) -> list[QueueCommand]:
        """Past the queue; yet a caller who waits in it is offered to nobody else meanwhile."""
        assert isinstance(event, AgentEngaged)
        caller, agent = self._callers.get(event.caller), self._pool.get(event.agent)
        if self._pool.holder(event.caller) is not None:
            return []
        self._pool.receive(event, now_s)
        if caller is not None and agent is not None and agent.caller == caller.id:
            caller.agent = agent.id
        return []

    def _talk(self, event: QueueEvent, now_s: float) -> list[QueueCommand]:
        assert isinstance(event, OfferAccepted)
        caller = self._callers.get(event.caller)
        if caller is not None and caller.agent == event.agent and not caller.talking:
            caller.talking = True
            if not caller.absent:
                waited_s = now_s - caller.entered_s
                self.statistics.answered(caller.queue, caller.entered_s, waited_s=waited_s)
        return self._agent_changes(event, now_s)

    def _turned_down(self, event: QueueEvent, now_s: float) -> list[QueueCommand]:
        assert isinstance(event, OfferDeclined | OfferMissed)
        caller = self._callers.get(event.caller)
        if caller is not None and caller.agent == event.agent and not caller.talking:
            caller.agent = None
            caller.excluded.add(event.agent)
        return self._agent_changes(event, now_s)

    def _talk_ended(self, event: QueueEvent, now_s: float) -> list[QueueCommand]:
        assert isinstance(event, TalkEnded)
        agent = self._pool.get(event.agent)
        caller = self._callers.get(agent.caller or "") if agent else None
        if caller is not None and caller.talking:
            del self._callers[caller.id]
        return self._agent_changes(event, now_s)

    def _count_handled(self) -> None:
        for talk, handling in self._pool.take_handled():
            self.statistics.handled(talk.queue, talk.arrived_s, handling)
            average_s = self._handling_time_s[talk.queue]
            average_s += HANDLING_TIME_WEIGHT * (handling.total_s - average_s)
            self._handling_time_s[talk.queue] = average_s

    # --- who is rung for whom ---

    def _assign(self, now_s: float) -> list[QueueCommand]:
        ready = [agent for agent in self._pool if agent.state is AgentState.READY]
        offers: list[QueueCommand] = []
        for caller in self._in_line() if ready else ():
            if caller.absent and not self.is_open(caller.queue, now_s):
                continue  # nobody is called back at night
            agent = agent_for(
                caller,
                ready=ready,
                known=self._pool.get(caller.sticky_agent),
                options=self._options(caller.queue),
                now_s=now_s,
            )
            if agent is not None:
                ready.remove(agent)
                offers.append(self._offer(caller, agent, now_s))
            if not ready:
                break
        return offers

    def _offer(self, caller: Caller, agent: Agent, now_s: float) -> QueueCommand:
        caller.agent = agent.id
        talk = Conversation(
            queue=caller.queue,
            arrived_s=caller.entered_s,
            wrap_up_s=self._options(caller.queue).wrap_up_s,
        )
        self._pool.offer(agent, caller.id, talk, now_s)
        return Offer(caller=caller.id, agent=agent.id, callback=caller.absent)

    def _is_served(self, caller: Caller) -> bool:
        return any(can_take(agent, caller) for agent in self._pool)

    def _in_line(self) -> list[Caller]:
        waiting = (caller for caller in self._callers.values() if caller.is_waiting)
        return sorted(waiting, key=lambda caller: caller.order)

    def _length(self, queue: str) -> int:
        return sum(
            caller.queue == queue and not caller.talking and not caller.absent
            for caller in self._callers.values()
        )

    def _options(self, queue: str) -> QueueOptions:
        options = self.queues.get(queue)
        if options is None:
            known = ", ".join(sorted(self.queues))
            raise UnknownQueueError(f"no queue is called {queue!r}; there are: {known}")
        return options

    # --- time ---

    def _pass_time(self, event: QueueEvent, now_s: float) -> list[QueueCommand]:
        self._pool.check_wrap_ups(now_s)
        offers = self._assign(now_s)  # first: who is served now has not waited too long
        commands = [*self._pool.take_shown(), *offers]
        for caller in self._in_line():
            commands += self._check_patience(caller, now_s)
        return [*commands, *self._announce(now_s)]

    def _check_patience(self, caller: Caller, now_s: float) -> list[QueueCommand]:
        """Whether somebody who waits has waited here for too long, or in vain."""
        options = self._options(caller.queue)
        waited_s = now_s - caller.entered_s
        if self._is_served(caller):
            caller.unserved_since_s = None
        elif caller.unserved_since_s is None:
            caller.unserved_since_s = now_s
        if caller.absent:
            overdue = waited_s >= options.callback_within_s
            return self._turn_away(caller, GiveUpReason.WAITED_TOO_LONG, now_s) if overdue else []
        alone_since_s = caller.unserved_since_s
        if alone_since_s is not None and now_s - alone_since_s >= options.nobody_s:
            return self._turn_away(caller, GiveUpReason.NOBODY_SIGNED_IN, now_s)
        if waited_s >= self._patience_s(caller, options):
            return self._turn_away(caller, GiveUpReason.WAITED_TOO_LONG, now_s)
        return []

    def _patience_s(self, caller: Caller, options: QueueOptions) -> float:
        if options.overflow_after_s is None or options.overflow_to in (None, *caller.visited):
            return options.max_wait_s
        return min(options.overflow_after_s, options.max_wait_s)

    def _announce(self, now_s: float) -> list[QueueCommand]:
        return announcements(self._in_line(), self.queues, self._standings, now_s)

    def _standings(self, line: list[Caller]) -> dict[str, Standing]:
        return standings(line, self._pool, self._handling_time_s)

    _RULES: ClassVar[dict[type[QueueEvent], _Rule]] = {
        CallerJoined: _join,
        CallerLeft: _leave,
        CallbackChosen: _keep_place,
        AgentSignedIn: _agent_changes,
        AgentSignedOut: _agent_changes,
        AgentReady: _agent_changes,
        AgentAway: _agent_changes,
        AgentEngaged: _engage,
        OfferAccepted: _talk,
        OfferDeclined: _turned_down,
        OfferMissed: _turned_down,
        TalkEnded: _talk_ended,
        TimePassed: _pass_time,
    }


def _of_agent(event: QueueEvent) -> AgentEvent:
    assert not isinstance(event, CallerJoined | CallerLeft | CallbackChosen | TimePassed)
    return event
