"""A dialog is deterministic: the same events give the same effects, keys and snapshots."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dialog.engine import start, step
from dialog.errors import FlowLoopError
from dialog.events import (
    ActionEnded,
    ActionStatus,
    BargeIn,
    CallerKeyed,
    CallerSaid,
    CallerSilent,
    CallStarted,
    EndCall,
    Expects,
    HandOff,
    HandOffEnded,
    Hypothesis,
    PerformAction,
    Speak,
)
from dialog.flow import load_flow
from dialog.session import Dialog
from dialog.state import State, StateError

_ORDERS = Path(__file__).parents[3] / "dialog" / "flows" / "orders.yaml"
_FLOW = load_flow(_ORDERS)


class Scripted:
    """Ranks by a table; what is not in it is out of scope."""

    def __init__(self, **scores: tuple[float, float]) -> None:
        self._scores = scores

    def rank(self, text: str) -> Sequence[tuple[str, float]]:
        change, status = self._scores.get(text.replace(" ", "_"), (0.0, 0.0))
        return [("change_address", change), ("order_status", status)]


_CLASSIFIER = Scripted(
    change=(0.9, 0.0), status=(0.0, 0.9), likely=(0.5, 0.1), either=(0.4, 0.38), one_of=(0.5, 0.4)
)


def _said(*texts: str) -> CallerSaid:
    return CallerSaid(hypotheses=tuple(Hypothesis(text=text) for text in texts))


def _dialog() -> Dialog:
    dialog = Dialog(_FLOW, _CLASSIFIER, "call-7", facts={"caller": "+15550100"})
    dialog.receive(CallStarted())
    return dialog


def _speech(effects: Sequence[object]) -> str:
    return " ".join(each.text for each in effects if isinstance(each, Speak))


def _looking_up(wish: str = "status") -> tuple[Dialog, PerformAction]:
    dialog = _dialog()
    dialog.receive(_said(wish))
    action = dialog.receive(_said("four eight one five"))[0]
    assert isinstance(action, PerformAction)
    return dialog, action


def _found(action: PerformAction) -> ActionEnded:
    return ActionEnded(
        name=action.name,
        key=action.key,
        status=ActionStatus.SUCCEEDED,
        result={"order_number": "4815", "postcode": "90210", "status": "shipped", "eta": None},
    )


def test_idempotency_key_is_call_turn_and_number() -> None:
    _, action = _looking_up()
    assert action.key == "call-7:3:0"


def test_step_leaves_its_state_as_it_was_and_can_be_made_again() -> None:
    dialog = _dialog()
    before = dialog.state
    tried = [step(_FLOW, before, _said("status"), _CLASSIFIER) for _ in range(2)]
    assert tried[0] == tried[1]
    assert dialog.state is before
    assert before == State.from_json(before.to_json())


def test_call_goes_on_from_its_snapshot() -> None:
    dialog, action = _looking_up()
    restored = Dialog(_FLOW, _CLASSIFIER, "call-7", state=State.from_json(dialog.state.to_json()))
    assert restored.expects == dialog.expects
    assert restored.receive(_found(action)) == dialog.receive(_found(action))


def test_snapshot_of_another_version_is_refused() -> None:
    other = load_flow(_ORDERS.read_text(encoding="utf-8") + "# changed\n")
    with pytest.raises(StateError, match="the snapshot is of orders@"):
        Dialog(other, _CLASSIFIER, "call-7", state=_dialog().state)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"call_id": 1}', "null"])
def test_text_that_is_no_snapshot_is_refused(text: str) -> None:
    with pytest.raises(StateError):
        State.from_json(text)


def test_ending_of_an_action_counts_once() -> None:
    dialog, action = _looking_up()
    assert "postcode" in _speech(dialog.receive(_found(action)))
    before = dialog.expects
    assert dialog.receive(_found(action)) == ()
    assert dialog.expects == before


def test_ending_of_another_action_is_ignored() -> None:
    dialog, action = _looking_up()
    other = ActionEnded(name=action.name, key="call-7:1:0", status=ActionStatus.REFUSED)
    assert dialog.receive(other) == ()
    assert dialog.expects.kind is Expects.NOTHING


def test_agent_asked_for_while_an_action_runs_comes_after_it() -> None:
    dialog, action = _looking_up()
    assert dialog.receive(_said("agent")) == ()
    effects = dialog.receive(_found(action))
    assert [each.reason for each in effects if isinstance(each, HandOff)] == ["caller_asked"]


def test_hand_off_says_where_the_caller_goes_and_no_interruption_keeps_it_from_them() -> None:
    dialog = _dialog()
    dialog.receive(_said("status"))
    said, handed_off = dialog.receive(_said("agent"))
    assert said == Speak(text="I'll put you through to a colleague.", barge_in=BargeIn.NONE)
    assert handed_off == HandOff(
        reason="caller_asked", skill="orders", task="hear where an order is"
    )
    assert dialog.expects.kind is Expects.NOTHING


def test_caller_with_a_person_is_not_listened_to() -> None:
    dialog = _dialog()
    dialog.receive(_said("agent"))
    before = dialog.state
    for event in (_said("status"), _said("agent"), CallerKeyed(digits="0"), CallerSilent()):
        assert dialog.receive(event) == ()
    assert replace(dialog.state, turn=before.turn) == before


def test_end_of_a_hand_off_that_never_was_is_ignored() -> None:
    dialog = _dialog()
    assert dialog.receive(HandOffEnded(reason="returned", step="change_address")) == ()


def test_returned_step_keeps_what_was_said_and_forgets_what_was_done() -> None:
    for yes, first_question in [
        (False, "I have 42 Oak Street, Springfield. Is that right?"),
        (True, "What is the new address?"),
    ]:
        dialog, action = _looking_up("change")
        dialog.receive(_found(action))
        dialog.receive(_said("nine oh two one oh"))
        dialog.receive(_said("forty two oak street springfield"))
        if yes:
            (change,) = dialog.receive(_said("yes"))
            assert isinstance(change, PerformAction)
            dialog.receive(_found(change))
        dialog.receive(_said("agent"))
        (look_up,) = dialog.receive(HandOffEnded(reason="returned", step="change_address"))
        assert isinstance(look_up, PerformAction)
        assert _speech(dialog.receive(_found(look_up))) == first_question


def test_step_that_the_flow_does_not_name_leads_to_the_open_question() -> None:
    dialog = _dialog()
    dialog.receive(_said("agent"))
    back = dialog.receive(HandOffEnded(reason="returned", step="make_tea"))
    assert _speech(back) == "Is there anything else I can do for you?"


def test_understanding_outlives_the_action_it_led_to() -> None:
    dialog, action = _looking_up()
    dialog.receive(_found(action))
    assert dialog.understanding
    assert dialog.understanding.slots == {"order_number": "4815"}


def test_likely_intent_is_asked_about_and_slots_come_with_the_yes() -> None:
    dialog = _dialog()
    asked = dialog.receive(_said("likely"))
    assert _speech(asked) == "Do you want to change the address on an order?"
    assert dialog.expects.kind is Expects.YES_NO
    assert _speech(dialog.receive(_said("yes"))) == "What is your order number?"


def test_two_likely_intents_are_offered_and_either_can_be_chosen() -> None:
    for answer, intent in [
        (_said("the second one"), "order_status"),
        (_said("the first"), "change_address"),
        (CallerKeyed(digits="2"), "order_status"),
        (_said("change"), "change_address"),
    ]:
        dialog = _dialog()
        assert _speech(dialog.receive(_said("either"))) == (
            "Do you want to change the address on an order, or hear where an order is?"
        )
        assert _speech(dialog.receive(answer)) == "What is your order number?"
        assert dialog.state.intent == intent


@pytest.mark.parametrize(
    ("texts", "band"),
    [
        (("mumble", "status"), "confirm"),
        (("mumble", "status", "status"), "accept"),
        (("mumble", "mumble", "mumble", "mumble", "status"), "no_match"),
        (("change", "status"), "choose"),
    ],
)
def test_hypotheses_vote_and_those_about_nothing_count_less(
    texts: tuple[str, ...], band: str
) -> None:
    dialog = _dialog()
    dialog.receive(_said(*texts))
    assert dialog.understanding
    assert dialog.understanding.band == band


def test_doubtful_words_are_asked_about_and_never_end_or_hand_over_a_call() -> None:
    for text in ("agent", "goodbye", "start over"):
        doubtful = replace(_said(text), confidence=0.01)
        assert _speech(_dialog().receive(doubtful)).startswith("Sorry, I did not understand.")
    asked = _dialog().receive(replace(_said("status"), confidence=0.01))
    assert _speech(asked) == "Do you want to hear where an order is?"
    assert _speech(_dialog().receive(replace(_said("help"), confidence=0.01))).startswith("I can")


def test_expectation_tells_the_ears_the_length_of_digits() -> None:
    dialog = _dialog()
    dialog.receive(_said("status"))
    assert (dialog.expects.kind, dialog.expects.min_length) == (Expects.DIGITS, 4)
    assert dialog.expects.max_length == 4


def test_nothing_happens_after_goodbye() -> None:
    dialog = _dialog()
    effects = dialog.receive(_said("goodbye"))
    assert isinstance(effects[-1], EndCall)
    assert effects[0] == Speak(
        text="Thank you for calling Oakline. Goodbye.", barge_in=BargeIn.NONE
    )
    assert dialog.receive(_said("status")) == ()
    assert dialog.receive(CallerKeyed(digits="0")) == ()


def test_words_before_the_call_started_are_ignored() -> None:
    dialog = Dialog(_FLOW, _CLASSIFIER, "call-8")
    assert dialog.receive(_said("status")) == ()
    assert _speech(dialog.receive(CallStarted())).startswith("Welcome to Oakline.")
    assert dialog.receive(CallStarted()) == ()


def test_flow_that_never_waits_is_stopped() -> None:
    text = _ORDERS.read_text(encoding="utf-8")
    text = text.replace("    - say: Your order is {status_phrase}.", "    - start: order_status")
    text = text.replace("  order_status:\n    - call: identify\n", "  order_status:\n")
    flow = load_flow(text)
    state = step(flow, start(flow, "c", {}), CallStarted(), _CLASSIFIER).state
    with pytest.raises(FlowLoopError):
        step(flow, state, _said("status"), _CLASSIFIER)
