"""Where waiting callers stand: their position, and how long it will be by recent calls."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from telephony.queue_agents import Agent
from telephony.queue_line import Caller
from telephony.queue_matching import can_take


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Position 1 is next; no estimate when nobody is at work who could take the caller."""

    position: int
    estimated_wait_s: float | None


def standings(
    line: Sequence[Caller], agents: Iterable[Agent], handling_time_s: Mapping[str, float]
) -> dict[str, Standing]:
    """How everybody stands, by caller.

    A position counts those who need the same skill. Each agent at work takes one of them every
    handling time.

    Args:
        line: all who wait, in the order in which they will be served.
        agents: everyone signed in.
        handling_time_s: by queue, the average of recent calls.
    """
    at_work = [agent for agent in agents if agent.is_staffed]
    staffed: dict[tuple[str | None, str | None, frozenset[str]], int] = {}
    ahead: Counter[str | None] = Counter()
    found: dict[str, Standing] = {}
    for caller in line:
        ahead[caller.skill] += 1
        needs = (caller.skill, caller.language, frozenset(caller.excluded))
        if needs not in staffed:  # a long line needs few different things
            staffed[needs] = sum(can_take(agent, caller) for agent in at_work)
        position, count = ahead[caller.skill], staffed[needs]
        wait_s = position * handling_time_s[caller.queue] / count if count else None
        found[caller.id] = Standing(position=position, estimated_wait_s=wait_s)
    return found
