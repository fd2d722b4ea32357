"""The rules of waiting in the queue: announcements, callbacks, counters, the clock."""

from datetime import time

import pytest

from telephony.opening_hours import Hours, OpeningHours, Weekday
from telephony.queue_events import (
    AgentAway,
    AgentReady,
    AnnouncePosition,
    CallbackChosen,
    CallerJoined,
    CallerLeft,
    GiveUp,
    GiveUpReason,
    Offer,
    OfferAccepted,
    OfferCallback,
    TalkEnded,
)
from telephony.queue_line import QueueOptions
from telephony.transfer_events import Recovery, TimePassed
from tests.fakes.queue_house import OFFICE, House, offers

# --- what callers hear ----------------------------------------------------------------------------


def test_position_and_wait_are_announced_at_intervals():
    house = House(QueueOptions(announce_after_s=15.0, announce_every_s=45.0)).busy("ada")
    house.busy("ben")
    house.joins("x", "y")
    assert house.wait(14.0) == []
    assert house.wait(1.0) == [
        AnnouncePosition(caller="x", position=1, estimated_wait_s=120.0),
        AnnouncePosition(caller="y", position=2, estimated_wait_s=240.0),
    ]
    assert house.wait(44.0) == []
    assert len(house.wait(1.0)) == 2


def test_position_counts_only_those_who_need_the_same():
    house = House().busy("ada", billing=1, orders=1)
    house.then(CallerJoined(caller="x", skill="billing"))
    house.then(CallerJoined(caller="y", skill="orders"))
    assert [view.position for view in house.queue.callers(house.now_s)] == [1, 1]


def test_no_wait_is_announced_when_nobody_is_at_work():
    house = House().busy("ada")
    house.joins("x")
    house.then(AgentAway(agent="ada", reason="lunch"))
    house.then(TalkEnded(agent="ada"))
    house.wait(30.0)
    [view] = house.queue.callers(house.now_s)
    assert view.estimated_wait_s is None


def test_estimated_wait_follows_how_long_calls_take():
    house = House(QueueOptions(handling_time_s=240.0, wrap_up_s=0.0))
    house.agent("ada")
    house.joins("x")
    house.then(OfferAccepted(agent="ada", caller="x"))
    house.then(TalkEnded(agent="ada"), after_s=440.0)
    house.joins("y", "z")
    waiting = house.queue.callers(house.now_s)[-1]
    assert waiting.caller == "z"
    assert waiting.estimated_wait_s == pytest.approx(260.0)  # a tenth of the way to 440


def test_callback_is_offered_once():
    house = House(QueueOptions(callback_after_s=60.0, announce_after_s=1e6)).busy("ada")
    house.joins("x")
    assert house.wait(59.0) == []
    assert house.wait(1.0) == [OfferCallback(caller="x")]
    assert house.wait(600.0) == []


# --- callbacks keep the place ---------------------------------------------------------------------


def test_caller_who_chose_a_callback_is_offered_when_it_is_their_turn():
    house = House(QueueOptions(max_wait_s=100.0)).busy("ada")
    house.joins("x", "y")
    assert house.then(CallbackChosen(caller="x")) == []
    assert house.wait(90.0) == [AnnouncePosition(caller="y", position=2, estimated_wait_s=480.0)]
    house.then(TalkEnded(agent="ada"))
    assert house.then(AgentReady(agent="ada")) == [Offer(caller="x", agent="ada", callback=True)]
    assert offers(house.served("ada", "x")) == [("y", "ada")]


def test_callback_holds_no_line():
    house = House(QueueOptions(max_length=1)).busy("ada")
    house.joins("x")
    house.then(CallbackChosen(caller="x"))
    assert house.joins("y") == []


def test_nobody_is_called_back_while_the_queue_is_closed():
    house = House(QueueOptions(opening_hours=OFFICE, wrap_up_s=0.0)).busy("ada")
    house.joins("x")
    house.then(CallbackChosen(caller="x"))
    assert house.then(TalkEnded(agent="ada"), after_s=6 * 3600.0) == []
    assert house.wait(2 * 86_400.0) == []
    assert house.wait(86_400.0) == [
        GiveUp(caller="x", reason=GiveUpReason.WAITED_TOO_LONG, recovery=Recovery.DIALOG)
    ]


def test_callback_is_made_once_the_queue_opens_again():
    week = {day: (Hours(opens=time(9), closes=time(17)),) for day in Weekday}
    hours = OpeningHours(weekly=week, zone="UTC")
    house = House(QueueOptions(opening_hours=hours, wrap_up_s=0.0)).busy("ada")
    house.joins("x")
    house.then(CallbackChosen(caller="x"))
    assert house.then(TalkEnded(agent="ada"), after_s=6 * 3600.0) == []
    assert house.wait(14 * 3600.0) == []
    assert house.wait(3600.0) == [Offer(caller="x", agent="ada", callback=True)]


def test_place_that_was_kept_is_taken_again_after_a_restart():
    before = House().busy("ada")
    before.joins("x")
    place = before.queue.place("x")
    assert place is not None
    after = House().busy("ada")
    after.now_s = before.now_s + 600.0
    after.joins("y")
    after.then(CallerJoined(caller="x", place=place))
    after.then(TalkEnded(agent="ada"))
    assert offers(after.then(AgentReady(agent="ada"))) == [("x", "ada")]


def test_caller_who_talks_has_no_place():
    house = House()
    house.agent("ada")
    house.joins("x")
    house.then(OfferAccepted(agent="ada", caller="x"))
    assert house.queue.place("x") is None
    assert house.queue.place("nobody") is None


# --- counters and clock ---------------------------------------------------------------------------


def test_day_is_counted():
    house = House(QueueOptions(wrap_up_s=10.0))
    house.agent("ada")
    house.joins("x", "y", "z", "w")
    house.then(OfferAccepted(agent="ada", caller="x"), after_s=10.0)
    house.then(CallerLeft(caller="y"), after_s=30.0)
    house.then(CallbackChosen(caller="z"))
    house.then(CallerLeft(caller="w", reason="voicemail"))
    house.then(TalkEnded(agent="ada", held_s=20.0), after_s=70.0)
    house.wait(10.0)
    total = house.total()
    assert (total.offered, total.answered, total.abandoned, total.redirected) == (4, 1, 1, 2)
    assert total.average_speed_of_answer_s == 10.0
    assert (total.talk_s, total.held_s, total.wrap_up_s) == (80.0, 20.0, 10.0)
    assert total.longest_wait_s == 40.0


def test_clock_that_is_set_back_stands_still():
    house = House(QueueOptions(max_wait_s=100.0)).busy("ada")
    house.joins("x")
    house.then(TimePassed(), after_s=-5000.0)
    house.now_s += 5000.0
    assert house.wait(99.0) != []  # announcements
    assert isinstance(house.wait(1.0)[-1], GiveUp)
