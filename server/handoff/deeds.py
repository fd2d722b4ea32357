"""What was asked of back ends, in words for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dialog.names import render
from server.approvals import AWAITS_APPROVAL
from server.handoff.context import ActionFact
from server.handoff.next_steps import spoken_name
from server.handoff.story import Deed
from voice.events import PerformAction


def facts_of(deeds: Sequence[Deed], says: Mapping[str, str]) -> Iterator[ActionFact]:
    """What was asked of the back end; a look-up that went well is no news.

    Args:
        says: what each action does, by name, with its arguments in {braces}; look-ups have none.
    """
    for deed in deeds:
        status = _status(deed)
        looked_up = deed.action.name not in says
        if not (looked_up and status == "succeeded"):
            yield ActionFact(name=deed.action.name, status=status, detail=_detail(deed, says))


def described(action: PerformAction, says: Mapping[str, str]) -> str:
    """What the action does, or would do."""
    template = says.get(action.name)
    return render(template, action.arguments.get) if template else _generic(action)


def _status(deed: Deed) -> str:
    if deed.outcome is None:
        return "running"
    pending = deed.outcome.result.get("code") == AWAITS_APPROVAL
    return "pending" if pending else deed.outcome.status.value


def _detail(deed: Deed, says: Mapping[str, str]) -> str:
    does = described(deed.action, says)
    if _status(deed) == "pending":
        return does
    why = deed.outcome and (deed.outcome.error or deed.outcome.result.get("code"))
    return f"{does} ({spoken_name(str(why))})" if why else does


def _generic(action: PerformAction) -> str:
    told = ", ".join(f"{spoken_name(key)} {value}" for key, value in _simple(action.arguments))
    return f"{spoken_name(action.name)}: {told}" if told else spoken_name(action.name)


def _simple(arguments: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(key, each) for key, each in arguments.items() if isinstance(each, str | int | float)]
