"""Which agent is rung for a caller: able, known to them, best at it, idle longest."""

from collections.abc import Iterable

from telephony.queue_agents import Agent
from telephony.queue_events import AgentState
from telephony.queue_line import Caller, QueueOptions


def can_take(agent: Agent, caller: Caller) -> bool:
    """Whether the agent is one for this caller, whatever they are doing now."""
    return agent.id not in caller.excluded and agent.can_take(
        skill=caller.skill, language=caller.language
    )


def agent_for(
    caller: Caller,
    *,
    ready: Iterable[Agent],
    known: Agent | None,
    options: QueueOptions,
    now_s: float,
) -> Agent | None:
    """The agent to ring now; None: nobody, or it is worth waiting a little for `known`.

    Args:
        caller: somebody who waits.
        ready: the agents who could be rung at once.
        known: the agent whom the caller knows, if they are signed in.
        options: of the caller's queue.
        now_s: Unix time.
    """
    if known is not None and can_take(known, caller):
        if known.state is AgentState.READY:
            return known
        if known.is_busy_for_now and now_s - caller.entered_s < options.sticky_wait_s:
            return None

    def rank(agent: Agent) -> tuple[int, float, int]:
        by_level = options.best_skill_first and caller.skill is not None
        level = agent.skills.get(caller.skill or "", 0) if by_level else 0
        return (-level, agent.idle_since_s, agent.number)

    return min((agent for agent in ready if can_take(agent, caller)), key=rank, default=None)
