"""Who is signed in, whether they take calls, and where: pure.

What an agent *chose* (ready, or away and why) and what they are *engaged* in (ringing, a call, its
wrap-up) are kept apart, and their presence follows from both: whoever chooses "away" during a call
is away once that call is wrapped up, and nothing has to be remembered elsewhere.

    ringing or talking → that, whether their page is there or is being waited for;
    not reachable → offline;  in wrap-up → that;  otherwise what they chose → ready, away
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

# Reasons to be away that nobody chose; the page has words for them.
NOT_READY_YET: Final = "not_ready_yet"  # they have only just signed in
WINDOW_CLOSED: Final = "window_closed"  # their page was gone for long
SET_BY_SUPERVISOR: Final = "set_by_supervisor"  # they forgot


class Presence(StrEnum):
    READY = "ready"  # takes the next caller
    AWAY = "away"  # signed in, takes nobody
    RINGING = "ringing"  # a caller is offered to them
    TALKING = "talking"  # with a caller, from answering to the end
    WRAP_UP = "wrap_up"  # finishes notes and disposition
    OFFLINE = "offline"  # cannot be reached


class Engagement(StrEnum):
    """What keeps an agent from the next caller, in the words of Presence."""

    RINGING = "ringing"
    TALKING = "talking"
    WRAP_UP = "wrap_up"


class Reach(StrEnum):
    """Where an agent takes calls."""

    DESK = "desk"  # in the browser that shows the desk
    PHONE = "phone"  # on the SIP phone of their extension


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentProfile:
    """Who an agent is, as their account says."""

    id: str
    name: str
    skills: Mapping[str, int] = field(default_factory=dict[str, int])  # how well: more is better
    languages: tuple[str, ...] = ()
    extension: str | None = None  # of their SIP phone; None: they have none
    may_approve: bool = False  # let an action go on that waits for a person


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentState:
    """One agent at one moment."""

    profile: AgentProfile
    ready: bool = False  # their choice; away otherwise
    away_reason: str | None = NOT_READY_YET
    engaged: Engagement | None = None
    reach: Reach = Reach.DESK
    desk_connected: bool = False
    phone_registered: bool = False
    since_s: float = field(default=0.0, compare=False)  # when the presence became what it is

    @property
    def reachable(self) -> bool:
        return self.desk_connected if self.reach is Reach.DESK else self.phone_registered

    @property
    def presence(self) -> Presence:
        if not self.reachable and self.engaged in (None, Engagement.WRAP_UP):
            return Presence.OFFLINE
        if self.engaged is not None:
            return Presence(self.engaged.value)
        return Presence.READY if self.ready else Presence.AWAY


class UnknownAgentError(LookupError):
    """Nobody of this id has signed in."""


def _ignore(agent_id: str, presence: Presence) -> None:
    pass


class AgentDirectory:
    """Every agent who signed in since the start; the one place that knows their presence.

    `on_presence` is told of a presence that changed, `on_change` of anything that did, both at
    once and in the order they happened. They must not change the directory.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.on_presence: Callable[[str, Presence], None] = _ignore
        self.on_change: Callable[[AgentState], None] = lambda _state: None
        self._clock = clock
        self._agents: dict[str, AgentState] = {}

    def sign_in(self, profile: AgentProfile) -> AgentState:
        """Enter an agent, or renew what is known of them; their choice and calls stay."""
        known = self._agents.get(profile.id)
        if known is None:
            known = AgentState(profile=profile, since_s=self._clock())
            self._agents[profile.id] = known
        return self._put(replace(known, profile=profile))

    def agents(self) -> Sequence[AgentState]:
        """By name."""
        return sorted(self._agents.values(), key=lambda agent: agent.profile.name.casefold())

    def get(self, agent_id: str) -> AgentState:
        """
        Raises:
            UnknownAgentError
        """
        try:
            return self._agents[agent_id]
        except KeyError:
            raise UnknownAgentError(f"no agent {agent_id!r} has signed in") from None

    def choose_ready(self, agent_id: str) -> AgentState:
        return self._put(replace(self.get(agent_id), ready=True, away_reason=None))

    def choose_away(self, agent_id: str, reason: str | None) -> AgentState:
        return self._put(replace(self.get(agent_id), ready=False, away_reason=reason))

    def choose_reach(self, agent_id: str, reach: Reach) -> AgentState:
        """
        Raises:
            UnknownAgentError
            ValueError: a phone was chosen, and the agent has none.
        """
        agent = self.get(agent_id)
        if reach is Reach.PHONE and agent.profile.extension is None:
            raise ValueError("there is no extension in this agent's account")
        return self._put(replace(agent, reach=reach))

    def engage(self, agent_id: str, engaged: Engagement | None) -> AgentState:
        """Ringing, talking, wrapping up; None: free for what they chose."""
        return self._put(replace(self.get(agent_id), engaged=engaged))

    def desk_connected(self, agent_id: str, connected: bool) -> AgentState:
        return self._put(replace(self.get(agent_id), desk_connected=connected))

    def phone_registered(self, agent_id: str, registered: bool) -> AgentState:
        return self._put(replace(self.get(agent_id), phone_registered=registered))

    def _put(self, agent: AgentState) -> AgentState:
        before = self._agents[agent.profile.id]
        if agent == before:
            return before
        moved = agent.presence is not before.presence
        if moved:
            agent = replace(agent, since_s=self._clock())
        self._agents[agent.profile.id] = agent
        if moved:
            self.on_presence(agent.profile.id, agent.presence)
        self.on_change(agent)
        return agent
