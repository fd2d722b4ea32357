"""SIP messages and URIs as the caller reads and writes them."""

import pytest

from loadtest.errors import BadTargetError
from loadtest.sip_message import MalformedMessageError, Request, Response, parse, respond
from loadtest.sip_uri import SipUri, tag_of, uri_of

OPTIONS = (
    b"OPTIONS sip:a@b SIP/2.0\r\n"
    b"v: SIP/2.0/UDP h1;branch=z9hG4bK1, SIP/2.0/UDP h2;branch=z9hG4bK2\r\n"
    b'f: "A, B" <sip:a@b;x=y>;tag=one\r\nt: <sip:c@d>\r\ni: 1@h\r\n'
    b"CSeq: 7\tOPTIONS\r\nSubject: folded\r\n  line\r\nl: 2\r\n\r\nabEXTRA"
)


def test_compact_headers_folding_lists_and_length_are_understood() -> None:
    message = parse(OPTIONS.replace(b"7\tO", b"7 O"))
    assert isinstance(message, Request)
    assert message.method == "OPTIONS"
    assert len(message.all("via")) == 2
    assert message.branch == "z9hG4bK1"
    assert tag_of(message.first("from")) == "one"
    assert message.cseq == (7, "OPTIONS")
    assert message.first("subject") == "folded line"
    assert message.body == b"ab"


def test_message_survives_the_wire() -> None:
    headers = (("Via", "x"), ("From", "y"), ("To", "z"), ("Call-ID", "i"), ("CSeq", "1 BYE"))
    sent = Request(method="BYE", uri="sip:a@b", headers=headers, body=b"hi")
    again = parse(sent.to_bytes())
    assert isinstance(again, Request)
    assert (again.method, again.uri, again.body) == ("BYE", "sip:a@b", b"hi")
    assert again.headers[:5] == headers


def test_response_copies_what_it_must_and_adds_a_tag_once() -> None:
    request = parse(OPTIONS.replace(b"7\tO", b"7 O"))
    assert isinstance(request, Request)
    response = parse(respond(request, 200, "OK", to_tag="two").to_bytes())
    assert isinstance(response, Response)
    assert response.all("via") == request.all("via")
    assert tag_of(response.first("to")) == "two"
    assert response.cseq == request.cseq


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\x80\x00garbage",
        b"HELLO\r\n\r\n",
        b"SIP/2.0 999 No\r\nVia: x\r\nFrom: a\r\nTo: b\r\nCall-ID: c\r\nCSeq: 1 A\r\n\r\n",
        b"SIP/2.0 200 OK\r\nVia: x\r\nFrom: a\r\nTo: b\r\nCSeq: 1 A\r\n\r\n",
        b"SIP/2.0 200 OK\r\nVia: x\r\nFrom: a\r\nTo: b\r\nCall-ID: c\r\nCSeq: one A\r\n\r\n",
        b"SIP/2.0 200 OK\r\nno header\r\n\r\n",
    ],
)
def test_bytes_that_are_not_sip_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        parse(data)


def test_retry_after_is_read_without_its_comment() -> None:
    response = Response(
        status=503, reason="Busy", headers=(("Retry-After", "18 (lunch);duration=3"),)
    )
    assert response.retry_after_s == 18


def test_target_without_a_port_is_5060() -> None:
    uri = SipUri.parse("sip:desk@example.com;transport=udp")
    assert (uri.user, uri.host, uri.port) == ("desk", "example.com", 5060)


@pytest.mark.parametrize(
    "target",
    [
        "",
        "127.0.0.1",
        "tel:+1",
        "sip:",
        "sips:a@b",
        "sip:a@b;transport=tcp",
        "sip:a@b:99999",
        "sip:a b",
    ],
)
def test_target_that_cannot_be_dialled_is_one_line(target: str) -> None:
    with pytest.raises(BadTargetError) as caught:
        SipUri.parse(target)
    assert "\n" not in str(caught.value)


def test_uri_is_found_with_and_without_brackets() -> None:
    assert uri_of('"X" <sip:a@b;lr>;q=1') == "sip:a@b;lr"
    assert uri_of("sip:a@b;tag=1") == "sip:a@b"
    assert tag_of('"tag=no" <sip:a@b;tag=no>;tag=yes') == "yes"
