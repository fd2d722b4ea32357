"""Whatever octets come, the parsers give a value or their own error; and nothing is lost."""

import string

from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.sip.errors import (
    AnswerableMessageError,
    MalformedMessageError,
    MalformedSdpError,
    NoCommonCodecError,
)
from telephony.sip.grammar import Parameters
from telephony.sip.headers import Headers, NameAddress, Via, parse_name_address, parse_via
from telephony.sip.malformed import refuse_malformed
from telephony.sip.message import Request, Response, serialise
from telephony.sip.offer_answer import LocalMedia, accept_answer, answer_offer
from telephony.sip.parser import parse
from telephony.sip.sdp import MediaDescription, Origin, SessionDescription, parse_sdp
from telephony.sip.uri import Uri, parse_uri

VALID = (
    b"INVITE sip:desk@192.0.2.9:5060;transport=udp SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bKa;rport, SIP/2.0/TCP p.example.com\r\n"
    b'From: "A \\"B\\" C" <sip:a:pw@example.com?x=y>;tag=1\r\nTo: Desk <sip:b@example.com>\r\n'
    b"Call-ID: a84b4c76e66710@pc33.example.com\r\nCSeq: 314159 INVITE\r\nMax-Forwards: 70\r\n"
    b"m: <sip:a@192.0.2.1:5062>;expires=60\r\nRecord-Route: <sip:p1;lr>,\r\n <sip:p2;lr>\r\n"
    b"Date: Sat, 13 Nov 2010 23:29:00 GMT\r\nContent-Type: application/sdp\r\n"
    b"Content-Length: 97\r\n\r\n"
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    b"m=audio 6000 RTP/AVP 0 101\r\na=sendrecv\r\n"
)

# --- generators -----------------------------------------------------------------------------------

tokens = st.text(string.ascii_letters + string.digits + "-.!%*_+`'~", min_size=1, max_size=12)
names = st.text(string.ascii_letters + string.digits + "-_.", min_size=1, max_size=12)
hosts = st.one_of(
    st.from_regex(r"[a-z0-9]([a-z0-9\-]{0,8}[a-z0-9])?(\.[a-z]{2,5}){0,2}", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
ports = st.none() | st.integers(0, 65_535)
escaped = st.text(string.ascii_letters + "-_.!~*'()%", min_size=1, max_size=12).map(
    lambda text: text.replace("%", "%2F")
)
uri_parameters = st.lists(st.tuples(escaped, st.none() | escaped), max_size=3).map(
    lambda items: Parameters(tuple(items))
)
parameters = st.lists(
    st.tuples(tokens, st.none() | tokens | st.just('"quoted \\" ;,<> text"')), max_size=3
).map(lambda items: Parameters(tuple(items)))


@st.composite
def uris(draw: st.DrawFn) -> Uri:
    user = draw(st.none() | escaped)
    return Uri(
        scheme=draw(st.sampled_from(["sip", "sips"])),
        user=user,
        password=None if user is None else draw(st.none() | escaped),
        host=draw(hosts),
        port=draw(ports),
        parameters=draw(uri_parameters),
    )


vias = st.builds(
    Via,
    transport=st.sampled_from(["UDP", "TCP", "TLS"]),
    host=hosts,
    port=ports,
    parameters=parameters,
)
# Characters that SIP allows in a quoted string: no line ends, no lone surrogates.
display_names = st.text(
    st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12
)
addresses = st.builds(NameAddress, uri=uris(), display_name=display_names, parameters=parameters)
free_values = st.text(
    st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=30
).map(lambda text: text.strip(" \t"))
free_fields = st.lists(st.tuples(tokens.map(lambda name: f"X-{name}"), free_values), max_size=4)


@st.composite
def messages(draw: st.DrawFn) -> Request | Response:
    method = draw(st.sampled_from(["INVITE", "OPTIONS", "BYE"]) | tokens)
    fields = [("Via", str(via)) for via in draw(st.lists(vias, min_size=1, max_size=3))]
    fields += [("From", str(draw(addresses))), ("To", str(draw(addresses)))]
    fields += [("Call-ID", draw(tokens)), ("CSeq", f"{draw(st.integers(0, 2**31 - 1))} {method}")]
    fields += [("Contact", str(address)) for address in draw(st.lists(addresses, max_size=2))]
    headers = Headers([*fields, *draw(free_fields)])
    body = draw(st.binary(max_size=40))
    if draw(st.booleans()):
        return Request(method=method, uri=draw(uris()), headers=headers, body=body)
    return Response(
        status=draw(st.integers(100, 699)), reason=draw(free_values), headers=headers, body=body
    )


@st.composite
def mutilated(draw: st.DrawFn, valid: bytes = VALID) -> bytes:
    """A valid text with pieces cut out, doubled, moved and overwritten."""
    data = bytearray(valid)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 20)))
        piece = draw(
            st.binary(max_size=6)
            | st.sampled_from(
                [b"\r\n", b"\r\n ", b":", b";", b",", b'"', b"<", b">", b"%", b"\x00"]
            )
            | st.just(bytes(data[start:end]) * 2)
        )
        data[start:end] = piece
    return bytes(data)


# --- messages -------------------------------------------------------------------------------------


@settings(deadline=None)
@given(messages())
def test_written_message_is_read_back_the_same(message: Request | Response):
    assert parse(serialise(message)) == message


def parse_or_error(data: bytes) -> Request | Response | MalformedMessageError:
    try:
        return parse(data)
    except MalformedMessageError as error:
        return error


@settings(deadline=None)
@given(st.binary(max_size=300) | mutilated())
def test_any_octets_are_a_message_or_the_parsers_own_error(data: bytes):
    result = parse_or_error(data)
    if isinstance(result, AnswerableMessageError):
        answer = serialise(refuse_malformed(result, ("192.0.2.1", 5060), ()))
        assert answer.startswith(f"SIP/2.0 {result.status} ".encode())
        assert answer.count(b"\r\n\r\n") == 1
    elif not isinstance(result, MalformedMessageError):
        assert parse(serialise(result)) == result


@settings(deadline=None)
@given(mutilated())
def test_what_was_parsed_can_be_read_without_failing(data: bytes):
    message = parse_or_error(data)
    if isinstance(message, MalformedMessageError):
        return
    assert message.vias[0] == message.via
    assert message.cseq.number >= 0
    for address in (message.from_, message.to, *message.contacts, *message.record_routes):
        assert address.uri.identity


@settings(deadline=None)
@given(uris())
def test_written_uri_is_read_back_the_same(uri: Uri):
    assert parse_uri(str(uri)) == uri


@settings(deadline=None)
@given(addresses)
def test_written_address_is_read_back_the_same(address: NameAddress):
    assert parse_name_address(str(address)) == address


@settings(deadline=None)
@given(vias)
def test_written_via_is_read_back_the_same(via: Via):
    assert parse_via(str(via)) == via


# --- session descriptions -------------------------------------------------------------------------

words = st.text(string.ascii_letters + string.digits + "-._", min_size=1, max_size=10)
attribute_lists = st.lists(
    st.tuples(words, st.none() | st.text(string.ascii_letters + " /:;=", max_size=12)), max_size=4
).map(tuple)
ip_hosts = st.ip_addresses().map(str)
media = st.builds(
    MediaDescription,
    kind=st.sampled_from(["audio", "video", "application"]),
    port=st.integers(0, 65_535),
    protocol=st.sampled_from(["RTP/AVP", "RTP/SAVP", "UDP/BFCP"]),
    formats=st.lists(st.integers(0, 130).map(str) | words, min_size=1, max_size=4).map(tuple),
    connection=st.none() | ip_hosts,
    attributes=attribute_lists,
    port_count=st.none() | st.integers(1, 9),
)
descriptions = st.builds(
    SessionDescription,
    origin=st.builds(Origin, session_id=words, version=words, host=ip_hosts, username=words),
    name=words,
    connection=ip_hosts,
    times=st.lists(st.just("0 0"), max_size=2).map(tuple),
    attributes=attribute_lists,
    media=st.lists(media, max_size=3).map(tuple),
)


@settings(deadline=None)
@given(descriptions)
def test_written_description_is_read_back_the_same(description: SessionDescription):
    assert parse_sdp(bytes(description)) == description


@settings(deadline=None)
@given(st.binary(max_size=200) | mutilated(VALID.partition(b"\r\n\r\n")[2]))
def test_any_octets_are_a_description_or_the_parsers_own_error(body: bytes):
    try:
        description = parse_sdp(body)
    except MalformedSdpError:
        return
    assert parse_sdp(bytes(description)) == description


@settings(deadline=None)
@given(descriptions)
def test_every_offer_is_answered_stream_by_stream_or_refused(offer: SessionDescription):
    try:
        agreement, answer = answer_offer(
            offer, LocalMedia(host="192.0.2.9", port=4000, session_id="1")
        )
    except NoCommonCodecError:
        return
    assert [stream.kind for stream in answer.media] == [stream.kind for stream in offer.media]
    assert sum(stream.port != 0 for stream in answer.media) == 1
    # The caller, reading our answer, comes to the same agreement from the other side.
    theirs = accept_answer(offer, answer)
    assert (theirs.codec, theirs.payload_type) == (agreement.codec, agreement.payload_type)
    assert theirs.event_payload_type == agreement.event_payload_type
