"""The counters of workforce managers, by their definitions."""

import pytest

from telephony.queue_events import GiveUpReason
from telephony.queue_statistics import Counters, Handling, QueueStatistics, StatisticsOptions

NOON_S = 1_767_700_800.0  # a multiple of 1800


def test_service_level_counts_the_answered_in_time_among_those_owed_an_answer():
    statistics = QueueStatistics()
    for waited_s in (5.0, 20.0, 20.5):
        statistics.answered("main", NOON_S, waited_s=waited_s)
    statistics.abandoned("main", NOON_S, waited_s=60.0)
    statistics.given_up("main", NOON_S, GiveUpReason.WAITED_TOO_LONG, waited_s=900.0)
    assert statistics.total(["main"]).service_level == 2 / 5


def test_who_hangs_up_at_once_counts_neither_way():
    statistics = QueueStatistics()
    for _ in range(4):
        statistics.offered("main", NOON_S)
    statistics.answered("main", NOON_S, waited_s=1.0)
    statistics.abandoned("main", NOON_S, waited_s=4.9)
    statistics.abandoned("main", NOON_S, waited_s=5.0)
    total = statistics.total(["main"])
    assert (total.abandoned, total.abandoned_short) == (2, 1)
    assert total.service_level == 1 / 2
    assert total.abandon_rate == 1 / 3


def test_closed_queue_owes_nobody_an_answer():
    statistics = QueueStatistics()
    statistics.given_up("main", NOON_S, GiveUpReason.CLOSED, waited_s=0.0)
    total = statistics.total(["main"])
    assert total.service_level is None
    assert total.given_up[GiveUpReason.CLOSED] == 1


def test_speed_of_answer_is_the_mean_of_the_answered_and_longest_wait_is_of_all():
    statistics = QueueStatistics()
    statistics.answered("main", NOON_S, waited_s=10.0)
    statistics.answered("main", NOON_S, waited_s=30.0)
    statistics.abandoned("main", NOON_S, waited_s=200.0)
    total = statistics.total(["main"])
    assert total.average_speed_of_answer_s == 20.0
    assert total.longest_wait_s == 200.0


def test_handling_time_is_talk_and_hold_and_wrap_up():
    statistics = QueueStatistics()
    statistics.handled("main", NOON_S, Handling(talk_s=100.0, held_s=20.0, wrap_up_s=30.0))
    statistics.handled("main", NOON_S, Handling(talk_s=40.0, held_s=0.0, wrap_up_s=10.0))
    assert statistics.total(["main"]).average_handling_time_s == 100.0


def test_nothing_that_was_not_measured_is_called_zero():
    empty = Counters()
    assert empty.service_level is None
    assert empty.abandon_rate is None
    assert empty.average_speed_of_answer_s is None
    assert empty.average_handling_time_s is None


def test_call_belongs_to_the_interval_of_its_arrival():
    statistics = QueueStatistics(StatisticsOptions(interval_s=900))
    statistics.offered("main", NOON_S + 899.0)
    statistics.offered("main", NOON_S + 900.0)
    statistics.answered("main", NOON_S + 899.0, waited_s=500.0)
    rows = statistics.intervals("main")
    assert [starts for starts, _ in rows] == [NOON_S, NOON_S + 900]
    assert [(row.offered, row.answered) for _, row in rows] == [(1, 1), (1, 0)]


def test_total_adds_up_the_queues_and_intervals_asked_for():
    statistics = QueueStatistics()
    for queue, at_s in (("a", 0.0), ("a", 1800.0), ("b", 1800.0), ("c", 1800.0)):
        statistics.offered(queue, NOON_S + at_s)
        statistics.abandoned(queue, NOON_S + at_s, waited_s=at_s)
    total = statistics.total(["a", "b"], since_s=NOON_S + 1800.0)
    assert (total.offered, total.longest_wait_s) == (2, 1800.0)
    assert statistics.total(["a"], until_s=NOON_S + 1800.0).offered == 1


def test_old_intervals_are_forgotten():
    statistics = QueueStatistics(StatisticsOptions(keep_s=3600.0))
    statistics.offered("main", NOON_S)
    statistics.offered("main", NOON_S + 7200.0)
    assert [starts for starts, _ in statistics.intervals("main")] == [NOON_S + 7200]


def test_interval_that_does_not_divide_a_day_is_refused():
    with pytest.raises(ValueError, match="interval_s is 7000"):
        StatisticsOptions(interval_s=7000)


def test_what_changed_is_taken_once_with_all_that_was_counted_in_its_interval():
    statistics = QueueStatistics()
    statistics.offered("main", NOON_S)
    statistics.offered("main", NOON_S + 1800)
    assert [(queue, starts) for queue, starts, _ in statistics.take_changed()] == [
        ("main", NOON_S),
        ("main", NOON_S + 1800),
    ]
    statistics.answered("main", NOON_S, waited_s=3.0)
    [(_, starts, counted)] = statistics.take_changed()
    assert (starts, counted.offered, counted.answered) == (NOON_S, 1, 1)
    assert statistics.take_changed() == []


def test_what_was_counted_before_counts_but_is_not_ours_to_keep():
    statistics = QueueStatistics()
    statistics.offered("main", NOON_S)
    statistics.take_changed()
    statistics.counted_before("main", int(NOON_S), Counters(offered=2, longest_wait_s=9.0))
    statistics.counted_before("main", int(NOON_S), Counters(offered=3))  # of another life
    statistics.counted_before("main", int(NOON_S) - 1800, Counters(offered=5))
    assert [(starts, row.offered) for starts, row in statistics.intervals("main")] == [
        (NOON_S - 1800, 5),
        (NOON_S, 6),
    ]
    assert statistics.total(["main"]).offered == 11
    assert statistics.total(["main"]).longest_wait_s == 9.0
    assert statistics.take_changed() == []
    statistics.offered("main", NOON_S)
    assert [counted.offered for _, _, counted in statistics.take_changed()] == [2]
    statistics.offered("main", NOON_S + 8 * 86_400)  # what is too old is forgotten
    assert statistics.total(["main"]).offered == 1
