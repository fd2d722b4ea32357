"""The dialog as a function: `step(flow, state, event, classifier) -> Step`.

Theory of operation. A call is at a position in a stack of tasks, and waits for one thing (see
state.Waiting). An event that answers it moves the position and runs instructions up to the next
wait; everything said and done on the way comes back as effects. The same state and event always
give the same step, idempotency keys included, so a step may be tried, dropped and made again; only
the one whose state is kept counts.

    START ─CallStarted→ OPEN ─intent→ SLOT ⇄ CONFIRM → ACTION → … → OPEN ─"no"→ ENDED
                          ├─likely→ INTENT (yes/no), CHOICE (which)
      a digression parks the stack; at its end RESUME offers to go on with it
      a person is called in: HAND_OFF, until they give the call back or none came
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, assert_never

from dialog.events import (
    ActionEnded,
    BargeIn,
    CallerKeyed,
    CallerSaid,
    CallerSilent,
    CallStarted,
    Effect,
    Event,
    Expectation,
    Expects,
    HandOffEnded,
    PromptInterrupted,
    Understanding,
)
from dialog.listening import Listener
from dialog.plan import Flow
from dialog.repair import Command
from dialog.runner import Runner
from dialog.state import State, Waiting
from dialog.understand import IntentClassifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What came of an event; the effects may run once the state is safe."""

    state: State
    effects: tuple[Effect, ...]
    expectation: Expectation
    understanding: Understanding | None


def start(flow: Flow, call_id: str, facts: Mapping[str, Any]) -> State:
    """The state of a call before its first event.

    Args:
        facts: what is known already, JSON values by the names the flow uses.
    """
    return State(call_id=call_id, flow=flow.identity, facts=dict(facts))


def step(
    flow: Flow,
    state: State,
    event: Event,
    classifier: IntentClassifier,
    *,
    terse: bool = False,
    keys_first: bool = False,
) -> Step:
    """Take one event.

    Args:
        terse: what is said is put in its short form.
        keys_first: an answer that fails is asked for as otherwise only at the last attempt, where
            flows ask for keys or offer a person.

    An event that nothing waits for (speech while an action runs, an action's second ending) changes
    nothing but the count of turns.

    Raises:
        FlowLoopError: the flow runs in circles without waiting for anything.
    """
    runner = Runner(flow, replace(state, turn=state.turn + 1), terse=terse)
    listener = Listener(runner, classifier, keys_first=keys_first)
    _receive(event, runner, listener)
    return Step(
        state=runner.state,
        effects=runner.effects,
        expectation=expectation_of(flow, runner.state),
        understanding=runner.understanding,
    )


def _receive(event: Event, runner: Runner, listener: Listener) -> None:
    state = runner.state
    match event:
        case CallStarted() if state.waiting is Waiting.START:
            runner.open(runner.flow.prompts.greeting)
        case CallerSaid():
            listener.said(event)
        case CallerKeyed():
            listener.keyed(event.digits)
        case CallerSilent():
            listener.fail("no_input")
        case PromptInterrupted():
            listener.interrupted(event.heard)
        case ActionEnded() if state.waiting is Waiting.ACTION and event.key == state.awaits:
            runner.action_ended(event)
            _catch_up(runner, listener)
        case HandOffEnded() if state.waiting is Waiting.HAND_OFF:
            runner.hand_off_ended(event)
        case CallStarted() | ActionEnded() | HandOffEnded():
            pass  # nothing waits for it
        case _:
            assert_never(event)


def _catch_up(runner: Runner, listener: Listener) -> None:
    """Do what the caller asked for while an action ran, once no other is running."""
    pending = runner.state.pending
    if pending and runner.state.waiting is not Waiting.ACTION:
        runner.update(pending=None)
        listener.command(Command(pending))


def expectation_of(flow: Flow, state: State) -> Expectation:
    """What a state waits for, as the ears need to know it."""
    mode = flow.barge_in_at(state)
    match state.waiting:
        case Waiting.OPEN | Waiting.CHOICE:
            return Expectation(kind=Expects.FREE, barge_in=mode)
        case Waiting.SLOT:
            slot = flow.slots[state.awaits]
            return replace(slot.expectation, barge_in=slot.ask.barge_in or mode)
        case Waiting.CONFIRM | Waiting.QUESTION | Waiting.INTENT | Waiting.RESUME:
            return Expectation(kind=Expects.YES_NO, barge_in=mode)
        case Waiting.ACTION | Waiting.HAND_OFF:
            return Expectation(kind=Expects.NOTHING)
        case Waiting.START | Waiting.ENDED:
            return Expectation(kind=Expects.NOTHING, barge_in=BargeIn.NONE)
        case _:
            assert_never(state.waiting)
