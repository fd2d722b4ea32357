"""How often one address may ask for a call."""

import pytest

from server.offer_rate import OfferRate


def test_burst_is_welcome_and_then_one_at_a_time():
    rate = OfferRate(burst=3, per_minute=6)
    assert [rate.take("a", 0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert rate.take("a", 0.0) == pytest.approx(10.0)
    assert rate.take("a", 9.9) == pytest.approx(0.1)
    assert rate.take("a", 10.0) == 0.0


def test_one_address_does_not_use_up_anothers():
    rate = OfferRate(burst=1)
    assert rate.take("a", 0.0) == 0.0
    assert rate.take("a", 0.0) > 0.0
    assert rate.take("b", 0.0) == 0.0


def test_rest_never_earns_more_than_the_burst():
    rate = OfferRate(burst=2)
    rate.take("a", 0.0)
    assert [rate.take("a", 1e6) > 0 for _ in range(3)] == [False, False, True]


def test_many_addresses_do_not_grow_without_bound():
    rate = OfferRate(burst=1)
    rate.take("first", 0.0)
    for n in range(5000):
        rate.take(str(n), 0.0)
    assert rate.take("first", 0.0) == 0.0  # forgotten
    assert rate.take("4999", 0.0) > 0.0
