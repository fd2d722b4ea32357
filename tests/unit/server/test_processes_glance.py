"""What the parent reads of a datagram, and how it says it to a worker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.processes.frames import Passed, Report, pack, pack_reports, unpack
from server.processes.glance import Glance, Kind, call_id_prefix, glance, placed_by


def message(start: str, *fields: str, body: str = "") -> bytes:
    return "\r\n".join([start, *fields, "", body]).encode()


INVITE = "INVITE sip:a@b SIP/2.0"


@pytest.mark.parametrize(
    "field",
    [
        *("Call-ID: one@host", "call-id:one@host", "i : one@host", "CALL-ID:\t one@host "),
        *("Call-ID:\r\n one@host", "I:\r\n\tone@host"),
    ],
)
def test_call_id_is_found_however_it_is_written(field: str):
    seen = glance(message(INVITE, "Via: x", field, "To: <sip:a@b>"))
    assert seen == Glance(Kind.INVITE, b"one@host")


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        ("INVITE sip:a@b SIP/2.0", Kind.INVITE),
        ("OPTIONS sip:a@b SIP/2.0", Kind.OPTIONS),
        ("REGISTER sip:b SIP/2.0", Kind.REGISTER),
        ("BYE sip:a@b SIP/2.0", Kind.REQUEST),
        ("invite sip:a@b SIP/2.0", Kind.REQUEST),  # methods are case-sensitive (§7.1)
        ("SIP/2.0 200 OK", Kind.RESPONSE),
        ("INVITE sip:a@b SIP/7.0", Kind.INVITE),  # whoever gets it answers 505
    ],
)
def test_start_line_says_what_it_is(start: str, kind: Kind):
    seen = glance(b"\r\n\r\n" + message(start, "Call-ID: one"))
    assert seen is not None
    assert seen.kind is kind


@pytest.mark.parametrize(
    "data", [b"", b"\r\n\r\n", b"\0" * 12, b"GET / HTTP/1.1\r\n\r\n", b"INVITE sip:a SIP/2.0"]
)
def test_what_is_no_sip_message_is_nobodys(data: bytes):
    assert glance(data) is None


def test_body_names_no_call():
    notify = message("NOTIFY sip:a@b SIP/2.0", "To: x", body="SIP/2.0 200 OK\r\nCall-ID: other\r\n")
    assert glance(notify) == Glance(Kind.REQUEST, b"")


def test_invite_says_which_call_it_replaces():
    replaces = "Replaces: old@host;to-tag=1;from-tag=2"
    seen = glance(message(INVITE, "Call-ID: new@host", replaces))
    assert seen == Glance(Kind.INVITE, b"new@host", replaces=b"old@host")


def test_call_of_ours_says_which_worker_placed_it():
    token = "0123456789abcdef@192.0.2.1"
    assert placed_by(f"{call_id_prefix(7)}{token}".encode()) == 7
    assert placed_by(token.encode()) is None
    assert placed_by(b"phone-7@192.0.2.1") is None


@given(st.binary(max_size=2_000))
def test_any_octets_are_looked_at(data: bytes):
    seen = glance(data)
    assert seen is None or len(seen.call_id) <= 255


@given(
    st.binary(min_size=1, max_size=3_000),
    st.ip_addresses().map(str),
    st.integers(0, 65_535),
    st.booleans(),
    st.integers(0, 2**64 - 1),
)
def test_frame_says_what_was_put_in(data: bytes, host: str, port: int, ask: bool, asked: int):
    passed = Passed(data, (host, port), may_decline=ask, asked=asked)
    assert unpack(pack(passed)) == passed


@given(st.lists(st.binary(min_size=1, max_size=255).filter(lambda octets: b"\n" not in octets)))
def test_report_names_every_call(call_ids: list[bytes]):
    found = [unpack(frame) for frame in pack_reports(call_ids)]
    assert [one for each in found if isinstance(each, Report) for one in each.call_ids] == call_ids


def test_report_of_no_calls_is_a_sign_of_life():
    (frame,) = pack_reports([])
    assert unpack(frame) == Report(())


def test_long_report_comes_in_pieces():
    assert len(list(pack_reports([b"x" * 60] * 1_000))) == 4


def test_frame_that_was_cut_short_is_none():
    with pytest.raises(ValueError, match="cut short"):
        unpack(b"\0\0")


@pytest.mark.parametrize(
    "field",
    [
        *("From: <sip:201@pbx.example>;tag=x", "f:sip:201@pbx.example;tag=x"),
        *('From: "Ann" <sips:201@pbx.example:5061>;tag=x', "FROM : Ann <sip:201@pbx.example>"),
    ],
)
@pytest.mark.parametrize("method", ["INVITE", "REGISTER"])
def test_whose_phone_it_is_stands_in_from(method: str, field: str):
    seen = glance(message(f"{method} sip:a@b SIP/2.0", "To: <sip:9@b>", field, "Call-ID: one@host"))
    assert seen is not None
    assert seen.sender == b"201@pbx.example"


def test_nobody_is_told_by_other_requests_and_broken_fields():
    for method, field in (("BYE", "From: <sip:201@b>"), ("INVITE", "From: tel:+1555")):
        seen = glance(message(f"{method} sip:a@b SIP/2.0", field, "Call-ID: one@host"))
        assert seen is not None
        assert seen.sender is None
