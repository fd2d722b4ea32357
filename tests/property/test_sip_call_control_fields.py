"""Whatever the fields of call control hold, the core answers or refuses, and the call lives on."""

from collections.abc import Callable
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.sip.digest import hash_password, parse_digest
from telephony.sip.errors import MalformedValueError
from telephony.sip.outputs import ReferReceived
from telephony.sip.referral import ReferRequest
from telephony.sip.registrar import Registrar
from telephony.sip.replaces import parse_replaces
from telephony.sip.sipfrag import read_sipfrag
from telephony.sip.user_to_user import parse_user_to_user
from tests.fakes.sip_desk import OFFER, SDP, Desk, responses, statuses

ALPHABET = "ab0\xe9\udcff%3B;=,\"<>@:?&. \t'\\/*+-"
PIECES = st.sampled_from(
    (
        *("Digest ", 'nonce="', "realm=desk", "nc=", "qop=auth", "uri=x", "response=", "cnonce=c"),
        *("username=anna", "algorithm=MD5", "refer;id=", "terminated", "active;expires=", ", "),
        *("call;to-tag=", "from-tag=caller", "early-only", "sip:", "<sip:a@b?Replaces=", "?"),
    )
)
VALUES = st.lists(PIECES | st.text(ALPHABET, max_size=6), max_size=8).map("".join)


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_parsers_give_a_value_or_their_own_error(text: str):
    parsers: tuple[Callable[[str], object], ...] = (
        *(parse_digest, parse_replaces, parse_user_to_user),
    )
    for parser in parsers:
        with suppress(MalformedValueError):
            parser(text)
    assert read_sipfrag(text.encode("utf-8", "surrogateescape")) is None


@settings(max_examples=200, deadline=None)
@given(VALUES, VALUES)
def test_register_with_any_fields_is_answered(authorization: str, contact: str):
    registrar = Registrar(
        realm="desk",
        secrets=lambda user, algorithm: hash_password(algorithm, "anna", "desk", "secret"),
        token=lambda: "token",
    )
    desk = Desk(registrar=registrar)
    lines = (f"Authorization: {authorization}", f"m: {contact}", "Expires: 60")
    answers = _send(desk, "REGISTER", *lines)
    assert [status for status in answers if status not in (400, 401, 403)] == []
    assert registrar.users(0.0) == ()


@settings(max_examples=200, deadline=None)
@given(VALUES, VALUES)
def test_requests_with_any_fields_leave_the_call_up(first: str, second: str):
    desk = Desk()
    desk.establish()
    _send(desk, "REFER", f"Refer-To: {first}", f"Referred-By: {second}", number=2)
    _send(desk, "NOTIFY", f"Event: {first}", f"Subscription-State: {second}", number=3)
    for asked in [o for o in desk.outputs if isinstance(o, ReferReceived)]:
        with suppress(MalformedValueError):
            ReferRequest(lambda command: None, asked).decline()
    _send(desk, "INVITE", f"Replaces: {first}", SDP, tag="", body=OFFER, number=9)
    assert (desk.endings, desk.in_dialog("OPTIONS", number=20).status) == ([], 200)


def _send(
    desk: Desk, method: str, *lines: str, number: int = 1, tag: str | None = None, body: str = ""
) -> list[int]:
    tag = desk.tag if tag is None and desk.outputs else tag
    to = f"<sip:anna@desk>;tag={tag}" if tag else "<sip:anna@desk>"
    head = (
        f"{method} sip:desk@192.0.2.9 SIP/2.0",
        f"Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK{method}",
        *("From: <sip:caller@example.com>;tag=caller", f"To: {to}", "Call-ID: call"),
        *(f"CSeq: {number} {method}", "Max-Forwards: 70"),
    )
    data = "\r\n".join((*head, *lines)) + "\r\n\r\n" + body
    mark = len(desk.outputs)
    octets = data.encode("utf-8", "surrogateescape")
    address = ("192.0.2.1", 5062)
    desk.outputs += desk.agent.receive_datagram(octets, address, ("192.0.2.9", 5060), desk.now_s)
    return [s for s in statuses(responses(desk.outputs[mark:])) if s >= 200]
