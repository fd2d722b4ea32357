"""The agents of the queue: who is there, what each is doing, and who is next to be rung.

Theory of operation. The table says what every agent event does in every state of an agent; an event
that is not in it means nothing there. What an agent asks for while they are rung or talk is kept in
`then` until the call is over: going away, being ready at once, or signing out.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import ClassVar, Final, TypeAlias

from telephony.queue_events import (
    AgentAway,
    AgentEngaged,
    AgentEvent,
    AgentReady,
    AgentSignedIn,
    AgentSignedOut,
    AgentState,
    OfferAccepted,
    OfferDeclined,
    OfferMissed,
    QueueCommand,
    ShowAgentState,
    TalkEnded,
)
from telephony.queue_statistics import Handling

NOT_ANSWERING: Final = "not_answering"

_SIGNED_IN: Final = tuple(state for state in AgentState if state is not AgentState.SIGNED_OUT)
_BUSY: Final = (AgentState.OFFERED, AgentState.TALKING, AgentState.WRAP_UP)
_Rule: TypeAlias = Callable[["AgentPool", "Agent", AgentEvent, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Whose statistics a conversation belongs to."""

    queue: str
    arrived_s: float  # Unix time
    wrap_up_s: float  # how long the queue gives the agent


@dataclass(slots=True, kw_only=True, eq=False)
class Agent:
    """One agent who is signed in; times are Unix time, in seconds."""

    id: str
    number: int  # order of signing in, for whoever is idle equally long
    skills: Mapping[str, int]
    languages: frozenset[str]
    wrap_up_s: float | None
    state: AgentState = AgentState.AWAY
    reason: str | None = None  # why they are away; None: they have not said
    since_s: float = 0.0  # in this state
    idle_since_s: float = 0.0
    caller: str | None = None  # offered, or being talked to
    conversation: Conversation | None = None  # None: not from a queue
    talk: Handling | None = None  # the conversation before its wrap-up
    wrap_up_until_s: float = 0.0
    then: AgentReady | AgentAway | AgentSignedOut | None = None

    def can_take(self, *, skill: str | None, language: str | None) -> bool:
        """Whether the agent is one for such a caller, whatever they are doing now."""
        if isinstance(self.then, AgentSignedOut) or (
            skill is not None and skill not in self.skills
        ):
            return False
        return (
            language is None
            or not self.languages
            or _primary(language) in {_primary(tag) for tag in self.languages}
        )

    @property
    def is_staffed(self) -> bool:
        """Working on calls, or ready to: what waiting times are estimated by."""
        return self.state is AgentState.READY or self.state in _BUSY

    @property
    def is_busy_for_now(self) -> bool:
        """Will be ready again once this call is done."""
        return self.state in _BUSY and not isinstance(self.then, AgentAway | AgentSignedOut)


def _primary(tag: str) -> str:
    """The language of a BCP 47 tag: who speaks en-GB is understood in en-US."""
    return tag.partition("-")[0].lower()


@dataclass(slots=True)
class AgentPool:
    """Everyone who is signed in; see the module's theory of operation.

    Changes of state and finished conversations gather until they are taken.

    wrap_up_s: after conversations that came from no queue.
    """

    wrap_up_s: float
    _agents: dict[str, Agent] = field(default_factory=dict[str, Agent])
    _signed_in: int = 0
    _shown: list[QueueCommand] = field(default_factory=list[QueueCommand])
    _handled: list[tuple[Conversation, Handling]] = field(
        default_factory=list[tuple[Conversation, Handling]]
    )

    def __iter__(self) -> Iterator[Agent]:
        return iter(self._agents.values())

    def get(self, agent: str | None) -> Agent | None:
        return None if agent is None else self._agents.get(agent)

    def holder(self, caller: str) -> Agent | None:
        """Who is offered this caller, or talks to them."""
        return next((agent for agent in self if agent.caller == caller), None)

    def receive(self, event: AgentEvent, now_s: float) -> None:
        """Take one event; what it does not fit is ignored."""
        agent = self._agents.get(event.agent)
        if agent is None:
            if isinstance(event, AgentSignedIn):
                self._sign_in(event, now_s)
            return
        rule = self._TABLE.get((agent.state, type(event)))
        if rule is not None:
            rule(self, agent, event, now_s)

    @classmethod
    def transitions(cls) -> list[tuple[AgentState, str, str]]:
        """The table as (state, event, rule), for the documents."""
        rows = [
            (state, event.__name__, rule.__name__.removeprefix("_"))
            for (state, event), rule in cls._TABLE.items()
        ]
        return [(AgentState.SIGNED_OUT, "AgentSignedIn", "sign_in"), *rows]

    def offer(self, agent: Agent, caller: str, conversation: Conversation, now_s: float) -> None:
        """Ring the agent, who is ready, for a caller."""
        agent.caller, agent.conversation = caller, conversation
        self._enter(agent, AgentState.OFFERED, now_s)

    def caller_left(self, agent: Agent, now_s: float) -> None:
        """The caller is gone: who was only rung is idle as long as before, else they wrap up."""
        if agent.state is AgentState.TALKING:
            self._wrap_up(agent, TalkEnded(agent=agent.id), now_s)
        elif agent.state is AgentState.OFFERED:
            self._move_on(agent, now_s, idle_since_s=agent.idle_since_s)

    def check_wrap_ups(self, now_s: float) -> None:
        for agent in list(self):
            if agent.state is AgentState.WRAP_UP and now_s >= agent.wrap_up_until_s:
                self._end_wrap_up(agent, now_s)

    def take_shown(self) -> list[QueueCommand]:
        """The changes of state since the last time."""
        shown, self._shown = self._shown, []
        return shown

    def take_handled(self) -> list[tuple[Conversation, Handling]]:
        """The conversations of a queue that ended, wrap-up included, since the last time."""
        handled, self._handled = self._handled, []
        return handled

    # --- steps that several rules share ---

    def _enter(
        self, agent: Agent, state: AgentState, now_s: float, reason: str | None = None
    ) -> None:
        agent.state, agent.reason, agent.since_s = state, reason, now_s
        self._shown.append(ShowAgentState(agent=agent.id, state=state, reason=reason))

    def _move_on(self, agent: Agent, now_s: float, *, idle_since_s: float | None = None) -> None:
        """The call is over: do what was asked for during it, else be ready."""
        agent.caller, agent.conversation = None, None
        then, agent.then = agent.then, None
        match then:
            case AgentSignedOut():
                self._sign_out(agent, then, now_s)
            case AgentAway(reason=reason):
                self._enter(agent, AgentState.AWAY, now_s, reason)
            case _:
                agent.idle_since_s = now_s if idle_since_s is None else idle_since_s
                self._enter(agent, AgentState.READY, now_s)

    def _end_wrap_up(self, agent: Agent, now_s: float) -> None:
        if agent.conversation is not None and agent.talk is not None:
            talk = agent.talk
            handling = Handling(
                talk_s=talk.talk_s, held_s=talk.held_s, wrap_up_s=now_s - agent.since_s
            )
            self._handled.append((agent.conversation, handling))
        agent.talk = None
        self._move_on(agent, now_s)

    # --- rules, named by what they decide ---

    def _sign_in(self, event: AgentSignedIn, now_s: float) -> None:
        self._signed_in += 1
        agent = Agent(
            id=event.agent,
            number=self._signed_in,
            skills=event.skills,
            languages=event.languages,
            wrap_up_s=event.wrap_up_s,
        )
        self._agents[agent.id] = agent
        self._enter(agent, AgentState.AWAY, now_s)

    def _learn(self, agent: Agent, event: AgentEvent, now_s: float) -> None:
        """Signed in again: what they can do may have changed, and they are not leaving any more."""
        assert isinstance(event, AgentSignedIn)
        agent.skills, agent.languages = event.skills, event.languages
        agent.wrap_up_s = event.wrap_up_s
        if isinstance(agent.then, AgentSignedOut):
            agent.then = None

    def _sign_out(self, agent: Agent, event: AgentEvent, now_s: float) -> None:
        del self._agents[agent.id]
        self._enter(agent, AgentState.SIGNED_OUT, now_s)

    def _sign_out_unfinished(self, agent: Agent, event: AgentEvent, now_s: float) -> None:
        assert isinstance(event, AgentSignedOut)
        agent.then = event
        self._end_wrap_up(agent, now_s)

    def _stay(self, agent: Agent, event: AgentEvent, now_s: float) -> None:
        """Ready while being rung: nothing else is wanted of the time after the call."""
        agent.then = None

    def _do_afterwards(self, agent: Agent, event: AgentEvent, now_s: float) -> None:
        assert isinstance(event, AgentReady | AgentAway | AgentSignedOut)
        agent.then = event

    def _be_ready(self, agent: Agent, event: AgentEvent, now_s: float) -> None:
        self._move_on(agent, now_s)

    def _finish_notes(self, agent: Agent, event: AgentEvent, now_s: float) -> None:
        agent.then = None
        self._end_wrap_up(agent, now_s)

    def _go_away(self, agent: Agent, event: AgentEvent, now_s: float) -> None:
        assert isinstance(event, AgentAway)
        self._enter(agent, AgentState.AWAY, now_s, event.reason)

    def _go_away_unfinished(self, agent: Agent, event: AgentEvent, now_s: float) -> None:
        assert isinstance(event, AgentAway)
        agent.then = event
        self._end_wrap_up(agent, now_s)

    def _ring(self, agent: Agent, event: AgentEvent, now_s: float) -> None:
        """Past the queue: whoever was away is away again afterwards."""
        assert isinstance(event, AgentEngaged)
        then, agent.then = agent.then, None
        if agent.state is AgentState.AWAY:
            then = AgentAway(agent=agent.id, reason=agent.reason or "")
        elif agent.state is AgentState.WRAP_UP:
            self._end_wrap_up(agent, now_s)
        agent.then = then
        agent.caller, agent.conversation = event.caller, None
        self._enter(agent, AgentState.OFFERED, now_s)

    def _talk(self, agent: Agent, event: AgentEvent, now_s: float) -> None:
        assert isinstance(event, OfferAccepted)
        if agent.caller == event.caller:
            self._enter(agent, AgentState.TALKING, now_s)

    def _decline(self, agent: Agent, event: AgentEvent, now_s: float) -> None:
        assert isinstance(event, OfferDeclined)
        if agent.caller == event.caller:
            self._move_on(agent, now_s)

    def _miss(self, agent: Agent, event: AgentEvent, now_s: float) -> None:
        """Who does not answer is not rung again until they say that they are there."""
        assert isinstance(event, OfferMissed)
        if agent.caller != event.caller:
            return
        if not isinstance(agent.then, AgentSignedOut | AgentAway):
            agent.then = AgentAway(agent=agent.id, reason=NOT_ANSWERING)
        self._move_on(agent, now_s)

    def _wrap_up(self, agent: Agent, event: AgentEvent, now_s: float) -> None:
        assert isinstance(event, TalkEnded)
        lasted_s = now_s - agent.since_s
        held_s = min(max(event.held_s, 0.0), lasted_s)
        agent.talk = Handling(talk_s=lasted_s - held_s, held_s=held_s, wrap_up_s=0.0)
        agent.caller = None
        given_s = agent.conversation.wrap_up_s if agent.conversation else self.wrap_up_s
        given_s = given_s if agent.wrap_up_s is None else agent.wrap_up_s
        agent.wrap_up_until_s = now_s + given_s
        self._enter(agent, AgentState.WRAP_UP, now_s)
        if isinstance(agent.then, AgentReady | AgentSignedOut) or given_s <= 0:
            self._end_wrap_up(agent, now_s)

    _TABLE: ClassVar[dict[tuple[AgentState, type[AgentEvent]], _Rule]] = {
        **dict.fromkeys(product(_SIGNED_IN, [AgentSignedIn]), _learn),
        (AgentState.AWAY, AgentReady): _be_ready,
        (AgentState.AWAY, AgentAway): _go_away,
        (AgentState.AWAY, AgentEngaged): _ring,
        (AgentState.AWAY, AgentSignedOut): _sign_out,
        (AgentState.READY, AgentAway): _go_away,
        (AgentState.READY, AgentEngaged): _ring,
        (AgentState.READY, AgentSignedOut): _sign_out,
        (AgentState.OFFERED, OfferAccepted): _talk,
        (AgentState.OFFERED, OfferDeclined): _decline,
        (AgentState.OFFERED, OfferMissed): _miss,
        (AgentState.OFFERED, AgentReady): _stay,
        (AgentState.OFFERED, AgentAway): _do_afterwards,
        (AgentState.OFFERED, AgentSignedOut): _do_afterwards,
        (AgentState.TALKING, TalkEnded): _wrap_up,
        (AgentState.TALKING, AgentReady): _do_afterwards,
        (AgentState.TALKING, AgentAway): _do_afterwards,
        (AgentState.TALKING, AgentSignedOut): _do_afterwards,
        (AgentState.WRAP_UP, AgentReady): _finish_notes,
        (AgentState.WRAP_UP, AgentAway): _go_away_unfinished,
        (AgentState.WRAP_UP, AgentEngaged): _ring,
        (AgentState.WRAP_UP, AgentSignedOut): _sign_out_unfinished,
    }  # fmt: skip
