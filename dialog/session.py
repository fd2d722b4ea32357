"""One call's dialog: holds the state between events, so that its owner need not.

dialog = Dialog(load_flow(path), classifier, call_id, facts={"caller": "+15550100"})
effects = dialog.receive(CallStarted())
"""

from collections.abc import Callable, Mapping
from typing import Any

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
        self._state = start(flow, call_id, facts or {}) if state is None else flow.adopt(state)
        self._expects = expectation_of(flow, self._state)
        self._understanding: Understanding | None = None

    @property
    def state(self) -> State:
        """The snapshot to journal before the effects of the last event run."""
        return self._state

    @property
    def standing(self) -> Standing:
        """Where the call stands, for a person who takes it over."""
        return standing(self._flow, self._state)

    @property
    def expects(self) -> Expectation:
        """What the dialog waits for now."""
        return self._expects

    @property
    def understanding(self) -> Understanding | None:
        """How the last caller event was understood; None when there was nothing to understand."""
        return self._understanding

    def preview(self, event: CallerSaid) -> tuple[Readiness, tuple[Effect, ...]]:
        """What `receive` would return, and how complete the caller's answer is; changes nothing."""
        done = self._step(event)
        heard = event.hypotheses[0].text if event.hypotheses else ""
        return readiness(self._flow, self._state, heard, done), done.effects

    def receive(self, event: Event) -> tuple[Effect, ...]:
        """Take one event and return what to do, in order."""
        done = self._step(event)
        self._state = done.state
        self._expects = done.expectation
        if not isinstance(event, ActionEnded | PromptInterrupted):
            self._understanding = done.understanding
        return done.effects

    def _step(self, event: Event) -> Step:
        return step(
            self._flow,
            self._state,
            event,
            self._classifier,
            terse=self._terse(),
            keys_first=self._keys_first(),
        )
