"""What the person who takes a call over will probably want to do first."""

from collections.abc import Sequence
from typing import Final

from dialog.standing import Standing
from server.handoff.context import ActionFact

_MOST: Final = 4  # more is a manual, and nobody reads one while a caller waits


def next_steps(standing: Standing, actions: Sequence[ActionFact]) -> tuple[str, ...]:
    """Up to four steps, the most urgent first."""
    return tuple((*_settle(actions), *_identify(standing), *_do(standing, actions)))[:_MOST]


def _settle(actions: Sequence[ActionFact]) -> list[str]:
    """What a back end left open, or refused."""
    steps: list[str] = []
    for each in actions:
        match each.status:
            case "unknown":
                steps.append(
                    f"Check whether this went through before doing it again: {each.detail}"
                )
            case "running":
                steps.append(f"Wait for this to end: {each.detail}")
            case "pending":
                steps.append(f"Have this approved or refused: {each.detail}")
            case "refused":
                steps.append(f"Explain why this was refused: {each.detail}")
            case "unavailable":
                steps.append(f"Try this again: {each.detail}")
            case _:
                pass
    return steps


def _identify(standing: Standing) -> list[str]:
    must = standing.verifiable and not standing.verified and standing.task is not None
    return ["Make sure who they are: nothing was verified."] if must else []


def _do(standing: Standing, actions: Sequence[ActionFact]) -> list[str]:
    if standing.task is None:
        return ["Ask what they need."]
    missing = [f"Ask for the {spoken_name(name)}." for name in standing.missing]
    unsure = [
        f"Confirm the {spoken_name(slot.name)}: {slot.value}."
        for slot in standing.slots
        if not slot.known_right
    ]
    done = any(each.status == "succeeded" for each in actions)
    finish = [] if missing or done else [f"Finish this: {standing.task}."]
    return [*missing, *unsure, *finish]


def spoken_name(name: str) -> str:
    """A name of a flow as people say it: "order number"."""
    return name.replace("_", " ")
