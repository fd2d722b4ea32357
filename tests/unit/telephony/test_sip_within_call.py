"""Requests within a call at the sans-I/O core: re-INVITE, UPDATE, INFO, and their order."""

import pytest

from telephony.sip.info_keys import read_key
from telephony.sip.media import Direction
from telephony.sip.outputs import KeySignalled, MediaChanged, Transmit
from telephony.sip.sdp import parse_sdp
from tests.fakes.sip_desk import OFFER, SDP, Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_request_out_of_order_is_refused_with_500(desk: Desk):
    desk.establish()
    assert desk.in_dialog("OPTIONS", number=7).status == 200
    assert desk.in_dialog("OPTIONS", number=6).status == 500
    assert desk.in_dialog("OPTIONS", number=8).status == 200


def test_hold_and_resume_are_answered_and_reported(desk: Desk):
    desk.establish()
    held = desk.in_dialog("INVITE", SDP, number=2, body=OFFER + "a=sendonly\r\n")
    assert (held.status, b"a=recvonly" in held.body) == (200, True)
    desk.ack(number=2)
    desk.in_dialog("INVITE", SDP, number=3, body=OFFER + "a=inactive\r\n")
    desk.ack(number=3)
    desk.in_dialog("INVITE", SDP, number=4, body=OFFER)
    desk.ack(number=4)
    assert desk.changes == [Direction.RECVONLY, Direction.INACTIVE, Direction.SENDRECV]


def test_reinvite_that_changes_nothing_is_not_reported_and_keeps_the_version(desk: Desk):
    desk.establish()
    again = desk.in_dialog("INVITE", SDP, body=OFFER)
    assert (desk.changes, parse_sdp(again.body).origin.version) == ([], "1")


def test_reinvite_that_cannot_be_met_leaves_the_call_as_it_was(desk: Desk):
    desk.establish()
    assert desk.in_dialog("INVITE", SDP, body=OFFER.replace("0 101", "18")).status == 488
    assert (desk.changes, desk.endings) == ([], [])
    assert desk.in_dialog("INVITE", SDP, number=3, body="v=0\r\n").status == 400
    assert desk.in_dialog("BYE", number=4).status == 200


def test_reinvite_without_description_is_settled_by_its_ack(desk: Desk):
    desk.establish()
    offered = desk.in_dialog("INVITE")
    assert parse_sdp(offered.body).media[0].formats == ("0", "8", "101")
    desk.ack(SDP, number=2, body=OFFER.replace("6000", "7000"))
    (changed,) = desk.events(MediaChanged)
    assert isinstance(changed, MediaChanged)
    assert changed.agreement.remote_port == 7000


def test_reinvite_before_the_answer_must_wait(desk: Desk):
    desk.invite()
    response = desk.in_dialog("INVITE", SDP, body=OFFER)
    assert response.status == 500
    assert 0 <= int(response.headers.get("Retry-After") or "-1") <= 10


def test_reinvite_while_another_waits_for_its_ack_is_glare(desk: Desk):
    desk.establish()
    desk.in_dialog("INVITE", SDP, number=2, body=OFFER)
    assert desk.in_dialog("INVITE", SDP, number=3, body=OFFER).status == 491


def test_reinvite_without_ack_ends_the_call(desk: Desk):
    desk.establish()
    desk.in_dialog("INVITE", SDP, body=OFFER)
    desk.pass_time(33.0)
    assert desk.endings == ["no_ack"]


def test_reinvite_moves_the_target_of_our_requests(desk: Desk):
    desk.establish()
    desk.send(
        "INVITE sip:192.0.2.9:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bKm\r\n"
        f"From: <sip:caller@example.com>;tag=caller\r\nTo: <sip:desk@192.0.2.9>;tag={desk.tag}\r\n"
        "Call-ID: call\r\nCSeq: 2 INVITE\r\nContact: <sip:moved@198.51.100.7:5099>\r\n"
        f"{SDP}\r\n\r\n{OFFER}"
    )
    (bye,) = desk.hang_up()
    assert str(bye.uri) == "sip:moved@198.51.100.7:5099"
    destinations = [o.destination for o in desk.outputs if isinstance(o, Transmit)]
    assert destinations[-1] == ("198.51.100.7", 5099)


def test_update_renegotiates_and_refreshes(desk: Desk):
    desk.establish()
    held = desk.in_dialog("UPDATE", SDP, body=OFFER + "a=sendonly\r\n")
    assert (held.status, b"a=recvonly" in held.body) == (200, True)
    refreshed = desk.in_dialog("UPDATE", number=3)
    assert (refreshed.status, refreshed.body) == (200, b"")
    assert desk.changes == [Direction.RECVONLY]


def test_update_with_an_offer_before_the_answer_must_wait(desk: Desk):
    desk.invite()
    assert desk.in_dialog("UPDATE", SDP, body=OFFER).status == 500


@pytest.mark.parametrize(
    ("content_type", "body", "key"),
    [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", "5"),
        ("application/dtmf-relay", "Signal= *\nDuration= 250", "*"),
        ("application/dtmf-relay; x=y", "Duration=160\r\nSignal=11\r\n", "#"),
        ("application/dtmf", "#", "#"),
        ("Application/DTMF", "d\r\n", "D"),
    ],
)
def test_info_delivers_a_key(desk: Desk, content_type: str, body: str, key: str):
    desk.establish()
    assert desk.in_dialog("INFO", f"Content-Type: {content_type}", body=body).status == 200
    assert [o.key for o in desk.outputs if isinstance(o, KeySignalled)] == [key]


@pytest.mark.parametrize(
    "body", [b"", b"E", b"16", b"Signal=\r\n", b"12345", b"\xff", "５".encode()]
)
def test_body_without_a_key_has_none(body: bytes):
    assert read_key(body) is None


def test_info_without_a_body_is_accepted_and_an_unknown_one_refused(desk: Desk):
    desk.establish()
    assert desk.in_dialog("INFO").status == 200
    refused = desk.in_dialog("INFO", "Content-Type: text/plain", number=3, body="x")
    assert (refused.status, refused.headers.get_list("Accept")) == (
        *(415, ("application/dtmf-relay", "application/dtmf")),
    )
    assert desk.events(KeySignalled) == []
