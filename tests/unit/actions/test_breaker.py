"""Rules of the circuit breaker."""

from actions.breaker import BreakerState, CircuitBreaker


def opened() -> CircuitBreaker:
    breaker = CircuitBreaker(failure_limit=3, cool_down_s=5.0)
    for _ in range(3):
        assert breaker.allow(0.0)
        breaker.failed(0.0)
    return breaker


def test_calls_pass_until_the_limit_of_failures_in_a_row() -> None:
    breaker = CircuitBreaker(failure_limit=3)
    for now_s in range(2):
        breaker.failed(now_s)
    assert breaker.allow(2.0)


def test_an_answer_in_between_starts_the_count_again() -> None:
    breaker = CircuitBreaker(failure_limit=3)
    breaker.failed(0.0)
    breaker.failed(0.0)
    breaker.succeeded()
    breaker.failed(0.0)
    breaker.failed(0.0)
    assert breaker.state is BreakerState.CLOSED


def test_an_open_breaker_refuses_for_the_cool_down() -> None:
    breaker = opened()
    assert breaker.state is BreakerState.OPEN
    assert not breaker.allow(4.9)


def test_one_probe_goes_out_after_the_cool_down() -> None:
    breaker = opened()
    assert breaker.allow(5.0)
    assert breaker.state is BreakerState.HALF_OPEN
    assert not breaker.allow(5.1)


def test_a_successful_probe_closes() -> None:
    breaker = opened()
    breaker.allow(5.0)
    breaker.succeeded()
    assert breaker.allow(5.1)
    assert breaker.state is BreakerState.CLOSED


def test_a_failed_probe_opens_for_another_cool_down() -> None:
    breaker = opened()
    breaker.allow(5.0)
    breaker.failed(6.0)
    assert not breaker.allow(10.9)
    assert breaker.allow(11.0)


def test_a_probe_that_never_reports_is_given_up() -> None:
    breaker = opened()
    breaker.allow(5.0)
    assert breaker.allow(10.0)


def test_late_failures_do_not_prolong_the_cool_down() -> None:
    breaker = opened()
    breaker.failed(4.0)
    assert breaker.allow(5.0)
