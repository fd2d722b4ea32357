"""User-to-User, Refer-To and Replaces: values that travel inside other values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.errors import LocalProtocolError, MalformedValueError
from telephony.sip.headers import Headers, parse_name_address
from telephony.sip.message import Request
from telephony.sip.outputs import DialogId
from telephony.sip.refer_to import header_fields, make_refer_to, replaces_of, target_of
from telephony.sip.replaces import Replaces, parse_replaces, read_replaces
from telephony.sip.sipfrag import make_sipfrag, read_sipfrag
from telephony.sip.uri import parse_uri
from telephony.sip.user_to_user import UserToUser, parse_user_to_user

WORD = st.text("abcXYZ019-._@!%+", min_size=1, max_size=12)


def test_data_goes_as_hex():
    text = str(UserToUser(data=b"\x04id", purpose="x", content="y"))
    assert text == "046964;encoding=hex;purpose=x;content=y"


@given(st.binary(max_size=128))
def test_data_comes_back_as_it_went(data: bytes):
    assert parse_user_to_user(str(UserToUser(data=data))) == UserToUser(data=data)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('"hand;off 7";purpose=x', b"hand;off 7"),
        (r'"a\"b"', b'a"b'),
        ("token7", b"token7"),
        ('"4142";encoding=hex', b"AB"),
        ("4142 ; encoding = HEX", b"AB"),
    ],
)
def test_other_ways_to_write_it_are_read(text: str, data: bytes):
    assert parse_user_to_user(text).data == data


@pytest.mark.parametrize("text", ["xyz;encoding=hex", "41;encoding=base64", '"open', '"a"b'])
def test_what_cannot_be_read_is_refused(text: str):
    with pytest.raises(MalformedValueError):
        parse_user_to_user(text)


@pytest.mark.parametrize(
    "value", [UserToUser(data=b"x" * 129), UserToUser(data=b"", purpose="a b")]
)
def test_what_gateways_cannot_carry_is_not_written(value: UserToUser):
    with pytest.raises(LocalProtocolError):
        str(value)


def test_refer_to_escapes_what_rides_behind_the_question_mark():
    text = make_refer_to(
        parse_uri("sip:bob@192.0.2.2:5070;transport=udp"),
        replaces=Replaces(call_id="a&b=c@h", to_tag="t", from_tag="f"),
        user_to_user=UserToUser(data=b"id"),
    )
    assert text == (
        "<sip:bob@192.0.2.2:5070;transport=udp?Replaces=a%26b%3Dc%40h%3Bto-tag%3Dt%3Bfrom-tag%3Df"
        "&User-to-User=6964%3Bencoding%3Dhex>"
    )


@given(WORD, WORD, WORD, st.binary(max_size=16))
def test_refer_to_is_read_as_it_was_written(call_id: str, to_tag: str, from_tag: str, data: bytes):
    replaces = Replaces(
        call_id=call_id, to_tag=to_tag.replace("@", "a"), from_tag=f"f{from_tag.replace('@', 'a')}"
    )
    target = parse_uri("sip:bob@192.0.2.2;x=y")
    refer_to = parse_name_address(
        make_refer_to(target, replaces=replaces, user_to_user=UserToUser(data=data))
    )
    assert (replaces_of(refer_to), target_of(refer_to)) == (replaces, target)
    assert dict(header_fields(refer_to))["User-to-User"] == str(UserToUser(data=data))


def test_refer_to_of_another_method_is_refused():
    with pytest.raises(MalformedValueError):
        target_of(parse_name_address("<sip:bob@h;method=BYE>"))


def test_refer_to_without_fields_has_none():
    refer_to = parse_name_address(make_refer_to(parse_uri("tel:+15550100")))
    assert (str(refer_to), replaces_of(refer_to)) == ("<tel:+15550100>", None)


def test_replaces_names_our_dialog_from_their_side_and_back():
    dialog = DialogId("c", "ours", "theirs")
    sent = str(Replaces.of(dialog))
    assert sent == "c;to-tag=theirs;from-tag=ours"
    assert parse_replaces("c;from-tag=theirs;to-tag=ours;early-only").dialog_id == dialog
    assert parse_replaces("c;to-tag=t;from-tag=0").from_tag == ""


@pytest.mark.parametrize("text", ["", "c", "c;to-tag=x", ";to-tag=x;from-tag=y", "c;to-tag=x;\x01"])
def test_replaces_that_names_no_dialog_is_refused(text: str):
    with pytest.raises(MalformedValueError):
        parse_replaces(text)


@pytest.mark.parametrize("name", ["Replaces", "Join"])
def test_invite_replaces_one_call_and_joins_none(name: str):
    value = "c;to-tag=t;from-tag=f"
    headers = Headers([("Replaces", value), (name, value)])
    with pytest.raises(MalformedValueError):
        read_replaces(Request(method="INVITE", uri=parse_uri("sip:h"), headers=headers))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (make_sipfrag(180), 180),
        (b"SIP/2.0 503 Service Unavailable\r\nServer: x\r\n", 503),
        (b"sip/2.0  200", 200),
        (b"", None),
        (b"SIP/2.0 999 No", None),
        (b"INVITE sip:x SIP/2.0\r\n", None),
    ],
)
def test_fragment_tells_a_status_or_nothing(body: bytes, status: int | None):
    assert read_sipfrag(body) == status
