"""Whatever a call was like: it has a summary, and no sentence there says more than the record."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from server.handoff.brief import ACCEPT, brief_of
from server.handoff.context import ActionFact, HandOffContext, Line, SlotFact
from server.handoff.fact_check import FactCheck
from server.handoff.summary import checked, templated
from tests.fakes.handoff_contexts import handoff_context

_words = st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=40)
_values = st.one_of(
    st.from_regex(r"[0-9]{1,8}", fullmatch=True),
    st.sampled_from(["42 Oak Street, Springfield", "AB1 2CD", "yes", "four eight one five"]),
    _words.filter(str.strip),
)
_names = st.sampled_from(["order_number", "postcode", "address", "message"])
_slots = st.builds(
    SlotFact, name=_names, value=_values, confidence=st.none(), confirmed=st.booleans()
)
_actions = st.builds(
    ActionFact,
    name=st.sampled_from(["change_address", "request_callback"]),
    status=st.sampled_from(["succeeded", "refused", "unavailable", "unknown", "running"]),
    detail=st.one_of(
        _words, st.just("change the address on order 4815"), st.just("it was changed already")
    ),
)
_lines = st.builds(
    Line, who=st.sampled_from(["caller", "frontdesk"]), text=_words, at_s=st.floats(0, 100)
)
_contexts = st.builds(
    handoff_context,
    task=st.one_of(st.none(), st.just("change the address on an order")),
    reason_text=st.sampled_from(["They asked for a person.", "Wants a discount.", "."]),
    verified=st.sampled_from([(), ("order number and postcode",), ("a PIN", "a birthday")]),
    slots=st.lists(_slots, max_size=3, unique_by=lambda slot: slot.name).map(tuple),
    actions=st.lists(_actions, max_size=3).map(tuple),
    sentiment=st.sampled_from(["calm", "impatient", "upset"]),
    lines=st.lists(_lines, max_size=4).map(tuple),
    said_last=_words,
    summary=st.just(()),
)


@settings(max_examples=100, deadline=None)
@given(_contexts)
def test_template_always_says_what_the_caller_wants_and_nothing_unfounded(
    context: HandOffContext,
) -> None:
    summary = templated(context)
    assert summary[0].startswith("The caller ")
    assert len(summary) <= 3
    assert all(FactCheck(context).faults(sentence) == () for sentence in summary)
    json.dumps(context.as_json())


@settings(max_examples=100, deadline=None)
@given(_contexts, st.from_regex(r"[0-9]{9,12}", fullmatch=True))
def test_number_that_nobody_said_is_never_shown(context: HandOffContext, number: str) -> None:
    assert checked((f"They gave the number {number}.",), context) == ()
    assert checked((f"They gave {' '.join(number)} as the number.",), context) == ()


@settings(max_examples=200, deadline=None)
@given(_contexts, st.text(max_size=80))
def test_any_sentence_can_be_judged(context: HandOffContext, sentence: str) -> None:
    assert isinstance(FactCheck(context).faults(sentence), tuple)


@settings(max_examples=50, deadline=None)
@given(_contexts)
def test_brief_always_ends_with_how_to_take_the_call(context: HandOffContext) -> None:
    brief = brief_of(context)
    assert brief.endswith(ACCEPT)
    assert "undefined" not in brief
