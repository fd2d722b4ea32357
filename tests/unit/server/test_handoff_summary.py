"""A summary says nothing that the record does not bear out."""

from dataclasses import replace

import pytest

from server.handoff.brief import brief_of
from server.handoff.fact_check import FactCheck
from server.handoff.summary import TemplatedSummariser, checked, templated
from tests.fakes.handoff_contexts import handoff_context

CONTEXT = handoff_context()


@pytest.mark.parametrize(
    "sentence",
    [
        "The caller wants the address on order 4815 changed.",
        "Order number 4 8 1 5 and postcode 90210 were given.",
        "They wanted order four eight one five sent to Springfield.",
        'They said "Can I speak to a person".',
        "The order number is 4815, and the address was not changed.",
        "They were verified by order number and postcode.",
        "It is not clear whether the address was changed.",
        "The order number is confirmed.",
    ],
)
def test_sentence_that_the_record_bears_out_is_kept(sentence: str) -> None:
    assert FactCheck(CONTEXT).faults(sentence) == ()


@pytest.mark.parametrize(
    ("sentence", "fault"),
    [
        ("They called about order 4816.", "number 4816"),
        ("They called about order four eight one six.", "number 4816"),
        ("The order number is 90210.", "order_number 90210"),
        ("They live in Riverside.", "name Riverside"),
        ('They said "I will sue you".', "quotation 'I will sue you'"),
        ("The address was changed to 42 Oak Street.", "outcome"),
        ("They wanted it changed; the change was completed.", "outcome"),
        ("The address is confirmed.", "confirmation"),
    ],
)
def test_sentence_that_says_more_than_the_record_is_left_out(sentence: str, fault: str) -> None:
    assert fault in " ".join(FactCheck(CONTEXT).faults(sentence))
    assert checked((sentence,), CONTEXT) == ()


def test_verification_is_claimed_only_when_there_was_one() -> None:
    stranger = replace(CONTEXT, verified=())
    assert FactCheck(stranger).faults("The caller was verified.")
    assert not FactCheck(stranger).faults("The caller was not verified.")


def test_outcome_may_be_claimed_once_the_back_end_said_so() -> None:
    done = replace(CONTEXT, actions=(replace(CONTEXT.actions[0], status="succeeded"),))
    assert not FactCheck(done).faults("The address was changed to 42 Oak Street.")
    assert FactCheck(replace(CONTEXT, actions=())).faults("The address was changed.")


def test_success_of_one_action_is_no_success_of_another() -> None:
    called_back = replace(
        CONTEXT.actions[0],
        name="request_callback",
        status="succeeded",
        detail="have the caller called back",
    )
    both = replace(CONTEXT, actions=(CONTEXT.actions[0], called_back))
    assert FactCheck(both).faults("The address on the order was changed.")
    assert not FactCheck(both).faults("A call back was arranged for the caller.")


async def test_template_tells_the_wish_the_facts_and_the_deeds() -> None:
    assert await TemplatedSummariser().summarise(CONTEXT) == (
        "The caller wants to change the address on an order; they asked for a person.",
        "Verified by order number and postcode; order number 4815; postcode 90210;"
        " address 42 Oak Street, Springfield (not confirmed).",
        "Not settled: change the address on order 4815 to 42 Oak Street, Springfield.",
    )


def test_template_of_a_call_that_hardly_began_quotes_the_last_words() -> None:
    fresh = replace(CONTEXT, task=None, verified=(), slots=(), actions=(), sentiment="upset")
    assert templated(fresh) == (
        "The caller has not said what they need; they asked for a person; they seem upset.",
        "Not verified, and no details were given.",
        'Nothing was done yet; the last words were "can I speak to a person".',
    )


def test_at_most_three_sentences_are_kept() -> None:
    assert len(checked(("They called.",) * 5, CONTEXT)) == 3


def test_brief_is_short_spells_numbers_and_ends_with_how_to_take_the_call() -> None:
    assert brief_of(CONTEXT) == (
        "A caller wants to change the address on an order; they asked for a person."
        " They are verified, order number 4 8 1 5, postcode 9 0 2 1 0."
        " Press 1 to take the call."
    )
    fresh = replace(CONTEXT, task=None, verified=(), slots=())
    assert brief_of(fresh).startswith("A caller: they asked for a person. They are not verified.")


def test_refusal_is_told_with_its_reason_whatever_the_reason_says_was_done() -> None:
    refused = replace(
        CONTEXT.actions[0], status="refused", detail="change the address (order was cancelled)"
    )
    assert templated(replace(CONTEXT, actions=(refused,)))[-1] == (
        "Refused: change the address (order was cancelled)."
    )
