"""Who gets a line, and who is refused for which reason."""

import pytest

from server.admission import Admission, Arrival, Cause, Limits, number_of

ALICE = Arrival(caller="sip:+15550100@a.example", trunk="192.0.2.1")


def full_of(limits: Limits, arrival: Arrival = ALICE, *, calls: int) -> Admission:
    admission = Admission(limits)
    for _ in range(calls):
        assert admission.refuses(arrival) is None
        admission.enter(arrival)
    return admission


def test_the_call_after_the_last_line_is_refused_until_one_is_free():
    admission = full_of(Limits(calls=2), calls=2)
    assert admission.refuses(ALICE) is Cause.FULL
    admission.leave(ALICE)
    assert admission.refuses(ALICE) is None


def test_trunk_has_its_own_limit_and_others_do_not_notice():
    admission = full_of(Limits(calls=9, per_trunk=2), calls=2)
    assert admission.refuses(ALICE) is Cause.TRUNK_FULL
    assert admission.refuses(Arrival(caller=ALICE.caller, trunk="192.0.2.2")) is None


def test_trunk_that_is_named_has_the_limit_that_is_named():
    limits = Limits(calls=9, per_trunk=1, trunks={"192.0.2.1": 3})
    assert full_of(limits, calls=3).refuses(ALICE) is Cause.TRUNK_FULL


def test_call_over_no_trunk_has_no_trunks_limit():
    nowhere = Arrival(caller="+1")
    assert full_of(Limits(calls=9, per_trunk=1), nowhere, calls=3).refuses(nowhere) is None


def test_caller_is_one_whichever_way_they_call():
    admission = full_of(Limits(calls=9, per_caller=1), calls=1)
    again = Arrival(caller="tel:+1-555-0100", trunk="192.0.2.9")
    assert admission.refuses(again) is Cause.CALLER_FULL
    assert admission.refuses(Arrival(caller="+15550101")) is None


def test_callers_who_withhold_their_number_share_no_limit():
    hidden = Arrival(caller="sip:anonymous@anonymous.invalid")
    assert full_of(Limits(calls=9, per_caller=1), hidden, calls=3).refuses(hidden) is None


def test_without_headroom_nobody_is_welcome_though_lines_are_free():
    admission = Admission(Limits(calls=9), has_headroom=lambda: False)
    assert admission.refuses(ALICE) is Cause.NO_HEADROOM


def test_draining_refuses_everyone_and_counts_down():
    admission = full_of(Limits(calls=9), calls=1)
    admission.draining = True
    assert admission.refuses(ALICE) is Cause.DRAINING
    admission.leave(ALICE)
    assert admission.active == 0


@pytest.mark.parametrize(
    ("caller", "number"),
    [
        ("sip:+1(555)0100@pbx;user=phone", "+15550100"),
        ("+15550100", "+15550100"),
        ("tel:0049301234", "0049301234"),
        ("sip:Alice@A.example", "alice@a.example"),
        ("anonymous", ""),
        ("Anonymous", ""),
        ("", ""),
        ("sip:anonymous@192.0.2.1", ""),
        ("sip:x@Anonymous.invalid", ""),
    ],
)
def test_caller_is_counted_by(caller: str, number: str):
    assert number_of(caller) == number
