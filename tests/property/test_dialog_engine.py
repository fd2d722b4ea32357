"""Whatever a caller does: the dialog answers, its snapshot survives JSON, its keys never repeat."""

from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from dialog.engine import start, step
from dialog.events import (
    ActionEnded,
    ActionStatus,
    CallerKeyed,
    CallerSaid,
    CallerSilent,
    CallStarted,
    EndCall,
    Event,
    Expects,
    HandOff,
    HandOffEnded,
    Hypothesis,
    PerformAction,
    PromptInterrupted,
    Speak,
)
from dialog.flow import load_flow
from dialog.state import State

_FLOW = load_flow(Path(__file__).parents[2] / "dialog" / "flows" / "orders.yaml")
_PHRASES = (
    *("change", "status", "either", "likely", "change the address on order four eight one five"),
    *("four eight one five", "one two three four", "nine oh two one oh", "forty two oak street"),
    *("yes", "no", "no it's forty four elm road", "agent", "help", "repeat", "start over"),
    *("banana", "no forty four", "thanks", "where is my other order", "", "goodbye"),
)
_RECORD = {"order_number": "4815", "postcode": "90210", "status": "processing", "eta": "2026-08-07"}


class _Table:
    def rank(self, text: str) -> Sequence[tuple[str, float]]:
        change = 0.9 if "change" in text else 0.4 if text in ("either", "likely") else 0.0
        status = 0.9 if "status" in text else 0.4 if text == "either" else 0.0
        return [("change_address", change), ("order_status", status)]


_texts = st.sampled_from(_PHRASES) | st.text(max_size=20)
_said = st.builds(
    CallerSaid,
    hypotheses=st.lists(
        st.builds(Hypothesis, text=_texts, log_prob=st.floats(-5, 0)), max_size=3
    ).map(tuple),
    confidence=st.floats(0, 1),
)
_keys = st.builds(CallerKeyed, digits=st.sampled_from(["0", "1", "2", "4815", "90210#", "*", ""]))
_caller = st.one_of(
    _said, _said, _keys, st.just(CallerSilent()), st.builds(PromptInterrupted, heard=_texts)
)
_outcomes = st.sampled_from(
    [(each, _RECORD) for each in ActionStatus]
    + [
        (ActionStatus.SUCCEEDED, _RECORD),
        (ActionStatus.SUCCEEDED, _RECORD),
        (ActionStatus.REFUSED, {"code": "already_shipped"}),
        (ActionStatus.SUCCEEDED, {}),
    ]
)
_ways_back = st.builds(
    HandOffEnded,
    reason=st.sampled_from(["returned", "closed", "caller_chose", "nobody_signed_in"]),
    recovery=st.sampled_from(["callback", "voicemail", "dialog", None]),
    step=st.sampled_from(["change_address", "order_status", "make_tea", None]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(_caller, _outcomes, _ways_back), max_size=25))
def test_dialog_always_answers_and_its_snapshot_survives(
    turns: list[tuple[Event, tuple[ActionStatus, dict[str, str]], HandOffEnded]],
) -> None:
    state = start(_FLOW, "call", {"caller": "+15550100"})
    keys: set[str] = set()
    waiting: PerformAction | HandOff | None = None
    nothing: tuple[ActionStatus, dict[str, str]] = (ActionStatus.SUCCEEDED, {})
    begin = (CallStarted(), nothing, HandOffEnded(reason="returned"))
    for event, (status, result), way_back in [begin, *turns]:
        if isinstance(waiting, HandOff):
            event, waiting = way_back, None
        elif waiting is not None:
            event = ActionEnded(name=waiting.name, key=waiting.key, status=status, result=result)
            waiting = None
        done = step(_FLOW, State.from_json(state.to_json()), event, _Table())
        assert State.from_json(done.state.to_json()) == done.state
        actions = [each for each in done.effects if isinstance(each, PerformAction)]
        handed_off = [each for each in done.effects if isinstance(each, HandOff)]
        assert len(actions) + len(handed_off) <= 1
        assert keys.isdisjoint(each.key for each in actions)
        keys.update(each.key for each in actions)
        waiting = next(iter([*actions, *handed_off]), None)
        ended = any(isinstance(each, EndCall) for each in done.effects)
        _never_leaves_the_caller_without_a_word(event, done.effects, state, ended)
        away = bool(actions or handed_off)
        assert (done.expectation.kind is Expects.NOTHING) == (away or ended)
        if ended:
            return
        state = done.state


def _never_leaves_the_caller_without_a_word(
    event: Event, effects: Sequence[object], state: State, ended: bool
) -> None:
    if isinstance(event, PromptInterrupted):
        assert effects == ()
        return
    assert any(isinstance(each, Speak | PerformAction) for each in effects)
    if ended:
        assert isinstance(effects[-1], EndCall)
        assert isinstance(effects[-2], Speak)
    for each in effects:
        if isinstance(each, Speak):
            assert each.text.strip()
            assert "{" not in each.text
