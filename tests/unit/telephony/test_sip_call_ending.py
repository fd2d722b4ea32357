"""Calls at the sans-I/O core when either side hangs up, at any point of the call."""

import pytest

from telephony.sip.outputs import CallEstablished
from tests.fakes.sip_desk import Desk, requests, responses, statuses


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_bye_of_the_caller_ends_the_call(desk: Desk):
    desk.establish()
    assert desk.in_dialog("BYE").status == 200
    assert (desk.endings, desk.is_closed) == (["caller_hangup"], True)
    assert desk.in_dialog("INFO", number=3).status == 481


def test_bye_before_the_answer_refuses_the_invite_too(desk: Desk):
    desk.invite()
    desk.ring()
    assert statuses(desk.request("BYE", number=2, to_tag=desk.tag)) == [487, 200]
    assert (desk.endings, desk.is_closed) == (["caller_hangup"], True)


def test_bye_without_ack_ends_the_call_and_the_repetitions(desk: Desk):
    desk.invite()
    desk.answer()
    assert desk.in_dialog("BYE").status == 200
    assert (desk.endings, desk.pass_time(60.0)) == (["caller_hangup"], [])


def test_our_bye_carries_the_dialog_and_is_settled_by_its_answer(desk: Desk):
    desk.establish()
    (bye,) = desk.hang_up()
    assert (bye.method, str(bye.uri)) == ("BYE", "sip:caller@192.0.2.1:5062")
    assert (bye.call_id, bye.from_tag, bye.to_tag) == ("call", desk.tag, "caller")
    assert (bye.cseq.number, bye.headers.get("Max-Forwards")) == (1, "70")
    assert (desk.endings, desk.is_closed) == (["server_hangup"], False)
    desk.respond(bye, 200)
    assert desk.is_closed


def test_our_bye_is_repeated_and_given_up(desk: Desk):
    desk.establish()
    desk.hang_up()
    sent = desk.pass_time(40.0)
    assert [at_s for at_s, _ in sent] == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert desk.is_closed


@pytest.mark.parametrize("status", [401, 481, 408])
def test_refused_bye_ends_the_call_all_the_same(desk: Desk, status: int):
    desk.establish()
    (bye,) = desk.hang_up()
    desk.respond(bye, status)
    assert desk.is_closed


def test_hanging_up_twice_sends_one_bye(desk: Desk):
    desk.establish()
    assert (len(desk.hang_up()), len(desk.hang_up())) == (1, 0)
    assert desk.endings == ["server_hangup"]


def test_hanging_up_an_offered_call_refuses_it(desk: Desk):
    desk.invite()
    assert desk.hang_up() == []
    assert [response.status for response in responses(desk.outputs)] == [100, 480]
    assert desk.is_closed


def test_hanging_up_before_ack_waits_for_it(desk: Desk):
    desk.invite()
    desk.answer()
    assert desk.hang_up() == []
    assert desk.endings == ["server_hangup"]
    assert len(desk.pass_time(0.5)) == 1  # the 200 goes on
    desk.ack()
    assert [request.method for request in requests(desk.outputs)] == ["BYE"]
    assert (desk.endings, desk.events(CallEstablished)) == (["server_hangup"], [])


def test_hanging_up_before_an_ack_that_never_comes_sends_bye_in_the_end(desk: Desk):
    desk.invite()
    desk.answer()
    desk.hang_up()
    desk.pass_time(33.0)
    assert {request.method for request in requests(desk.outputs)} == {"BYE"}
    desk.pass_time(70.0)
    assert (desk.endings, desk.is_closed) == (["server_hangup"], True)


def test_both_sides_hanging_up_at_once_is_fine(desk: Desk):
    desk.establish()
    (bye,) = desk.hang_up()
    assert desk.in_dialog("BYE").status == 200
    assert desk.in_dialog("INFO", number=3).status == 481
    desk.respond(bye, 200)
    assert (desk.endings, desk.is_closed) == (["server_hangup"], True)


def test_nothing_is_left_of_a_finished_call(desk: Desk):
    desk.establish()
    desk.in_dialog("BYE")
    desk.pass_time(200.0)
    assert (desk.agent.call_count, desk.agent.next_deadline_s()) == (0, None)
