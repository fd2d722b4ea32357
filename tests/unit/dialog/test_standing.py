"""What a dialog tells a person who takes the call over."""

from collections.abc import Sequence
from pathlib import Path

from dialog.events import (
    ActionEnded,
    ActionStatus,
    CallerSaid,
    CallStarted,
    Effect,
    Hypothesis,
    PerformAction,
)
from dialog.flow import load_flow
from dialog.session import Dialog
from dialog.standing import SlotStanding

_FLOW = load_flow(Path(__file__).parents[3] / "dialog" / "flows" / "orders.yaml")
_ORDER = {"order_number": "4815", "postcode": "90210", "status": "processing"}


class _Change:
    """Whatever is said is about an address."""

    def rank(self, text: str) -> Sequence[tuple[str, float]]:
        return [("change_address", 0.9)]


def _dialog(*said: str) -> Dialog:
    dialog = Dialog(_FLOW, _Change(), "call-9")
    dialog.receive(CallStarted())
    for text in said:
        _answer(dialog, dialog.receive(CallerSaid(hypotheses=(Hypothesis(text=text),))))
    return dialog


def _answer(dialog: Dialog, effects: Sequence[Effect]) -> None:
    for each in effects:
        if isinstance(each, PerformAction):
            done = ActionStatus.SUCCEEDED
            ended = ActionEnded(name=each.name, key=each.key, status=done, result=_ORDER)
            _answer(dialog, dialog.receive(ended))


def test_nothing_is_known_before_the_caller_spoke() -> None:
    standing = _dialog().standing
    assert (standing.task, standing.slots, standing.missing, standing.verified) == (
        None,
        (),
        (),
        (),
    )


def test_values_are_right_once_a_check_or_the_caller_said_so() -> None:
    standing = _dialog("change it", "four eight one five").standing
    assert standing.task == "change the address on an order"
    assert standing.slots == (SlotStanding(name="order_number", value="4815", known_right=False),)
    assert standing.missing == ("postcode", "address")
    standing = _dialog(
        "change it", "four eight one five", "nine oh two one oh", "forty two oak street springfield"
    ).standing
    assert standing.verified == ("order number and postcode",)
    assert [each.known_right for each in standing.slots] == [True, True, False]


def test_value_the_caller_confirmed_is_right_until_it_changes() -> None:
    said = ("change it", "four eight one five", "nine oh two one oh", "forty two oak street")
    confirmed = _dialog(*said, "yes").standing.slots[-1]
    assert confirmed == SlotStanding(name="address", value="42 Oak Street", known_right=True)
    assert all(each.name != "address" for each in _dialog(*said, "yes", "change it").standing.slots)


def test_steps_to_give_the_call_back_for_are_told_in_words() -> None:
    assert _dialog().standing.returns["change_address"] == "change the address on an order"


def test_what_only_a_hand_over_asks_is_no_part_of_the_task() -> None:
    assert _dialog("change it").standing.missing == ("order_number", "postcode", "address")
