"""A machine that is full asks for keys, or offers a person, at the first failure."""

from collections.abc import Sequence
from pathlib import Path

from dialog.events import CallerSaid, CallerSilent, CallStarted, Effect, HandOff, Speak
from dialog.flow import load_flow
from dialog.session import Dialog

_FLOW = load_flow(Path(__file__).parents[3] / "dialog" / "flows" / "orders.yaml")


class Nothing:
    """No words mean anything."""

    def rank(self, text: str) -> Sequence[tuple[str, float]]:
        return []


def said(effects: Sequence[Effect]) -> str:
    return " ".join(effect.text for effect in effects if isinstance(effect, Speak))


def opened(*, keys_first: bool) -> Dialog:
    dialog = Dialog(_FLOW, Nothing(), "call-7", keys_first=lambda: keys_first)
    dialog.receive(CallStarted())
    return dialog


def test_first_failure_says_what_the_last_would_have():
    last = _FLOW.open_reprompts.no_match[-1].say
    assert said(opened(keys_first=True).receive(CallerSaid(hypotheses=()))) == last
    assert said(opened(keys_first=False).receive(CallerSaid(hypotheses=()))) != last


def test_silent_caller_is_offered_the_keys_too():
    last = _FLOW.open_reprompts.no_input[-1].say
    assert said(opened(keys_first=True).receive(CallerSilent())) == last


def test_a_person_is_called_in_after_as_many_failures_as_ever():
    failures = [0, 0]
    for each in (True, False):
        dialog = opened(keys_first=each)
        while not any(isinstance(effect, HandOff) for effect in dialog.receive(CallerSilent())):
            failures[each] += 1
            assert failures[each] < 20
    assert failures[True] == failures[False] > 0
