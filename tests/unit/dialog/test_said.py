"""How a flow's texts are said: what may interrupt them, and in how many words."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from dialog.events import (
    ActionEnded,
    ActionStatus,
    BargeIn,
    CallerSaid,
    CallerSilent,
    CallStarted,
    Effect,
    EndCall,
    HandOffEnded,
    Hypothesis,
    PerformAction,
    Speak,
)
from dialog.flow import Flow, FlowError, load_flow
from dialog.session import Dialog

_ORDERS = Path(__file__).parents[3] / "dialog" / "flows" / "orders.yaml"
_TEXT = _ORDERS.read_text(encoding="utf-8")
_ASKS = "    ask: What is your order number?\n"


class Sure:
    """Everybody wants the first intent."""

    def rank(self, text: str) -> Sequence[tuple[str, float]]:
        return [("change_address", 0.99), ("order_status", 0.01)]


def changed(*changes: tuple[str, str]) -> Flow:
    """The shipped flow, written otherwise in places."""
    text = _TEXT
    for part, instead in changes:
        assert part in text
        text = text.replace(part, instead, 1)
    return load_flow(text, file="orders.yaml")


def said(text: str) -> CallerSaid:
    return CallerSaid(hypotheses=(Hypothesis(text=text),))


def dialog_at_order_number(flow: Flow) -> tuple[Dialog, Sequence[Effect]]:
    dialog = Dialog(flow, Sure(), "call", facts={"caller": "+15550100"})
    dialog.receive(CallStarted())
    return dialog, dialog.receive(said("change my address"))


@pytest.mark.parametrize(
    ("written", "mode"),
    [
        ("true", BargeIn.ALL),
        ("false", BargeIn.NONE),
        ("all", BargeIn.ALL),
        ("speech", BargeIn.SPEECH),
        ("keys", BargeIn.KEYS),
        ("none", BargeIn.NONE),
    ],
)
def test_prompt_is_said_in_the_mode_written_beside_it(written: str, mode: BargeIn) -> None:
    flow = changed(("open: How can", f"open:\n    barge_in: {written}\n    say: How can"))
    dialog = Dialog(flow, Sure(), "call")
    dialog.receive(CallStarted())
    assert dialog.receive(said("start over")) == (Speak(text="How can I help you?", barge_in=mode),)


def test_mode_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(FlowError, match="'words' is not defined; it can be all, keys, none, spe"):
        changed((_ASKS, f"{_ASKS}    barge_in: words\n"))


def test_slot_is_asked_and_asked_again_in_its_mode() -> None:
    dialog, asked = dialog_at_order_number(changed((_ASKS, f"{_ASKS}    barge_in: keys\n")))
    assert asked == (Speak(text="What is your order number?", barge_in=BargeIn.KEYS),)
    assert dialog.expects.barge_in is BargeIn.KEYS
    [again] = dialog.receive(CallerSilent())
    assert isinstance(again, Speak)
    assert again.barge_in is BargeIn.KEYS


def test_step_of_a_task_gives_its_question_and_asking_it_again_a_mode() -> None:
    step = "    - ask: order_number\n"
    flow = changed((step, f"{step}      barge_in: speech\n"))
    dialog, asked = dialog_at_order_number(flow)
    assert [e.barge_in for e in asked if isinstance(e, Speak)] == [BargeIn.SPEECH]
    assert dialog.expects.barge_in is BargeIn.SPEECH
    [again] = dialog.receive(CallerSilent())
    assert isinstance(again, Speak)
    assert again.barge_in is BargeIn.SPEECH


_TASK = "  change_address:\n    - call: identify\n"


def with_mode_of_task(mode: str, *changes: tuple[str, str]) -> Flow:
    """The task that changes an address, in the form that has a mode."""
    begin = _TEXT.index(_TASK)
    end = _TEXT.index("\n\n", begin)
    steps = _TEXT[begin:end].split("\n", 1)[1]
    deeper = "\n".join(f"  {line}" for line in steps.splitlines())
    task = f"  change_address:\n    barge_in: {mode}\n    steps:\n{deeper}"
    return changed((_TEXT[begin:end], task), *changes)


def test_task_has_a_mode_for_all_that_is_said_in_it_and_in_those_it_calls() -> None:
    dialog, asked = dialog_at_order_number(with_mode_of_task("none"))
    assert asked == (Speak(text="What is your order number?", barge_in=BargeIn.NONE),)
    assert dialog.expects.barge_in is BargeIn.NONE


def test_what_is_written_closer_to_the_text_counts_more() -> None:
    flow = with_mode_of_task("none", (_ASKS, f"{_ASKS}    barge_in: all\n"))
    _, asked = dialog_at_order_number(flow)
    assert [e.barge_in for e in asked if isinstance(e, Speak)] == [BargeIn.ALL]


def test_texts_of_one_step_in_different_modes_are_said_one_after_the_other() -> None:
    flow = changed(
        (
            "    - ask: order_number\n",
            "    - say: This call is recorded.\n      barge_in: none\n    - ask: order_number\n",
        )
    )
    _, effects = dialog_at_order_number(flow)
    assert effects == (
        Speak(text="This call is recorded.", barge_in=BargeIn.NONE),
        Speak(text="What is your order number?"),
    )


_SHORT = (
    _ASKS,
    "    ask: {say: 'What is your order number?', short: 'Order number?'}\n",
)


def test_text_is_said_in_its_short_form_while_time_is_short() -> None:
    terse = True
    dialog = Dialog(changed(_SHORT), Sure(), "call", terse=lambda: terse)
    dialog.receive(CallStarted())
    assert dialog.receive(said("change my address")) == (Speak(text="Order number?"),)
    dialog.receive(said("start over"))
    terse = False
    assert dialog.receive(said("change my address")) == (Speak(text="What is your order number?"),)


def test_text_without_a_short_form_is_said_as_it_is() -> None:
    dialog = Dialog(changed(), Sure(), "call", terse=lambda: True)
    dialog.receive(CallStarted())
    assert dialog.receive(said("change my address")) == (Speak(text="What is your order number?"),)


def asked_for_more(flow: Flow) -> tuple[Dialog, Speak]:
    """A call whose caller was asked whether there is anything else, and in which words."""
    dialog = Dialog(flow, Sure(), "call", facts={"caller": "+15550100"}, terse=lambda: True)
    dialog.receive(CallStarted())
    dialog.receive(said("agent"))
    *_, callback = dialog.receive(HandOffEnded(reason="closed", recovery="callback"))
    assert isinstance(callback, PerformAction)
    [asked] = dialog.receive(
        ActionEnded(name=callback.name, key=callback.key, status=ActionStatus.SUCCEEDED)
    )
    assert isinstance(asked, Speak)
    return dialog, asked


def test_no_to_the_short_form_of_anything_else_ends_the_call() -> None:
    asks = "anything_else: Is there anything else I can do for you?"
    flow = changed(
        (asks, f"{asks.replace(': ', ': {say: ')}, short: Anything else}}".replace("?", ""))
    )
    dialog, asked = asked_for_more(flow)
    assert asked.text.endswith("Anything else")
    assert EndCall(reason="completed") in dialog.receive(said("no"))


def test_call_is_not_ended_by_what_was_less_likely_said() -> None:
    dialog, _ = asked_for_more(changed())
    begun = CallerSaid(
        hypotheses=(
            Hypothesis(text="i want", log_prob=-0.26),
            Hypothesis(text="i don't", log_prob=-1.32),
        )
    )
    assert EndCall(reason="completed") not in dialog.receive(begun)


def test_short_forms_are_checked_like_the_others() -> None:
    with pytest.raises(FlowError, match="did you mean 'order_number'"):
        changed(
            (
                "- say: The address is changed to {address}.",
                "- {say: It is changed., short: 'For {order_numbr}.'}",
            )
        )


def test_all_texts_of_a_flow_are_known_before_a_call() -> None:
    forms = [form for text in changed(_SHORT).texts for form in text.forms]
    assert "Order number?" in forms
    assert "I'll put you through to a colleague." in forms
    assert "Is that right?" in " ".join(forms)
    assert "Please press 1 for yes, or 2 for no. {question}" in forms
