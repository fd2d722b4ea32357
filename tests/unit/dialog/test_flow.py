"""A flow with a mistake is refused with the file, the line and the fix."""

import re
from pathlib import Path

import pytest

from dialog.flow import FlowError, load_flow
from dialog.plan import SlotType

_ORDERS = Path(__file__).parents[3] / "dialog" / "flows" / "orders.yaml"
_TEXT = _ORDERS.read_text(encoding="utf-8")


def _line_of(text: str, part: str) -> int:
    return next(at for at, line in enumerate(text.splitlines(), start=1) if part in line)


def test_shipped_flow_loads_with_prompts_as_written() -> None:
    flow = load_flow(_ORDERS)
    assert set(flow.intents) == {"change_address", "order_status"}
    assert flow.slots["order_number"].ask.say == "What is your order number?"
    assert flow.slots["postcode"].ask.say == "What is the postcode on the order?"
    assert flow.slots["address"].type is SlotType.ADDRESS
    assert flow.prompts.greeting.say == (
        "Welcome to Oakline. You can change the address on an order, or ask where an order is. "
        "How can I help you?"
    )
    assert all(len(intent.examples) >= 25 for intent in flow.intents.values())


def test_slot_says_how_long_its_caller_may_think() -> None:
    text = _TEXT.replace("    type: address\n", "    type: address\n    patience: 2.5\n", 1)
    flow = load_flow(text)
    assert flow.slots["address"].expectation.patience_s == 2.5
    assert flow.slots["order_number"].expectation.patience_s is None


def test_action_has_its_own_words_first_and_then_those_of_the_flow() -> None:
    fillers = load_flow(_ORDERS).fillers
    assert fillers[:2] == ("One moment, please.", "I am still on it.")
    text = _TEXT.replace("    filler: One moment, please.\n", "")
    assert load_flow(text).fillers == fillers[1:]


def test_same_text_has_same_version_and_another_text_another() -> None:
    assert load_flow(_TEXT).version == load_flow(_ORDERS).version
    assert load_flow(_TEXT + "\n# more\n").version != load_flow(_ORDERS).version


@pytest.mark.parametrize(
    ("part", "instead", "fix"),
    [
        ("- ask: postcode", "- ask: postcod", "slot 'postcod' is not defined; did you mean 'postc"),
        ("- call: identify", "- call: identfy", "did you mean 'identify'?"),
        ("perform: change_address", "perform: change_adress", "did you mean 'change_address'?"),
        ("agent_task: agent", "agent_task: agnet", "did you mean 'agent'?"),
        (
            "- say: Your order is {status_phrase}.",
            "- say: Your {status_phase}.",
            "'status_phrase'?",
        ),
        ("phone: $caller", "phone: $callr", "did you mean 'caller'?"),
        ("{order.eta|date}", "{order.eta|dat}", "there is no filter 'dat'; did you mean 'date'?"),
        ("type: address", "type: adress", "did you mean 'address'?"),
        ("- I am still on it.", "- I am on {order}.", "'{order}' has no value here"),
        ("keep: true", "patience: 60", "a number from 0.3 to 5.0 belongs here, not '60'"),
        ("keep: true", "keep: yes", "true or false belongs here, not 'yes'"),
        ("attempts: 3", "attempts: many", "a whole number from 1 to 10 belongs here, not 'many'"),
        ("accept: 0.70", "accept: 0.10", "lower it"),
        ("confirm: 0.40", "confirm: 40", "a number from 0 to 1 belongs here"),
        ("  open: How can I help you?", "  opne: How can I help you?", "did you mean 'open'?"),
        ("    no_match:", "    no_matches:", "did you mean 'no_match'?"),
        ("locked: true}", "lockd: true}", "did you mean 'locked'?"),
        ("depends_on: [order_number]", "depends_on: [order_numbr]", "did you mean 'order_number'?"),
        ("says: hear where an order is", "says: ''", "it is empty"),
        ("{equals: order_number}", "{equal: order_number}", "did you mean 'equals'?"),
    ],
)
def test_mistake_is_shown_at_its_line_with_the_fix(part: str, instead: str, fix: str) -> None:
    text = _TEXT.replace(part, instead, 1)
    assert text != _TEXT
    with pytest.raises(FlowError) as error:
        load_flow(text, file="orders.yaml")
    message = str(error.value)
    assert fix in message
    file, line, _ = message.split(":", 2)
    assert file == "orders.yaml"
    assert abs(int(line) - _line_of(text, instead)) <= 4


def test_unhandled_outcome_of_an_action_is_refused() -> None:
    text = _TEXT.replace("      unavailable: *callback_failed\n", "")
    with pytest.raises(FlowError, match="'request_callback' does not say what happens on 'unavail"):
        load_flow(text)


def test_retry_of_a_slot_the_task_never_asks_for_is_refused() -> None:
    text = _TEXT.replace("    - ask: postcode\n", "")
    with pytest.raises(FlowError, match="never asks for 'postcode'; add 'ask: postcode'"):
        load_flow(text)


def test_key_that_is_there_twice_is_refused() -> None:
    with pytest.raises(FlowError, match="'name' is here twice, first in line"):
        load_flow(_TEXT + "\nname: again\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "flow:1: the file is empty"),
        ("a: [", "this is not YAML"),
        ("- a", "a mapping of names to values belongs here"),
        ("name: x", "a flow has no 'prompts'; add it"),
    ],
)
def test_text_that_is_no_flow_is_refused(text: str, message: str) -> None:
    with pytest.raises(FlowError) as error:
        load_flow(text)
    assert message in str(error.value)


def test_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match=r"none\.yaml:1: this file cannot be read"):
        load_flow(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("part", "instead", "fix"),
    [
        ("        nobody:\n          - start: nobody_there\n", "", "what happens on 'nobody'"),
        ("{reason: $reason, skill: orders}", "{skill: orders}", "'hand_off' has no 'reason'"),
        ("        nobody:\n", "        nobdy:\n", "did you mean 'nobody'?"),
        ("    then: agent_again", "    then: agent_agian", "did you mean 'agent_again'?"),
        ("slots: [order_number, postcode]", "slots: [order_numbr]", "did you mean 'order_number'?"),
        ("on order {order_number} to", "on order {order_nmber} to", "did you mean 'order_number'?"),
    ],
)
def test_mistake_about_a_hand_off_is_shown_with_the_fix(part: str, instead: str, fix: str) -> None:
    text = _TEXT.replace(part, instead, 1)
    assert text != _TEXT
    with pytest.raises(FlowError, match=re.escape(fix)):
        load_flow(text, file="orders.yaml")
