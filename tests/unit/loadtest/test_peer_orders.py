"""The dialog of the bot for comparison asks what frontdesk asks, in the same words."""

from pathlib import Path

import pytest

from loadtest.peer.orders import OrdersDialog, Question
from loadtest.turns.prompts import ENDINGS

FLOW = (Path(__file__).parents[3] / "dialog" / "flows" / "orders.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("question", Question)
def test_questions_are_those_of_the_flow_and_known_to_the_callers(question: Question):
    assert question.value in FLOW
    assert question.value in ENDINGS


def test_greeting_is_that_of_the_flow():
    assert OrdersDialog().greeting() in " ".join(FLOW.split())


def _walk(dialog: OrdersDialog, *heard: str) -> list[str]:
    return [dialog.reply(text) for text in heard]


def test_address_is_changed_after_number_postcode_address_and_yes():
    replies = _walk(
        OrdersDialog(),
        "i'd like to change my shipping address",
        "four eight one five",
        "nine zero two one zero",
        "forty two oak street",
        "yes",
    )
    assert replies == [
        "What is your order number?",
        "What is the postcode on the order?",
        "What is the new address?",
        "I have forty two oak street. Is that right?",
        "The address is changed to forty two oak street. Is there anything else I can do for you?",
    ]


def test_no_asks_for_the_address_again():
    dialog = OrdersDialog()
    _walk(dialog, "change my address", "one", "two", "mill road")
    assert dialog.reply("no") == "What is the new address?"


def test_status_is_told_at_once_when_the_caller_is_known():
    dialog = OrdersDialog()
    *_, first = _walk(dialog, "where is my order", "DTMF: 4815", "DTMF: 90210")
    assert first.startswith("Your order is being prepared")
    assert dialog.reply("where is my order") == first
    assert dialog.repeat() == first


def test_what_is_not_understood_is_asked_again():
    dialog = OrdersDialog()
    assert dialog.reply("mm hm") == "Sorry, I did not understand. How can I help you?"
    dialog.reply("change my address")
    assert dialog.reply("mm hm") == "Sorry, what is your order number?"
    assert dialog.silence() == "Sorry, I did not hear you. What is your order number?"
