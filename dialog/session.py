"""One call's dialog: holds the state between events, so that its owner need not.

dialog = Dialog(load_flow(path), classifier, call_id, facts={"caller": "+15550100"})
effects = dialog.receive(CallStarted())

Understanding what a caller said takes milliseconds, which an owner may spend in another thread:

work = dialog.advancing(event)  # changes nothing
effects = dialog.keep(work())  # `work` in any thread, `keep` in the owner's
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from dialog.engine import Step, expectation_of, start, step
from dialog.events import (
    ActionEnded,
    CallerSaid,
    Effect,
    Event,
    Expectation,
    PromptInterrupted,
    Understanding,
)
from dialog.flow import Flow
from dialog.readiness import Readiness, readiness
from dialog.standing import Standing, standing
from dialog.state import State
from dialog.understand import IntentClassifier


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Position:
    """Where a dialog is: another takes its place as a whole, so nobody sees it half way."""

    state: State
    expects: Expectation
    understanding: Understanding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """What events do to a dialog, while nothing is done yet."""

    since: Position
    position: Position
    effects: tuple[Effect, ...]


class Dialog:
    """Deterministic and sans-I/O: effects are returned, never run."""

    def __init__(
        self,
        flow: Flow,
        classifier: IntentClassifier,
        call_id: str,
        *,
        facts: Mapping[str, Any] | None = None,
        state: State | None = None,
        terse: Callable[[], bool] = lambda: False,
        keys_first: Callable[[], bool] = lambda: False,
    ) -> None:
        """Begin a call, or go on from a `state` that was journalled.

        Args:
            facts: what is known before the first word, JSON values; the flow names those it uses.
            state: a snapshot of this call; `facts` are then ignored.
            terse: asked at each event, whether prompts are to be said in their short form.
            keys_first: asked likewise, whether a failing answer is asked for by keys at once.

        Raises:
            StateError: the snapshot belongs to another flow, or to another version of this one.
        """
        self._flow = flow
        self._classifier = classifier
        self._terse, self._keys_first = terse, keys_first
        began = start(flow, call_id, facts or {}) if state is None else flow.adopt(state)
        self._position = Position(state=began, expects=expectation_of(flow, began))

    @property
    def state(self) -> State:
        """The snapshot to journal before the effects of the last event run."""
        return self._position.state

    @property
    def standing(self) -> Standing:
        """Where the call stands, for a person who takes it over."""
        return standing(self._flow, self.state)

    @property
    def expects(self) -> Expectation:
        """What the dialog waits for now."""
        return self._position.expects

    @property
    def understanding(self) -> Understanding | None:
        """How the last caller event was understood; None when there was nothing to understand."""
        return self._position.understanding

    def preview(self, event: CallerSaid) -> tuple[Readiness, tuple[Effect, ...]]:
        """What `receive` would return, and how complete the caller's answer is; changes nothing."""
        return self.previewing(event)()

    def receive(self, event: Event) -> tuple[Effect, ...]:
        """Take one event and return what to do, in order."""
        return self.keep(self.advancing(event)())

    def previewing(self, event: CallerSaid) -> Callable[[], tuple[Readiness, tuple[Effect, ...]]]:
        """The work of `preview` from where the dialog is now, to be done in any thread."""
        return partial(_preview, self._flow, self._stepper(), self._position, event)

    def advancing(self, *events: Event) -> Callable[[], Advance]:
        """The work of taking these events in order, to be done in any thread; for `keep`."""
        return partial(_advance, self._stepper(), self._position, events)

    def keep(self, advance: Advance) -> tuple[Effect, ...]:
        """Be where the events lead, at once, and return what to do, in order.

        Raises:
            ValueError: the dialog was moved meanwhile, and is left as it is.
        """
        if advance.since is not self._position:
            raise ValueError("the dialog has moved since these events were looked at")
        self._position = advance.position
        return advance.effects

    def _stepper(self) -> "_Stepper":
        """What is asked at each event is asked now, not where the work is done."""
        return partial(
            step,
            self._flow,
            classifier=self._classifier,
            terse=self._terse(),
            keys_first=self._keys_first(),
        )


_Stepper: TypeAlias = Callable[[State, Event], Step]


def _preview(
    flow: Flow, stepper: _Stepper, position: Position, event: CallerSaid
) -> tuple[Readiness, tuple[Effect, ...]]:
    done = stepper(position.state, event)
    heard = event.hypotheses[0].text if event.hypotheses else ""
    return readiness(flow, position.state, heard, done), done.effects


def _advance(stepper: _Stepper, since: Position, events: Sequence[Event]) -> Advance:
    position, effects = since, ()
    for event in events:
        done = stepper(position.state, event)
        of_ours = isinstance(event, ActionEnded | PromptInterrupted)
        position = Position(
            state=done.state,
            expects=done.expectation,
            understanding=position.understanding if of_ours else done.understanding,
        )
        effects += done.effects
    return Advance(since=since, position=position, effects=effects)
