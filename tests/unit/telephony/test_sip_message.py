"""Parsing and writing of SIP messages: octets in, values out, octets back."""

import pytest

from telephony.sip.errors import (
    AnswerableMessageError,
    LocalProtocolError,
    MalformedValueError,
    UnanswerableMessageError,
)
from telephony.sip.grammar import split_list
from telephony.sip.headers import Headers, parse_name_address, parse_via
from telephony.sip.message import Request, Response, respond, serialise
from telephony.sip.parser import parse
from telephony.sip.uri import parse_uri

MINIMAL = (
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa",
    "From: <sip:a@example.com>;tag=1",
    "To: <sip:b@example.com>",
    "Call-ID: x",
    "CSeq: 1 OPTIONS",
)


def octets(*lines: str, start: str = "OPTIONS sip:b@example.com SIP/2.0", body: str = "") -> bytes:
    return ("\r\n".join([start, *lines]) + "\r\n\r\n" + body).encode()


def request(*lines: str, body: str = "") -> Request:
    parsed = parse(octets(*MINIMAL, *lines, body=body))
    assert isinstance(parsed, Request)
    return parsed


def test_compact_names_and_any_case_mean_the_same_field():
    data = octets(
        "v: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa",
        "F: <sip:a@example.com>;tag=1",
        "t: <sip:b@example.com>",
        "i: x",
        "cSEQ: 1 OPTIONS",
    )
    parsed = parse(data)
    assert (parsed.call_id, parsed.from_tag) == ("x", "1")
    assert [name for name, _ in parsed.headers] == ["Via", "From", "To", "Call-ID", "CSeq"]


def test_folded_field_is_one_line():
    assert request("Subject: one", "\ttwo", "   three").headers.get("subject") == "one two three"


def test_line_ends_before_the_start_line_are_ignored():
    assert isinstance(parse(b"\r\n\r\n" + octets(*MINIMAL)), Request)


def test_comma_list_leaves_quotes_and_angle_brackets_alone():
    text = '"A, B" <sip:a@example.com;x=1,2>, <sip:b@example.com> , "q\\",\\"" <sip:c@d>'
    assert list(split_list(text)) == [
        '"A, B" <sip:a@example.com;x=1,2>',
        "<sip:b@example.com>",
        '"q\\",\\"" <sip:c@d>',
    ]


def test_vias_in_one_field_and_in_several_are_one_list():
    parsed = request("Via: SIP/2.0/TCP h2;branch=b, SIP/2.0/TLS h3", "v: SIP/2.0/UDP [::1]:5062")
    assert [(via.transport, *via.sent_by) for via in parsed.vias] == [
        ("UDP", "192.0.2.1", 5060),
        ("TCP", "h2", 5060),
        ("TLS", "h3", 5060),
        ("UDP", "[::1]", 5062),
    ]


def test_display_name_loses_its_quotes_and_escapes():
    address = parse_name_address('"A \\"B\\" \\\\C" <sip:a@example.com;lr>;tag=x;flag')
    assert address.display_name == 'A "B" \\C'
    assert (address.tag, "lr" in address.uri.parameters, "flag" in address.parameters) == (
        *("x", True, True),
    )
    assert parse_name_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "<>", "<sip:a@b", "sip:a@b>", '"open <sip:a@b>', "a,b <sip:a@b>", "sip:a@b,sip:c@d"),
        *("sip:a@b?x=y", "< sip:a@b>", "<sip:a b@c>", "<sip:a@b>x", "<sip:a@b>;", "<sip:a@b>;=x"),
    ],
)
def test_malformed_address_is_refused(text: str):
    with pytest.raises(MalformedValueError):
        parse_name_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "sip:example.com",
        "sip:a@example.com:5061;transport=udp;lr?Subject=x",
        "sips:+1(555)0100;phone-context=x:secret@[2001:db8::1]:5060",
        "tel:+15550100",
        "urn:service:sos",
    ],
)
def test_uri_is_written_as_it_was_read(text: str):
    assert str(parse_uri(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "sip:", "sip:@h", "sip:a@", "sip:a@h:", "sip:a@h:99999", "sip:a@h:x", "sip:a%4@h"),
        *(
            "sip:a@h;",
            "sip:a@h?",
            "sip:a@b@c",
            "sip:a@-h",
            "sip:[::1",
            "nothing",
            "1x:y",
            "sip:ü@h",
        ),
    ],
)
def test_malformed_uri_is_refused(text: str):
    with pytest.raises(MalformedValueError):
        parse_uri(text)


def test_identity_of_a_uri_has_no_secrets_and_no_routing():
    assert parse_uri("sip:a:pw@h:5070;lr?x=y").identity == "sip:a@h:5070"


def test_content_length_cuts_the_body_and_is_written_from_it():
    parsed = request("Content-Type: text/plain", "Content-Length: 3", body="abcdef")
    assert parsed.body == b"abc"
    assert "Content-Length" not in parsed.headers
    assert serialise(parsed).endswith(b"\r\nContent-Length: 3\r\n\r\nabc")


def test_without_content_length_the_body_is_the_rest():
    assert request("Content-Type: text/plain", body="abc\r\n").body == b"abc\r\n"


def test_octets_that_are_no_utf8_pass_unharmed():
    data = octets(*MINIMAL).replace(b"Call-ID: x", b"Call-ID: x\r\nSubject: \xff\xfe")
    assert b"\r\nSubject: \xff\xfe\r\n" in serialise(parse(data))


@pytest.mark.parametrize(
    "line",
    [
        "no colon",
        ": no name",
        "Sub ject: x",
        "Subject: a\rb",
        "Subject: a\nb",
        "Content-Length: -1",
        "Content-Length: 99999999999999999999",
        "Content-Length: ١",
        "Content-Length: 4",
        "Max-Forwards: 256",
        "Max-Forwards: x",
        "To: <sip:c@example.com>",
        "Contact: <sip:a@b",
        "Record-Route: sip:a@b,,<",
        "Via: SIP/2.0/UDP",
        "Via: SIP/1.0/UDP h",
        "Date: Sat, 13 Nov 2010 23:29:00 EST",
        "Content-Type: sdp",
    ],
)
def test_request_with_one_bad_line_can_be_answered_with_400(line: str):
    with pytest.raises(AnswerableMessageError) as caught:
        parse(octets(*MINIMAL, line))
    assert caught.value.status == 400
    assert ("Call-ID", "x") in caught.value.fields


@pytest.mark.parametrize("field", ["From", "To", "Call-ID"])
def test_request_without_a_needed_field_can_be_answered(field: str):
    with pytest.raises(AnswerableMessageError):
        parse(octets(*(line for line in MINIMAL if not line.startswith(field))))


@pytest.mark.parametrize("field", ["Via", "CSeq"])
def test_request_that_no_answer_could_be_matched_to_gets_silence(field: str):
    with pytest.raises(UnanswerableMessageError):
        parse(octets(*(line for line in MINIMAL if not line.startswith(field))))


def test_malformed_ack_gets_silence():
    lines = [line.replace("OPTIONS", "ACK") for line in MINIMAL]
    with pytest.raises(UnanswerableMessageError):
        parse(octets(*lines, "bad", start="ACK sip:b@example.com SIP/2.0"))


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00", b"\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"SIP/2.0 99 x\r\n\r\n"],
)
def test_what_is_no_sip_gets_silence(data: bytes):
    with pytest.raises(UnanswerableMessageError):
        parse(data)


def test_other_version_is_told_505():
    with pytest.raises(AnswerableMessageError) as caught:
        parse(octets(*MINIMAL, start="OPTIONS sip:b@example.com SIP/3.0"))
    assert caught.value.status == 505


def test_hostile_white_space_is_refused():
    with pytest.raises(AnswerableMessageError):
        parse(octets(*MINIMAL, "Contact: " + " " * 60_000 + "x"))
    with pytest.raises(AnswerableMessageError):
        parse(octets(*MINIMAL, "Via: SIP/2.0/UDP h" + " ;" * 30_000))


def test_header_field_with_a_line_end_cannot_be_made():
    with pytest.raises(LocalProtocolError):
        Headers([("Subject", "x\r\nContact: <sip:evil@example.com>")])


def test_response_copies_what_the_sender_needs_to_match_it():
    asked = request("Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKb", "Timestamp: 54")
    trying, ok = respond(asked, 100, to_tag="t"), respond(asked, 200, to_tag="t")
    for response in (trying, ok):
        assert response.headers.get_all("Via") == asked.headers.get_all("Via")
        assert (response.call_id, response.cseq, response.from_tag) == ("x", asked.cseq, "1")
    assert (trying.to_tag, trying.headers.get("Timestamp")) == (None, "54")
    assert (ok.to_tag, ok.headers.get("Timestamp")) == ("t", None)
    assert serialise(ok).startswith(b"SIP/2.0 200 OK\r\nVia: ")
    assert isinstance(parse(serialise(ok)), Response)


def test_response_keeps_the_tag_that_the_request_had():
    asked = request().with_headers(
        (name, value + ";tag=old" if name == "To" else value) for name, value in request().headers
    )
    assert respond(asked, 200, to_tag="new").to_tag == "old"


def test_via_records_the_source_when_asked_or_when_it_differs():
    asked = parse_via("SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bKa")
    assert str(asked.arrived_from("192.0.2.1", 1024)) == (
        "SIP/2.0/UDP 10.0.0.1:5060;rport=1024;branch=z9hG4bKa;received=192.0.2.1"
    )
    plain = parse_via("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa")
    assert plain.arrived_from("192.0.2.1", 1024) == plain
    named = parse_via("SIP/2.0/UDP host.example.com;branch=z9hG4bKa")
    assert named.arrived_from("192.0.2.1", 1024).parameters.get("received") == "192.0.2.1"
