"""The rules of the queue, one test each."""

import pytest

from telephony.queue import CallQueue, UnknownQueueError
from telephony.queue_events import (
    AgentAway,
    AgentEngaged,
    AgentReady,
    AgentSignedIn,
    AgentSignedOut,
    AgentState,
    CallerJoined,
    CallerLeft,
    GiveUp,
    GiveUpReason,
    Offer,
    OfferAccepted,
    OfferDeclined,
    OfferMissed,
    TalkEnded,
)
from telephony.queue_line import QueueOptions
from telephony.transfer_events import Recovery
from tests.fakes.queue_house import OFFICE, House, offers

# --- who is rung ----------------------------------------------------------------------------------


def test_caller_is_offered_to_the_agent_who_has_been_idle_longest():
    house = House()
    house.agent("ada")
    house.agent("ben")
    assert house.joins("x") == [Offer(caller="x", agent="ada")]
    assert house.joins("y") == [Offer(caller="y", agent="ben")]
    house.served("ben", "y")
    house.served("ada", "x")
    assert offers(house.joins("z")) == [("z", "ben")]


def test_agent_must_have_the_skill_and_the_language():
    house = House()
    house.agent("ada", "de", billing=1)
    house.agent("ben", "fr", orders=1)
    house.agent("cleo", "fr", billing=1)
    joined = CallerJoined(caller="x", skill="billing", language="fr")
    assert offers(house.then(joined)) == [("x", "cleo")]


@pytest.mark.parametrize(("best_first", "rung"), [(True, "ben"), (False, "ada")])
def test_best_at_the_skill_comes_before_longest_idle_where_the_queue_wants_it(
    best_first: bool, rung: str
):
    house = House(QueueOptions(skill="billing", best_skill_first=best_first))
    house.agent("ada", billing=1)
    house.agent("ben", billing=3)
    assert offers(house.joins("x")) == [("x", rung)]


def test_higher_priority_is_served_first_and_then_the_longest_waiting():
    house = House().busy("ada")
    house.joins("first", "second")
    house.then(CallerJoined(caller="urgent", priority=1))
    house.then(TalkEnded(agent="ada"))
    assert offers(house.then(AgentReady(agent="ada"))) == [("urgent", "ada")]
    assert offers(house.served("ada", "urgent")) == [("first", "ada")]
    assert offers(house.served("ada", "first")) == [("second", "ada")]


def test_caller_who_was_turned_away_comes_before_everybody():
    house = House().busy("ada")
    house.then(CallerJoined(caller="urgent", priority=9))
    house.then(CallerJoined(caller="again", first=True))
    house.then(TalkEnded(agent="ada"))
    assert offers(house.then(AgentReady(agent="ada"))) == [("again", "ada")]


def test_nobody_waits_behind_a_caller_whom_no_one_ready_can_serve():
    house = House().busy("ada", billing=1)
    house.then(CallerJoined(caller="x", skill="billing"))
    house.agent("ben", orders=1)
    assert offers(house.then(CallerJoined(caller="y", skill="orders"))) == [("y", "ben")]


def test_declined_caller_goes_to_another_agent_and_not_back():
    house = House()
    house.agent("ada")
    house.agent("ben")
    house.joins("x")
    assert offers(house.then(OfferDeclined(agent="ada", caller="x"))) == [("x", "ben")]
    assert offers(house.then(OfferDeclined(agent="ben", caller="x"))) == []
    assert house.state("ada") is AgentState.READY


def test_agent_who_misses_an_offer_is_rung_no_more():
    house = House()
    house.agent("ada")
    house.joins("x")
    house.then(OfferMissed(agent="ada", caller="x"))
    assert house.state("ada") is AgentState.AWAY
    assert house.joins("y") == []
    assert offers(house.then(AgentReady(agent="ada"))) == [("y", "ada")]


def test_excluded_agent_is_not_offered_the_caller():
    house = House()
    house.agent("ada")
    house.agent("ben")
    joined = CallerJoined(caller="x", excluded=frozenset({"ada"}))
    assert offers(house.then(joined)) == [("x", "ben")]


def test_known_agent_is_preferred():
    house = House()
    house.agent("ada")
    house.agent("ben")
    assert offers(house.then(CallerJoined(caller="x", sticky_agent="ben"))) == [("x", "ben")]


def test_known_agent_who_is_busy_is_waited_for_a_little():
    house = House(QueueOptions(sticky_wait_s=30.0)).busy("ben")
    house.agent("ada")
    assert house.then(CallerJoined(caller="x", sticky_agent="ben")) == []
    assert offers(house.wait(29.0)) == []
    assert offers(house.wait(1.0)) == [("x", "ada")]


def test_known_agent_who_is_away_or_going_is_not_waited_for():
    house = House().busy("ben")
    house.then(AgentAway(agent="ben", reason="lunch"))
    house.agent("ada")
    assert offers(house.then(CallerJoined(caller="x", sticky_agent="ben"))) == [("x", "ada")]
    house.agent("cleo")
    assert offers(house.then(CallerJoined(caller="y", sticky_agent="dan"))) == [("y", "cleo")]


def test_agent_engaged_past_the_queue_is_not_offered_anybody():
    house = House().busy("ada")
    assert house.joins("x") == []
    house.then(CallerLeft(caller="call of ada"))
    assert house.state("ada") is AgentState.WRAP_UP
    assert offers(house.wait(1000.0)) == [("x", "ada")]


def test_caller_who_waits_and_is_engaged_past_the_queue_is_offered_to_nobody_else():
    house = House().busy("ada")
    house.joins("x")
    house.then(AgentSignedIn(agent="ben", skills={}))
    house.then(AgentEngaged(agent="ben", caller="x"))
    house.then(TalkEnded(agent="ada"))
    assert house.then(AgentReady(agent="ada")) == []


# --- how a caller's wait ends ---------------------------------------------------------------------


def test_caller_who_leaves_while_it_rings_makes_the_agent_free_for_the_next():
    house = House()
    house.agent("ada")
    house.joins("x", "y")
    assert offers(house.then(CallerLeft(caller="x"))) == [("y", "ada")]


def test_caller_who_joins_again_from_a_conversation_waits_and_the_agent_wraps_up():
    house = House()
    house.agent("ada")
    house.joins("x")
    house.then(OfferAccepted(agent="ada", caller="x"))
    assert house.then(CallerJoined(caller="x", first=True)) == []
    assert house.state("ada") is AgentState.WRAP_UP
    assert offers(house.wait(30.0)) == [("x", "ada")]


def test_caller_who_joins_again_while_waiting_keeps_the_place_and_adds_exclusions():
    house = House().busy("ada")
    house.joins("x", "y")
    house.then(CallerJoined(caller="x", excluded=frozenset({"ben"})), after_s=5.0)
    assert [view.caller for view in house.queue.callers(house.now_s)] == ["x", "y"]
    assert offers(house.agent("ben")) == [("y", "ben")]


def test_offer_that_stands_is_repeated_to_a_caller_who_asks_again():
    house = House()
    house.agent("ada")
    house.agent("ben")
    house.joins("x")
    again = CallerJoined(caller="x", first=True, excluded=frozenset({"ada"}))
    assert house.then(again) == []  # the word that ada declined is still on its way
    assert offers(house.then(OfferDeclined(agent="ada", caller="x"))) == [("x", "ben")]
    assert house.then(again) == [Offer(caller="x", agent="ben")]


def test_closed_queue_takes_nobody():
    recoveries = {GiveUpReason.CLOSED: Recovery.VOICEMAIL}
    house = House(QueueOptions(opening_hours=OFFICE, recoveries=recoveries))
    house.agent("ada")
    assert len(offers(house.joins("x"))) == 1
    house.now_s += 6 * 3600.0
    assert house.joins("y") == [
        GiveUp(caller="y", reason=GiveUpReason.CLOSED, recovery=Recovery.VOICEMAIL)
    ]


def test_caller_who_waits_at_closing_time_is_still_served():
    house = House(QueueOptions(opening_hours=OFFICE, max_wait_s=7200.0))
    house.now_s += 4.99 * 3600.0
    house.busy("ada")
    house.joins("x")
    assert not any(isinstance(command, GiveUp) for command in house.wait(600.0))
    house.then(TalkEnded(agent="ada"))
    assert offers(house.then(AgentReady(agent="ada"))) == [("x", "ada")]


def test_full_queue_takes_nobody_but_who_had_a_place():
    house = House(QueueOptions(max_length=1)).busy("ada")
    house.joins("x")
    assert house.joins("y") == [
        GiveUp(caller="y", reason=GiveUpReason.FULL, recovery=Recovery.DIALOG)
    ]
    assert house.then(CallerJoined(caller="z", first=True)) == []


def test_nobody_waits_where_nobody_is_signed_in_who_could_take_them():
    house = House()
    house.agent("ada", orders=1)
    [gave_up] = house.then(CallerJoined(caller="x", skill="billing"))
    assert isinstance(gave_up, GiveUp)
    assert gave_up.reason is GiveUpReason.NOBODY_SIGNED_IN


def test_last_agent_who_signs_out_may_come_back_before_callers_are_given_up():
    house = House(QueueOptions(nobody_s=30.0)).busy("ada")
    house.agent("ben")
    house.then(AgentAway(agent="ben", reason="lunch"))
    house.joins("x")
    house.then(AgentSignedOut(agent="ada"))
    house.then(AgentSignedOut(agent="ben"))
    assert house.wait(1.0) == []
    house.wait(29.0)
    house.then(AgentSignedIn(agent="ben", skills={}))
    assert not any(isinstance(command, GiveUp) for command in house.wait(1.0))
    house.then(AgentSignedOut(agent="ben"))
    house.wait(1.0)
    assert house.wait(30.0)[-1] == GiveUp(
        caller="x", reason=GiveUpReason.NOBODY_SIGNED_IN, recovery=Recovery.DIALOG
    )


def test_caller_who_waited_too_long_is_given_up():
    house = House(QueueOptions(max_wait_s=100.0)).busy("ada")
    house.joins("x")
    assert not any(isinstance(command, GiveUp) for command in house.wait(99.0))
    assert house.wait(1.0) == [
        GiveUp(caller="x", reason=GiveUpReason.WAITED_TOO_LONG, recovery=Recovery.DIALOG)
    ]


def test_caller_whom_an_agent_is_rung_for_has_not_waited_too_long():
    house = House(QueueOptions(max_wait_s=10.0))
    house.agent("ada")
    house.joins("x")
    assert house.wait(60.0) == []


# --- overflow -------------------------------------------------------------------------------------

OVERFLOW = {
    "main": QueueOptions(skill="billing", max_length=1, overflow_to="all", overflow_after_s=60.0),
    "all": QueueOptions(max_wait_s=100.0),
}


def test_caller_overflows_to_the_other_queue_and_its_agents_after_a_while():
    house = House(OVERFLOW).busy("ada", billing=1)
    house.agent("ben", orders=1)
    assert house.joins("x") == []
    assert offers(house.wait(59.0)) == []
    assert offers(house.wait(1.0)) == [("x", "ben")]
    assert house.total("main").overflowed == 1
    assert house.total("all").offered == 1


def test_caller_overflows_at_once_where_the_queue_is_full_or_unstaffed():
    house = House(OVERFLOW).busy("ada", billing=1)
    house.agent("ben", orders=1)
    house.joins("x")
    assert offers(house.joins("y")) == [("y", "ben")]
    unstaffed = House(OVERFLOW)
    unstaffed.agent("ben", orders=1)
    assert offers(unstaffed.joins("z")) == [("z", "ben")]


def test_queues_that_overflow_into_each_other_give_up_in_the_end():
    ring = {
        "main": QueueOptions(max_wait_s=10.0, overflow_to="other"),
        "other": QueueOptions(max_wait_s=10.0, overflow_to="main"),
    }
    house = House(ring).busy("ada")
    house.joins("x")
    assert house.wait(10.0) == []
    [gave_up] = house.wait(10.0)
    assert isinstance(gave_up, GiveUp)


def test_overflow_to_a_queue_that_is_not_there_is_refused():
    with pytest.raises(UnknownQueueError, match="nowhere"):
        CallQueue({"main": QueueOptions(overflow_to="nowhere")})


def test_caller_for_a_queue_that_is_not_there_is_refused_and_nothing_changes():
    house = House()
    with pytest.raises(UnknownQueueError, match="there are: main"):
        house.then(CallerJoined(caller="x", queue="sales"))
    assert house.queue.callers(house.now_s) == []
