from telephony.rtp.source import SourceTracker, Verdict

SSRC, OTHER = 1, 2


def feed(tracker: SourceTracker, *sequences: int, ssrc: int = SSRC) -> list[Verdict]:
    return [tracker.receive(ssrc, sequence % 65536) for sequence in sequences]


def test_packets_in_order_are_the_newest_each() -> None:
    assert feed(SourceTracker(), 10, 11, 12) == [Verdict.NEWEST] * 3


def test_order_and_count_survive_the_wrap() -> None:
    tracker = SourceTracker()
    assert feed(tracker, *range(65_530, 65_545)) == [Verdict.NEWEST] * 15
    assert tracker.sequence == 65_544
    assert tracker.lost == 0


def test_a_gap_counts_as_lost_until_it_is_filled() -> None:
    tracker = SourceTracker()
    feed(tracker, 10, 12)
    assert tracker.lost == 1
    assert feed(tracker, 11) == [Verdict.REORDERED]
    assert tracker.lost == 0


def test_a_packet_before_the_first_is_reordered_not_gained() -> None:
    tracker = SourceTracker()
    assert feed(tracker, 10, 9) == [Verdict.NEWEST, Verdict.REORDERED]
    assert tracker.lost == 0


def test_a_repeated_packet_is_a_duplicate() -> None:
    tracker = SourceTracker()
    assert feed(tracker, 10, 11, 11, 10) == [
        Verdict.NEWEST,
        Verdict.NEWEST,
        Verdict.DUPLICATE,
        Verdict.DUPLICATE,
    ]
    assert tracker.duplicates == 2


def test_one_stray_packet_of_another_source_changes_nothing() -> None:
    tracker = SourceTracker()
    feed(tracker, 10)
    assert feed(tracker, 500, ssrc=OTHER) == [Verdict.PROBATION]
    assert feed(tracker, 11) == [Verdict.NEWEST]


def test_a_second_packet_of_another_source_makes_it_ours() -> None:
    tracker = SourceTracker()
    feed(tracker, 10, 12)
    assert feed(tracker, 500, 501, 502, ssrc=OTHER) == [
        Verdict.PROBATION,
        Verdict.RESTARTED,
        Verdict.NEWEST,
    ]
    assert (tracker.restarts, tracker.lost) == (1, 1)


def test_two_interleaved_sources_do_not_take_turns() -> None:
    tracker = SourceTracker()
    feed(tracker, 10)
    for step in range(1, 20):
        assert feed(tracker, 500 + step, ssrc=OTHER) == [Verdict.PROBATION]
        assert feed(tracker, 10 + step) == [Verdict.NEWEST]


def test_sequence_numbers_that_start_anew_are_believed_at_the_second_packet() -> None:
    tracker = SourceTracker()
    feed(tracker, 10)
    assert feed(tracker, 40_000, 40_001) == [Verdict.PROBATION, Verdict.RESTARTED]
    assert tracker.sequence == 40_001


def test_missing_numbers_between_two_are_known() -> None:
    tracker = SourceTracker()
    feed(tracker, 10, 11, 13, 14)
    assert tracker.missing_between(11, 13)
    assert tracker.missing_between(10, 14)
    assert not tracker.missing_between(10, 11)
    assert not tracker.missing_between(13, 14)
    feed(tracker, 12)
    assert not tracker.missing_between(10, 14)
