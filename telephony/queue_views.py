"""What desks and supervisors see of the queue: plain facts, for whoever shows them."""

from collections.abc import Mapping
from dataclasses import dataclass

from telephony.queue_agents import Agent
from telephony.queue_events import AgentState
from telephony.queue_line import Caller
from telephony.queue_standing import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """An agent who is signed in."""

    agent: str
    state: AgentState
    reason: str | None  # why they are away
    since_s: float  # Unix time
    caller: str | None
    skills: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerView:
    """A caller in the queue."""

    caller: str
    queue: str
    skill: str | None
    position: int | None  # None: not waiting
    waited_s: float
    estimated_wait_s: float | None
    agent: str | None  # offered to, or talking to
    callback: bool


def view_of_agent(agent: Agent) -> AgentView:
    """The agent as they are now."""
    return AgentView(
        agent=agent.id,
        state=agent.state,
        reason=agent.reason,
        since_s=agent.since_s,
        caller=agent.caller,
        skills=agent.skills,
    )


def view_of_caller(caller: Caller, standing: Standing | None, now_s: float) -> CallerView:
    """The caller as they are now; `standing` is theirs if they wait."""
    return CallerView(
        caller=caller.id,
        queue=caller.queue,
        skill=caller.skill,
        position=standing.position if standing else None,
        waited_s=max(now_s - caller.joined_at_s, 0.0),
        estimated_wait_s=standing.estimated_wait_s if standing else None,
        agent=caller.agent,
        callback=caller.absent,
    )
