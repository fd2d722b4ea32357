"""What must hold in the queue whatever agents and callers do, in any order, at any time."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from telephony.queue import CallQueue
from telephony.queue_events import (
    AgentAway,
    AgentEngaged,
    AgentReady,
    AgentSignedIn,
    AgentSignedOut,
    AgentState,
    AnnouncePosition,
    CallbackChosen,
    CallerJoined,
    CallerLeft,
    GiveUp,
    Offer,
    OfferAccepted,
    OfferCallback,
    OfferDeclined,
    OfferMissed,
    QueueCommand,
    QueueEvent,
    ShowAgentState,
    TalkEnded,
)
from telephony.queue_line import QueueOptions
from telephony.transfer_events import TimePassed

AGENTS = st.sampled_from(["ada", "ben", "cleo"])
CALLERS = st.sampled_from([f"caller{number}" for number in range(6)])
SKILLS = st.sampled_from([None, "billing", "orders"])
STEPS_S = st.floats(min_value=0.0, max_value=40.0)
NOON_S = 1_767_700_800.0


class AnyDay(RuleBasedStateMachine):
    """Two queues, three agents and six callers, under random events."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = CallQueue(
            {
                "main": QueueOptions(max_length=4, max_wait_s=120.0, overflow_to="spare"),
                "spare": QueueOptions(skill="orders", max_wait_s=60.0, callback_after_s=20.0),
            }
        )
        self.now_s = NOON_S
        self.here: set[str] = set()  # callers who are the queue's business
        self.talking: dict[str, str] = {}  # caller: agent
        self.agents: dict[str, AgentState] = {}

    def tell(self, event: QueueEvent) -> None:
        for command in self.queue.receive(event, self.now_s):
            self.obey(command)

    def obey(self, command: QueueCommand) -> None:
        match command:
            case Offer(caller=caller, agent=agent):
                assert caller in self.here, "offered somebody who is not waiting"
                assert caller not in self.talking
                assert self.agents[agent] is AgentState.OFFERED
            case GiveUp(caller=caller):
                assert caller in self.here
                self.here.remove(caller)
            case AnnouncePosition(caller=caller, position=position):
                assert caller in self.here
                assert position >= 1
            case OfferCallback(caller=caller):
                assert caller in self.here
            case ShowAgentState(agent=agent, state=state):
                assert self.agents.get(agent) is not state or state is AgentState.AWAY
                self.agents[agent] = state

    def agent_of(self, caller: str) -> str | None:
        return next((agent.agent for agent in self.queue.agents() if agent.caller == caller), None)

    @rule(agent=AGENTS, skills=st.sets(SKILLS.filter(bool)))
    def signs_in(self, agent: str, skills: set[str]) -> None:
        self.tell(AgentSignedIn(agent=agent, skills=dict.fromkeys(skills, 1)))
        self.tell(AgentReady(agent=agent))

    @rule(agent=AGENTS)
    def signs_out(self, agent: str) -> None:
        self.tell(AgentSignedOut(agent=agent))

    @rule(agent=AGENTS, ready=st.booleans())
    def says_whether_ready(self, agent: str, ready: bool) -> None:
        self.tell(AgentReady(agent=agent) if ready else AgentAway(agent=agent, reason="lunch"))

    @rule(
        caller=CALLERS,
        queue=st.sampled_from(["main", "spare"]),
        skill=SKILLS,
        priority=st.integers(min_value=0, max_value=2),
        sticky=st.one_of(st.none(), AGENTS),
        excluded=st.frozensets(AGENTS, max_size=1),
        first=st.booleans(),
    )
    def joins(
        self,
        caller: str,
        queue: str,
        skill: str | None,
        priority: int,
        sticky: str | None,
        excluded: frozenset[str],
        first: bool,
    ) -> None:
        self.here.add(caller)
        self.talking.pop(caller, None)
        self.tell(
            CallerJoined(
                caller=caller,
                queue=queue,
                skill=skill,
                priority=priority,
                sticky_agent=sticky,
                excluded=excluded,
                first=first,
            )
        )

    @rule(caller=CALLERS)
    def leaves(self, caller: str) -> None:
        self.here.discard(caller)
        self.talking.pop(caller, None)
        self.tell(CallerLeft(caller=caller))
        assert self.agent_of(caller) is None

    @rule(caller=CALLERS)
    def keeps_the_place(self, caller: str) -> None:
        self.tell(CallbackChosen(caller=caller))

    @rule(agent=AGENTS, caller=CALLERS)
    def is_named(self, agent: str, caller: str) -> None:
        self.tell(AgentEngaged(agent=agent, caller=caller))

    @rule(agent=AGENTS, caller=CALLERS, outcome=st.sampled_from(["accept", "decline", "miss"]))
    def answers_some_offer(self, agent: str, caller: str, outcome: str) -> None:
        """Perhaps one that was never made, or is withdrawn by now."""
        offered = self.agents.get(agent) is AgentState.OFFERED
        if outcome == "accept":
            if offered and self.agent_of(caller) == agent and caller in self.here:
                self.talking[caller] = agent
            self.tell(OfferAccepted(agent=agent, caller=caller))
        elif outcome == "decline":
            self.tell(OfferDeclined(agent=agent, caller=caller))
        else:
            self.tell(OfferMissed(agent=agent, caller=caller))

    @precondition(lambda self: any(agent.caller for agent in self.queue.agents()))
    @rule(data=st.data(), outcome=st.sampled_from(["accept", "decline", "miss"]))
    def answers_the_offer(self, data: st.DataObject, outcome: str) -> None:
        agents = [agent for agent in self.queue.agents() if agent.caller is not None]
        agent = data.draw(st.sampled_from(agents))
        self.answers_some_offer(agent.agent, agent.caller or "", outcome)

    @rule(agent=AGENTS, held_s=STEPS_S)
    def hangs_up(self, agent: str, held_s: float) -> None:
        for caller in [name for name, other in self.talking.items() if other == agent]:
            del self.talking[caller]
            self.here.discard(caller)
        self.tell(TalkEnded(agent=agent, held_s=held_s))

    @rule(step_s=STEPS_S)
    def time_passes(self, step_s: float) -> None:
        self.now_s += step_s
        self.tell(TimePassed())

    @invariant()
    def no_caller_is_lost(self) -> None:
        assert {view.caller for view in self.queue.callers(self.now_s)} == self.here

    @invariant()
    def no_caller_has_two_agents_and_no_agent_two_callers(self) -> None:
        held = [agent.caller for agent in self.queue.agents() if agent.caller is not None]
        assert len(held) == len(set(held))
        for view in self.queue.callers(self.now_s):
            assert view.agent == self.agent_of(view.caller)
        for agent in self.queue.agents():
            on_a_call = agent.state in (AgentState.OFFERED, AgentState.TALKING)
            assert on_a_call == (agent.caller is not None)

    @invariant()
    def everybody_is_shown_what_agents_do(self) -> None:
        signed_in = {view.agent: view.state for view in self.queue.agents()}
        for agent, state in self.agents.items():
            assert signed_in.get(agent, AgentState.SIGNED_OUT) is state

    @invariant()
    def nobody_ready_idles_while_somebody_waits_whom_they_could_take(self) -> None:
        """A second look changes nothing: every offer that can be made has been made."""
        again = self.queue.receive(AgentReady(agent="nobody"), self.now_s)
        assert again == ()

    def teardown(self) -> None:
        """Whoever is not talking has been given up in the end, when nobody works."""
        for agent in ("ada", "ben", "cleo"):
            for caller in [view.caller for view in self.queue.callers(self.now_s)]:
                self.tell(OfferMissed(agent=agent, caller=caller))
            self.signs_out(agent)
            self.hangs_up(agent, 0.0)
        for _ in range(6):
            self.now_s += 4 * 86_400.0
            self.tell(TimePassed())
        assert not self.here


AnyDay.TestCase.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)
TestAnyDay = AnyDay.TestCase


class OneLine(RuleBasedStateMachine):
    """Callers who need the same, agents who can all take them."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = CallQueue({"main": QueueOptions(wrap_up_s=0.0, max_wait_s=1e9)})
        self.now_s = NOON_S
        self.line: list[tuple[int, int, str]] = []  # (-priority, order, caller), as they wait
        self.idle: dict[str, float] = {}
        self.busy: dict[str, str] = {}
        self.joined = 0
        for agent in ("ada", "ben", "cleo"):
            self.now_s += 1.0
            self.tell(AgentSignedIn(agent=agent, skills={}))
            self.tell(AgentReady(agent=agent))

    def tell(self, event: QueueEvent) -> None:
        for command in self.queue.receive(event, self.now_s):
            if isinstance(command, ShowAgentState):
                if command.state is AgentState.READY:
                    self.idle[command.agent] = self.now_s
            elif isinstance(command, Offer):
                assert command.caller == min(self.line)[2], "somebody was before them"
                assert command.agent == min(self.idle, key=lambda agent: self.idle[agent])
                self.line.remove(min(self.line))
                del self.idle[command.agent]
                self.busy[command.agent] = command.caller

    @rule(priority=st.integers(min_value=0, max_value=1))
    def joins(self, priority: int) -> None:
        self.now_s += 1.0
        self.joined += 1
        caller = f"caller{self.joined}"
        self.line.append((-priority, self.joined, caller))
        self.tell(CallerJoined(caller=caller, priority=priority))

    @precondition(lambda self: self.busy)
    @rule(data=st.data())
    def is_served(self, data: st.DataObject) -> None:
        self.now_s += 1.0
        agent = data.draw(st.sampled_from(sorted(self.busy)))
        caller = self.busy.pop(agent)
        self.tell(OfferAccepted(agent=agent, caller=caller))
        self.tell(TalkEnded(agent=agent))

    @invariant()
    def nobody_waits_while_an_agent_idles(self) -> None:
        assert not (self.line and self.idle)


OneLine.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestOneLine = OneLine.TestCase
