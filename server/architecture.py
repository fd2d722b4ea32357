"""Writes the state tables into ARCHITECTURE.md from the code, between markers.

python -m server.architecture      after a change to a table; a test says when it is due
"""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

from telephony.queue import CallQueue
from telephony.queue_events import AgentState
from telephony.sip.transaction import TRANSITIONS, Action, State, Timer, Trigger
from telephony.transfer import Transfer, TransferState
from voice.floor import Floor
from voice.turn import TurnMachine

StateT = TypeVar("StateT", bound=StrEnum)

DOCUMENT = Path(__file__).resolve().parent.parent / "ARCHITECTURE.md"


def updated(text: str) -> str:
    """`text` with every generated block made anew."""
    blocks = {
        "floor": _floor(),
        "transactions": _transactions(),
        "transfer": _machine("transfer", list(TransferState), Transfer.transitions()),
        "agents": _machine("agent", list(AgentState), CallQueue.transitions()),
    }
    for name, lines in blocks.items():
        block = "\n".join([f"<!-- generated: {name} -->", *lines, "<!-- end -->"])
        pattern = rf"<!-- generated: {name} -->.*?<!-- end -->"
        text = re.sub(pattern, lambda _, block=block: block, text, flags=re.DOTALL)
    return text


def _floor() -> Iterable[str]:
    rows = [row for row in TurnMachine.transitions() if row[0] is not Floor.CLOSED]
    return _machine("floor", list(Floor), rows)


def _machine(
    name: str, states: Sequence[StateT], transitions: Iterable[tuple[StateT, str, str]]
) -> Iterable[str]:
    """One row a state, in the order of its enumeration."""
    yield from (f"| {name} | event → rule |", "|---|---|")
    rows = sorted(transitions, key=lambda row: states.index(row[0]))
    for state, group in groupby(rows, itemgetter(0)):
        rules = ", ".join(f"{event} → `{rule}`" for _, event, rule in group if rule != "ignore")
        yield f"| {state} | {rules} |"


def _transactions() -> Iterable[str]:
    yield from ("| transaction | state | trigger → state: actions |", "|---|---|---|")
    for (kind, state), triggers in TRANSITIONS.items():
        steps = ", ".join(_step(trigger, *leads) for trigger, leads in triggers.items())
        yield f"| {kind.value} | {state.value} | {steps} |"


def _step(trigger: Trigger, state: State, actions: tuple[Action, ...]) -> str:
    name = f"timer {trigger.value}" if isinstance(trigger, Timer) else trigger.value
    done = f": {', '.join(action.value for action in actions)}" if actions else ""
    return f"{name} → {state.value}{done}"


if __name__ == "__main__":
    DOCUMENT.write_text(updated(DOCUMENT.read_text()))
