"""Requests that the sans-I/O core refuses, drops, or answers without a call."""

import pytest

from telephony.sip.outputs import CallOffered
from tests.fakes.sip_desk import OFFER, SDP, Desk, statuses


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_refused_call_is_over_and_its_refusal_repeated_until_ack(desk: Desk):
    desk.invite()
    assert desk.refuse(486) == [486]
    assert (desk.endings, desk.is_closed) == (["server_hangup"], True)
    assert len(desk.pass_time(2.0)) == 2
    desk.request("ACK", branch="z9hG4bKinvite", to_tag=desk.tag)
    assert desk.pass_time(60.0) == []


def test_full_server_refuses_with_503_and_retry_after(desk: Desk):
    desk.retry_after_s = 7
    (response,) = desk.request("INVITE", SDP, body=OFFER)
    assert (response.status, response.headers.get("Retry-After")) == (503, "7")
    assert (desk.agent.statistics.refused, desk.events(CallOffered)) == (1, [])


def test_probe_is_told_what_a_call_would_be_told_and_counts_as_none(desk: Desk):
    (well,) = desk.request("OPTIONS")
    assert (well.status, well.headers.get("Allow") is not None) == (200, True)
    desk.retry_after_s = 7
    (full,) = desk.request("OPTIONS", branch="z9hG4bKfull", number=2)
    assert (full.status, full.headers.get("Retry-After")) == (503, "7")
    assert (desk.agent.statistics.refused, desk.asked) == (0, [])


def test_admission_is_asked_with_the_caller_and_where_the_call_comes_from(desk: Desk):
    desk.invite()
    [(caller, source)] = desk.asked
    assert caller.startswith("sip:")
    [offered] = desk.events(CallOffered)
    assert isinstance(offered, CallOffered)
    assert source == offered.peer


@pytest.mark.parametrize(
    ("method", "lines", "body", "status"),
    [
        ("REGISTER", (), "", 405),
        ("SUBSCRIBE", (), "", 405),
        ("FLY", (), "", 501),
        ("INVITE", ("Require: 100rel, x",), "", 420),
        ("INVITE", ("Content-Type: text/plain",), "hello", 415),
        ("INVITE", (SDP, "Content-Encoding: gzip"), OFFER, 415),
        ("INVITE", (), OFFER, 400),
        ("INVITE", (SDP,), "v=0\r\n", 400),
        ("INVITE", (SDP,), OFFER.replace("0 101", "18"), 488),
        ("INVITE", (SDP, "Accept: text/plain"), OFFER, 406),
        ("BYE", (), "", 481),
        ("INFO", (), "", 481),
        ("CANCEL", (), "", 481),
    ],
)
def test_request_that_cannot_be_served_is_refused(
    desk: Desk, method: str, lines: tuple[str, ...], body: str, status: int
):
    assert statuses(desk.request(method, *lines, body=body)) == [status]
    assert desk.events(CallOffered) == []


def test_refusals_say_what_would_be_accepted(desk: Desk):
    (method,) = desk.request("REGISTER")
    assert "INVITE" in method.headers.get_list("Allow")
    (extension,) = desk.request("OPTIONS", "Require: a", "Require: b", number=2)
    assert extension.headers.get_list("Unsupported") == ("a", "b")
    (body,) = desk.request("INVITE", "Content-Type: text/plain", number=3, body="x")
    assert body.headers.get("Accept") == "application/sdp"


def test_body_that_need_not_be_understood_is_ignored(desk: Desk):
    lines = ("Content-Type: text/plain", "Content-Disposition: render; handling=optional")
    assert statuses(desk.request("INVITE", *lines, body="hello")) == [100]


def test_unknown_uri_scheme_is_refused_and_telephone_numbers_are_not(desk: Desk):
    assert statuses(desk.request("OPTIONS", uri="http://example.com")) == [416]
    assert statuses(desk.request("OPTIONS", uri="tel:+15550100", number=2)) == [200]


def test_request_with_no_hops_left_has_arrived(desk: Desk):
    data = "OPTIONS sip:desk@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKz\r\n"
    data += "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: z\r\nCSeq: 1 OPTIONS\r\n"
    assert statuses(desk.send(data + "Max-Forwards: 0\r\n\r\n")) == [200]


def test_options_are_answered_with_what_we_can_do(desk: Desk):
    (response,) = desk.request("OPTIONS")
    assert response.status == 200
    assert set(response.headers.get_list("Allow")) >= {"INVITE", "ACK", "CANCEL", "BYE", "INFO"}
    assert response.headers.get("Accept") == "application/sdp"
    assert "Supported" in response.headers
    assert response.to_tag is not None


@pytest.mark.parametrize("method", ["INVITE", "BYE", "INFO", "UPDATE", "OPTIONS"])
def test_request_to_an_unknown_dialog_is_told_481(desk: Desk, method: str):
    assert statuses(desk.request(method, to_tag="nobody")) == [481]


def test_stray_ack_and_response_are_counted_and_dropped(desk: Desk):
    assert desk.request("ACK", to_tag="nobody") == []
    desk.send(
        "SIP/2.0 200 OK\r\n" + "Via: SIP/2.0/UDP h;branch=z9hG4bKz\r\nFrom: <sip:a@b>;tag=1\r\n"
        "To: <sip:c@d>;tag=2\r\nCall-ID: z\r\nCSeq: 1 BYE\r\n\r\n"
    )
    assert (desk.outputs, desk.agent.statistics.stray) == ([], 2)


def test_malformed_request_is_refused_alike_each_time_and_without_state(desk: Desk):
    text = "INVITE sip:desk SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;rport;branch=z9hG4bKm\r\n"
    text += "CSeq: 1 INVITE\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n"
    text += "Call-ID: m\r\nMax-Forwards: x\r\n\r\n"
    (first,), (second,) = desk.send(text), desk.send(text)
    assert (first, first.status) == (second, 400)
    assert first.to_tag is not None
    assert first.via.parameters.get("rport") == "5062"
    assert desk.agent.next_deadline_s() is None
    assert desk.agent.statistics.malformed == 2


def test_malformed_request_keeps_the_tag_it_had(desk: Desk):
    text = "BYE sip:desk SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKm\r\nCSeq: 1 BYE\r\n"
    text += "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=old\r\nCall-ID: m\r\nMax-Forwards: x\r\n"
    (response,) = desk.send(text + "\r\n")
    assert (response.status, response.to_tag) == (400, "old")


def test_keep_alive_is_neither_answered_nor_malformed(desk: Desk):
    assert desk.send("\r\n\r\n") == []
    assert desk.agent.statistics.malformed == 0
