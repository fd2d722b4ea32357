from telephony.rtp.latch import SourceLatch

AGREED, BEHIND_NAT, THIRD = ("192.0.2.1", 4000), ("198.51.100.7", 61000), ("203.0.113.9", 5)


def latch() -> SourceLatch:
    made = SourceLatch(relatch_after_s=2.0)
    made.agree(AGREED)
    return made


def test_we_send_to_the_agreed_address_until_someone_is_heard() -> None:
    assert latch().destination == AGREED


def test_we_send_to_where_the_first_packet_came_from() -> None:
    opened = latch()
    assert opened.admit(BEHIND_NAT, 1.0)
    assert opened.destination == BEHIND_NAT


def test_a_third_party_cannot_take_a_live_stream() -> None:
    opened = latch()
    opened.admit(BEHIND_NAT, 1.0)
    for tick in range(50, 500):
        assert opened.admit(BEHIND_NAT, tick / 50)
        assert not opened.admit(THIRD, tick / 50)
    assert opened.destination == BEHIND_NAT


def test_a_caller_who_moved_is_heard_after_a_silence() -> None:
    opened = latch()
    opened.admit(BEHIND_NAT, 1.0)
    assert not opened.admit(THIRD, 2.9)
    assert opened.admit(THIRD, 3.0)
    assert opened.destination == THIRD


def test_the_agreed_address_takes_its_stream_back_at_once() -> None:
    opened = latch()
    opened.admit(THIRD, 1.0)
    assert opened.admit(AGREED, 1.02)
    assert not opened.admit(THIRD, 1.04)


def test_a_new_agreed_address_opens_the_latch() -> None:
    opened = latch()
    opened.admit(BEHIND_NAT, 1.0)
    opened.agree(THIRD)
    assert opened.destination == THIRD
    assert opened.admit(THIRD, 1.02)


def test_the_same_agreement_again_keeps_the_latch() -> None:
    opened = latch()
    opened.admit(BEHIND_NAT, 1.0)
    opened.agree(AGREED)
    assert opened.destination == BEHIND_NAT


def test_without_an_address_we_send_nowhere_until_someone_is_heard() -> None:
    opened = SourceLatch()
    assert opened.destination is None
    opened.admit(BEHIND_NAT, 0.0)
    assert opened.destination == BEHIND_NAT
