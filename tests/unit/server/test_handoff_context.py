"""What an agent is shown is what happened in the call."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest

from dialog.standing import SlotStanding, Standing
from server.handoff.context import ActionFact
from server.handoff.gather import gather
from server.handoff.in_hand import CallInHand
from server.handoff.next_steps import next_steps
from server.handoff.sentiment import sentiment_of
from server.handoff.story import CallStory
from server.recording import NoRecorder
from tests.fakes.incoming_leg import FakeIncomingLeg
from tests.fakes.voice import FakeActions, FakeJournal
from voice.events import (
    ActionOutcome,
    ActionStatus,
    HandOff,
    Hypothesis,
    PerformAction,
    TurnRecord,
    TurnTimes,
    Understanding,
)
from voice.plane import MediaPlane

CHANGE = PerformAction(
    name="change_address",
    arguments={"order_number": "4815", "address": "42 Oak Street"},
    key="c:4:0",
)
LOOK_UP = PerformAction(name="get_order", arguments={"order_number": "4815"}, key="c:2:0")
AWAY = HandOff(reason="caller_asked", skill="orders", task="change the address on an order")


def turn(index: int, caller: str = "", said: str = "", **more: object) -> TurnRecord:
    kind = str(more.get("kind", "speech" if caller else "silence"))
    intent = more.get("intent")
    return TurnRecord(
        index=index,
        started_at_s=index * 10.0,
        caller_text=caller,
        caller_kind=kind,
        n_best=(Hypothesis(text=caller, log_prob=-0.1),) if kind == "speech" else (),
        understanding=Understanding(
            intent=str(intent) if intent else None,
            band=str(more.get("band", "slot")),
            slots={str(more["slot"]): "x"} if "slot" in more else None,
        ),
        actions=(),
        said=said,
        heard=str(more.get("heard", said)),
        interrupted="heard" in more,
        times=TurnTimes(endpointing_s=0.5),
    )


def standing(**changes: object) -> Standing:
    fields: dict[str, object] = {
        "task": "change the address on an order",
        "slots": (),
        "missing": (),
        "verified": (),
        "facts": {},
        "says": {"change_address": "change the address on order {order_number} to {address}"},
        "returns": {},
        "verifiable": True,
    }
    return Standing(**(fields | changes))  # type: ignore[arg-type]


class NoActivity:
    def run(self) -> int:
        return 0


def in_hand(story: CallStory, where: Standing | None = None) -> CallInHand:
    leg = FakeIncomingLeg()
    return CallInHand(
        call_id=UUID(int=1),
        leg=leg,
        info=leg.info,
        plane=MediaPlane(NoActivity()),
        recorder=NoRecorder(),
        story=story,
        standing=lambda: where or standing(),
        started_at=datetime(2026, 8, 1, tzinfo=UTC),
        answered_at_s=0.0,
    )


def test_story_keeps_everything_said_in_order_of_time_and_passes_it_on() -> None:
    journal = FakeJournal()
    story = CallStory(journal=journal, actions=FakeActions())
    story.turn(turn(0, said="Welcome to Oakline", heard="Welcome"))
    story.turn(turn(1, "four eight", "And the rest?"))
    story.turn(turn(3, "4815", kind="keys"))
    story.said("agent", "Hello, this is Kim.", 20.0)
    assert [(line.who, line.text, line.at_s, line.heard) for line in story.lines] == [
        ("frontdesk", "Welcome to Oakline", 0.5, "Welcome"),
        ("caller", "four eight", 10.0, None),
        ("frontdesk", "And the rest?", 10.5, None),
        ("agent", "Hello, this is Kim.", 20.0, None),
        ("caller", "(keys 4815)", 30.0, None),
    ]
    assert len(journal.turns) == 3
    assert story.next_index == 4


def test_turn_that_is_still_playing_is_told_and_replaced_when_it_is_over() -> None:
    story = CallStory(journal=FakeJournal(), actions=FakeActions())
    story.decided(turn(0, "agent", "I'll put you through."))
    assert story.said_last == "agent"
    story.turn(turn(0, "agent", "I'll put you through.", heard="I'll"))
    assert [line.heard for line in story.lines] == [None, "I'll"]


async def test_action_that_still_runs_is_told_as_running() -> None:
    actions = FakeActions(released=False)
    story = CallStory(journal=FakeJournal(), actions=actions)
    performing = asyncio.ensure_future(story.perform(CHANGE))
    await asyncio.sleep(0)
    (fact,) = gather(in_hand(story), AWAY).actions
    assert fact == ActionFact(
        name="change_address",
        status="running",
        detail="change the address on order 4815 to 42 Oak Street",
    )
    actions.release.set()
    await performing
    assert gather(in_hand(story), AWAY).actions[0].status == "succeeded"


class Refusing(FakeActions):
    code = "already_shipped"

    async def perform(self, action: PerformAction) -> ActionOutcome:
        return ActionOutcome(
            name=action.name,
            key=action.key,
            status=ActionStatus.REFUSED,
            result={"code": self.code},
        )


class Careful(Refusing):
    code = "awaits_approval"


async def test_action_that_waits_for_approval_is_pending_until_it_is_settled() -> None:
    story = CallStory(journal=FakeJournal(), actions=Careful())
    await story.perform(CHANGE)
    context = gather(in_hand(story), AWAY)
    does = "change the address on order 4815 to 42 Oak Street"
    assert context.actions == (ActionFact(name=CHANGE.name, status="pending", detail=does),)
    assert f"Waiting for approval: {does}." in context.summary
    assert context.next_steps[0] == f"Have this approved or refused: {does}"
    story.settled(CHANGE, await FakeActions().perform(CHANGE))
    assert gather(in_hand(story), AWAY).actions[0].status == "succeeded"


async def test_refusal_says_why_and_look_ups_are_told_only_when_they_failed() -> None:
    refused = CallStory(journal=FakeJournal(), actions=Refusing())
    await refused.perform(CHANGE)
    await refused.perform(LOOK_UP)
    assert [each.detail for each in gather(in_hand(refused), AWAY).actions] == [
        "change the address on order 4815 to 42 Oak Street (already shipped)",
        "get order: order number 4815 (already shipped)",
    ]
    found = CallStory(journal=FakeJournal(), actions=FakeActions())
    await found.perform(LOOK_UP)
    assert gather(in_hand(found), AWAY).actions == ()


def test_slots_come_with_the_confidence_they_were_heard_with() -> None:
    story = CallStory(journal=FakeJournal(), actions=FakeActions())
    story.turn(turn(1, "four eight one five", slot="order_number"))
    story.turn(turn(2, "90210", kind="keys", slot="postcode"))
    slots = (
        SlotStanding(name="order_number", value="4815", known_right=True),
        SlotStanding(name="postcode", value="90210", known_right=False),
    )
    facts = gather(in_hand(story, standing(slots=slots)), AWAY).slots
    assert [(each.confidence, each.confirmed) for each in facts] == [(0.905, True), (None, False)]


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("caller_asked", "They asked for a person."),
        ("wants_a_discount", "Wants a discount."),
        ("", "No reason was given."),
    ],
)
def test_reason_is_told_in_words(reason: str, text: str) -> None:
    story = CallStory(journal=FakeJournal(), actions=FakeActions())
    assert gather(in_hand(story), HandOff(reason=reason)).reason_text == text


def test_context_is_json_ready() -> None:
    story = CallStory(journal=FakeJournal(), actions=FakeActions())
    story.turn(turn(1, "change my address"))
    raw = gather(in_hand(story), AWAY, handoff_id=UUID(int=9)).as_json()
    assert raw["handoff_id"] == "00000000-0000-0000-0000-000000000009"
    assert raw["lines"][0]["text"] == "change my address"
    assert raw["summary"]


# --- sentiment ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("turns", "sentiment"),
    [
        ([], "calm"),
        ([turn(1, "agent", intent="agent", band="command")], "calm"),
        ([turn(n, "blah", band="no_match") for n in (1, 2)], "impatient"),
        ([turn(n, "my order please", "What?", heard="Wh") for n in (1, 2)], "impatient"),
        ([turn(n, "yes") for n in range(5)], "calm"),
        ([turn(1, "this is RIDICULOUS")], "upset"),
        ([turn(n, "agent", intent="agent", band="command") for n in range(4)], "upset"),
        ([turn(1, "hell", kind="keys")], "calm"),
    ],
)
def test_sentiment_comes_from_what_the_caller_did(turns: list[TurnRecord], sentiment: str) -> None:
    assert sentiment_of(turns) == sentiment


# --- next steps -----------------------------------------------------------------------------------


def _fact(status: str) -> ActionFact:
    return ActionFact(name="change_address", status=status, detail="change it")


def test_unsettled_action_is_the_first_step() -> None:
    steps = next_steps(standing(missing=("address",)), [_fact("unknown")])
    assert steps == (
        "Check whether this went through before doing it again: change it",
        "Make sure who they are: nothing was verified.",
        "Ask for the address.",
    )


def test_steps_lead_to_the_end_of_the_task_and_not_beyond() -> None:
    known = standing(
        verified=("order number",),
        slots=(SlotStanding(name="address", value="42 Oak Street", known_right=False),),
    )
    assert next_steps(known, ()) == (
        "Confirm the address: 42 Oak Street.",
        "Finish this: change the address on an order.",
    )
    settled = standing(verified=("order number",))
    assert next_steps(settled, [_fact("succeeded")]) == ()
    assert next_steps(standing(task=None), ()) == ("Ask what they need.",)


def test_steps_are_few() -> None:
    assert len(next_steps(standing(missing=tuple("abcdefg")), [_fact("refused")])) == 4
