"""How complete an answer is: what the ears are told about waiting."""

import pytest

from dialog.events import (
    ActionEnded,
    ActionStatus,
    CallerSaid,
    CallStarted,
    HandOffEnded,
    Hypothesis,
    PerformAction,
)
from dialog.readiness import Readiness
from dialog.session import Dialog
from models.intent import train_intents
from server.flows import find_flow

FLOW = find_flow("orders")
CLASSIFIER = train_intents(FLOW.examples)
ORDER = {"order_number": "4815", "postcode": "90210", "status": "processing", "eta": None}


def said(text: str) -> CallerSaid:
    return CallerSaid(hypotheses=(Hypothesis(text=text, log_prob=-0.1),))


def asked(*answers: str) -> Dialog:
    """A dialog as far as these answers take it; the order is found."""
    dialog = Dialog(FLOW, CLASSIFIER, "c")
    dialog.receive(CallStarted())
    for answer in answers:
        for effect in dialog.receive(said(answer)):
            if isinstance(effect, PerformAction):
                ended = ActionEnded(
                    name=effect.name, key=effect.key, status=ActionStatus.SUCCEEDED, result=ORDER
                )
                dialog.receive(ended)
    return dialog


CHANGE = "i want to change my shipping address"
NUMBER = (CHANGE,)
POSTCODE = (*NUMBER, "four eight one five")
ADDRESS = (*POSTCODE, "nine zero two one zero")
CONFIRM = (*ADDRESS, "forty two oak street springfield")


@pytest.mark.parametrize(
    ("before", "text", "expected"),
    [
        ((), CHANGE, Readiness.COMPLETE),
        ((), "my order", Readiness.OPEN),
        ((), "agent", Readiness.COMPLETE),
        (NUMBER, "four eight one five", Readiness.COMPLETE),
        (NUMBER, "four eight", Readiness.INCOMPLETE),
        (NUMBER, "my order number is", Readiness.INCOMPLETE),
        (POSTCODE, "nine zero two one zero", Readiness.COMPLETE),
        (POSTCODE, "nine zero two", Readiness.INCOMPLETE),
        (ADDRESS, "forty two", Readiness.INCOMPLETE),
        (ADDRESS, "forty two oak street", Readiness.INCOMPLETE),
        (ADDRESS, "forty two oak street north", Readiness.INCOMPLETE),
        (ADDRESS, "forty two oak street apartment five", Readiness.INCOMPLETE),
        (ADDRESS, "forty two oak street apartment five springfield", Readiness.COMPLETE),
        (ADDRESS, "apartment five forty two oak street", Readiness.INCOMPLETE),
        (ADDRESS, "nine court street", Readiness.INCOMPLETE),
        (ADDRESS, "seventeen the maples", Readiness.OPEN),
        (ADDRESS, "forty two oak street springfield", Readiness.COMPLETE),
        (CONFIRM, "yes", Readiness.COMPLETE),
        (CONFIRM, "yes and", Readiness.INCOMPLETE),
        (CONFIRM, "no forty four", Readiness.OPEN),
        ((), "i want to change my address and", Readiness.INCOMPLETE),
        (CONFIRM, "no", Readiness.OPEN),
        (CONFIRM, "um", Readiness.INCOMPLETE),
    ],
)
def test_readiness_of_an_answer(before: tuple[str, ...], text: str, expected: Readiness):
    dialog = asked(*before)
    state = dialog.state
    readiness, _ = dialog.preview(said(text))
    assert readiness is expected
    assert dialog.state is state, "a preview changed the dialog"


def test_address_is_judged_by_what_was_most_likely_said() -> None:
    dialog = asked(*ADDRESS)
    heard = CallerSaid(
        hypotheses=(
            Hypothesis(text="forty two", log_prob=-0.1),
            Hypothesis(text="forty two it", log_prob=-0.9),
            Hypothesis(text="forty two oak street springfield", log_prob=-1.2),
        )
    )
    assert dialog.preview(heard)[0] is Readiness.INCOMPLETE


def test_message_may_always_go_on() -> None:
    dialog = asked("agent")
    dialog.receive(HandOffEnded(reason="caller_chose", recovery="voicemail"))
    assert dialog.preview(said("my parcel arrived broken"))[0] is Readiness.INCOMPLETE
