"""Calls at the sans-I/O core from INVITE to ACK, or to the CANCEL that comes before it."""

import pytest

from telephony.sip.errors import LocalProtocolError
from telephony.sip.outputs import CallEnded, CallEstablished, CallOffered
from telephony.sip.sdp import parse_sdp
from tests.fakes.sip_desk import OFFER, SDP, Desk, requests, responses, statuses


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_call_is_offered_rung_answered_and_established(desk: Desk):
    assert desk.invite() == [100]
    assert desk.ring() == [180]
    assert desk.answer() == [200]
    assert desk.events(CallEstablished) == []
    desk.ack()
    (established,) = desk.events(CallEstablished)
    assert isinstance(established, CallEstablished)
    assert established.agreement.remote_port == 6000
    assert established.agreement.event_payload_type == 101


def test_200_opens_the_dialog_with_contact_route_tag_and_description(desk: Desk):
    desk.invite("Record-Route: <sip:p1;lr>, <sip:p2;lr>", "Record-Route: <sip:p3;lr>")
    desk.answer()
    ok = responses(desk.outputs)[-1]
    assert ok.headers.get("Contact") == "<sip:192.0.2.9:5060>"
    assert ok.headers.get_all("Record-Route") == ("<sip:p1;lr>, <sip:p2;lr>", "<sip:p3;lr>")
    assert ok.to_tag == desk.tag
    assert "INVITE" in ok.headers.get_list("Allow")
    assert parse_sdp(ok.body).media[0].port == 4000


def test_repeated_invite_is_one_call_with_one_tag(desk: Desk):
    desk.invite()
    assert desk.invite() == [100]
    desk.ring()
    assert desk.invite() == [180]
    desk.answer()
    assert desk.invite() == []  # the 200 is repeated by its own timer
    assert len(desk.events(CallOffered)) == 1
    tagged = {response.to_tag for response in responses(desk.outputs) if response.status > 100}
    assert tagged == {desk.tag}


def test_invite_by_two_ways_is_merged(desk: Desk):
    desk.invite()
    assert desk.invite(branch="z9hG4bKother") == [482]


def test_200_is_repeated_until_ack(desk: Desk):
    desk.invite()
    desk.answer()
    ok = desk.pass_time(4.0)
    assert [at_s for at_s, _ in ok] == [0.5, 1.5, 3.5]
    assert len({data for _, data in ok}) == 1
    desk.ack()
    assert desk.pass_time(60.0) == []
    assert desk.agent.statistics.retransmitted == 3


def test_call_without_ack_is_ended_with_bye(desk: Desk):
    desk.invite()
    desk.answer()
    sent = desk.pass_time(32.0)
    assert [at_s for at_s, _ in sent] == [
        0.5,
        1.5,
        3.5,
        7.5,
        11.5,
        15.5,
        19.5,
        23.5,
        27.5,
        31.5,
        32.0,
    ]
    assert sent[-1][1].startswith(b"BYE sip:caller@192.0.2.1:5062 SIP/2.0\r\n")
    assert desk.endings == ["no_ack"]
    desk.pass_time(64.0)
    assert desk.is_closed


def test_ringing_is_repeated_each_minute(desk: Desk):
    desk.invite()
    desk.ring()
    assert [at_s for at_s, _ in desk.pass_time(150.0)] == [60.0, 120.0]


def test_invite_without_description_gets_our_offer_and_answers_in_ack(desk: Desk):
    assert desk.invite(body="") == [100]
    desk.answer()
    assert parse_sdp(responses(desk.outputs)[-1].body).media[0].formats == ("0", "8", "101")
    desk.ack(SDP, body=OFFER.replace("0 101", "8"))
    (established,) = desk.events(CallEstablished)
    assert isinstance(established, CallEstablished)
    assert (established.agreement.codec, established.agreement.event_payload_type) == ("PCMA", None)


@pytest.mark.parametrize("body", ["", "v=9\r\n", OFFER.replace("0 101", "18")])
def test_ack_without_a_usable_answer_ends_the_call(desk: Desk, body: str):
    desk.invite(body="")
    desk.answer()
    desk.ack(*([SDP] if body else []), body=body)
    assert desk.endings == ["server_hangup"]
    assert [request.method for request in requests(desk.outputs)] == ["BYE"]
    (ended,) = desk.events(CallEnded)
    assert isinstance(ended, CallEnded)
    assert ended.error is not None


def test_cancel_ends_an_offered_call_with_487(desk: Desk):
    desk.invite()
    desk.ring()
    assert statuses(desk.request("CANCEL", branch="z9hG4bKinvite")) == [200, 487]
    assert (desk.endings, desk.is_closed) == (["cancelled"], True)
    assert {r.to_tag for r in responses(desk.outputs) if r.status > 100} == {desk.tag}


def test_cancel_needs_no_extension_to_be_understood(desk: Desk):
    desk.invite()
    assert statuses(desk.request("CANCEL", "Require: x", branch="z9hG4bKinvite")) == [200, 487]


def test_cancel_after_the_answer_changes_nothing(desk: Desk):
    desk.invite()
    desk.answer()
    assert statuses(desk.request("CANCEL", branch="z9hG4bKinvite")) == [200]
    desk.ack()
    assert (desk.endings, len(desk.events(CallEstablished))) == ([], 1)


def test_answer_after_cancel_is_our_mistake(desk: Desk):
    desk.invite()
    desk.request("CANCEL", branch="z9hG4bKinvite")
    with pytest.raises(LocalProtocolError):
        desk.answer()


def test_answering_twice_is_our_mistake_and_changes_nothing(desk: Desk):
    desk.establish()
    with pytest.raises(LocalProtocolError):
        desk.answer()
    assert desk.in_dialog("OPTIONS").status == 200
