"""The 49 torture messages of RFC 4475: each is answered as the RFC says, and none leaves a mark."""

import asyncio
import itertools
import os
from pathlib import Path
from typing import Final

import pytest

from telephony.sip.endpoint import IncomingCall, SipEndpoint
from telephony.sip.errors import MalformedMessageError
from telephony.sip.message import Request, Response, serialise
from telephony.sip.outputs import CallOffered, Transmit
from telephony.sip.parser import parse
from telephony.sip.user_agent import UserAgent

CALL: Final = "call"  # a valid INVITE: it reaches the user, who is busy here
SILENCE: Final = "silence"

# Short name -> what a strict called party does. Where the RFC leaves a choice, the strict one is
# taken. A user agent is no registrar: valid REGISTERs are known but not allowed (405).
EXPECTED: Final = {
    # §3.1.1 valid messages
    "wsinv": 481,  # its To has a tag of no dialog of ours
    "intmeth": 501,
    "esc01": CALL,
    "escnull": 405,
    "esc02": 501,  # "RE%47IST%45R" is not REGISTER
    "lwsdisp": 200,
    "longreq": CALL,
    "dblreq": 405,  # and what follows the first request is not looked at
    "semiuri": 200,
    "transports": 200,
    "mpart01": 405,
    "unreason": SILENCE,  # a response to nothing
    "noreason": SILENCE,
    # §3.1.2 invalid messages
    "badinv01": 400,
    "clerr": 400,
    "ncl": 400,
    "scalar02": 400,
    "scalarlg": SILENCE,
    "quotbal": 400,
    "ltgtruri": 400,
    "lwsruri": 400,
    "lwsstart": 400,
    "trws": 400,
    "escruri": 400,
    "baddate": 400,
    "regbadct": 400,
    "badaspec": 400,
    "baddn": 400,
    "badvers": 505,
    "mismatch01": 400,
    "mismatch02": 501,
    "bigcode": SILENCE,
    # §3.2 transaction layer
    "badbranch": 400,
    # §3.3 application layer
    "insuf": 400,
    "unkscm": 416,
    "novelsc": 416,
    "unksm2": 405,
    "bext01": 420,
    "invut": 415,
    "regaut01": 405,
    "multi01": 400,
    "mcl01": 400,
    "bcast": SILENCE,
    "zeromf": 200,  # an end point serves what a proxy may not forward
    "cparam01": 405,
    "cparam02": 405,
    "regescrt": 405,
    "sdp01": 406,
    "inv2543": CALL,
}

VALID: Final = {
    *("wsinv", "intmeth", "esc01", "escnull", "esc02", "lwsdisp", "longreq", "dblreq", "semiuri"),
    *("transports", "mpart01", "unreason", "noreason", "unkscm", "novelsc", "unksm2", "bext01"),
    *("invut", "regaut01", "bcast", "zeromf", "cparam01", "cparam02", "regescrt", "sdp01"),
    "inv2543",
}


def _folder() -> Path:
    root = Path(__file__).resolve().parents[3]
    shared = os.environ.get("FRONTDESK_SHARED_DATA") or str(root.parent / "shared" / "data")
    return Path(shared) / "sip" / "rfc4475"


pytestmark = pytest.mark.skipif(
    not _folder().is_dir(),
    reason=f"the RFC 4475 messages are not at {_folder()}; set FRONTDESK_SHARED_DATA",
)


def message(name: str) -> bytes:
    return (_folder() / f"{name}.dat").read_bytes()


def parsed_request(name: str) -> Request:
    request = parse(message(name))
    assert isinstance(request, Request)
    return request


def probe(number: int) -> bytes:
    return (
        "OPTIONS sip:desk@192.0.2.9 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKprobe{number}\r\n"
        f"From: <sip:probe@192.0.2.1>;tag=probe\r\nTo: <sip:desk@192.0.2.9>\r\n"
        f"Call-ID: probe{number}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\r\n"
    ).encode()


def verdict(statuses: list[int]) -> int | str:
    """What the sender saw: silence, one status, or a call that was busy."""
    match statuses:
        case []:
            return SILENCE
        case [100, 486]:
            return CALL
        case [status]:
            return status
        case _:
            return f"unexpected {statuses}"


def test_folder_has_all_49_messages_and_the_table_knows_each():
    assert {path.stem for path in _folder().glob("*.dat")} == set(EXPECTED)
    assert len(EXPECTED) == 49


def test_core_answers_every_message_as_the_rfc_says():
    numbers = itertools.count()
    agent = UserAgent(token=lambda: f"token{next(numbers)}")

    def exchange(data: bytes) -> list[int]:
        outputs = agent.receive_datagram(data, ("192.0.2.1", 5060), ("192.0.2.9", 5060), now_s=0.0)
        for offered in [output for output in outputs if isinstance(output, CallOffered)]:
            outputs += agent.refuse(offered.dialog_id, 486, now_s=0.0)
        return [status_of(output.data) for output in outputs if isinstance(output, Transmit)]

    seen: dict[str, int | str] = {}
    for number, name in enumerate(EXPECTED):
        seen[name] = verdict(exchange(message(name)))
        assert exchange(probe(number)) == [200], f"not left standing by {name}"
    assert seen == EXPECTED


class Sender(asyncio.DatagramProtocol):
    """Sends datagrams and collects the statuses that come back."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue(maxsize=64)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.received.put_nowait(data)


async def test_endpoint_answers_every_message_as_the_rfc_says():
    calls: list[IncomingCall] = []

    def be_busy(call: IncomingCall) -> None:
        calls.append(call)
        call.reject(486)

    endpoint = await SipEndpoint.open("127.0.0.1", 0, on_call=be_busy)
    transport, sender = await asyncio.get_running_loop().create_datagram_endpoint(
        Sender, remote_addr=endpoint.local_address
    )
    seen: dict[str, int | str] = {}
    try:
        for number, name in enumerate(EXPECTED):
            transport.sendto(message(name))
            transport.sendto(probe(number))
            statuses: list[int] = []
            # Datagrams are served in order: all before the probe's answer is the message's.
            while not is_answer_to_probe(data := await sender.received.get(), number):
                statuses.append(status_of(data))
            seen[name] = verdict(statuses)
    finally:
        transport.close()
        await endpoint.close()
    assert seen == EXPECTED
    assert len(calls) == list(EXPECTED.values()).count(CALL)
    silent = {"bigcode", "scalarlg"}  # malformed too, but responses
    answered = {name for name in EXPECTED if name not in VALID and name not in silent}
    assert endpoint.statistics.malformed == len(answered | silent)


def status_of(data: bytes) -> int:
    start, _, _ = data.partition(b"\r\n")
    return int(start.split(b" ")[1])


def is_answer_to_probe(data: bytes, number: int) -> bool:
    return f"\r\nCall-ID: probe{number}\r\n".encode() in data


@pytest.mark.parametrize("name", sorted(set(EXPECTED) - VALID))
def test_invalid_message_is_not_parsed(name: str):
    with pytest.raises(MalformedMessageError):
        parse(message(name))


@pytest.mark.parametrize("name", sorted(VALID))
def test_valid_message_is_parsed_and_written_without_loss(name: str):
    parsed = parse(message(name))
    assert parse(serialise(parsed)) == parsed


# --- what the valid ones mean ---------------------------------------------------------------------


def test_short_tortuous_invite_is_unfolded_and_its_escapes_resolved():
    request = parsed_request("wsinv")
    assert str(request.uri) == "sip:vivekg@chair-dnrc.example.com;unknownparam"
    assert request.to_tag == "1918181833n"
    assert request.from_.display_name == 'J Rosenberg \\"'
    assert request.from_tag == "98asjd8"
    assert request.headers.get("Max-Forwards") == "0068"
    assert (request.cseq.number, request.cseq.method) == (9, "INVITE")
    assert [via.transport for via in request.vias] == ["UDP", "TCP", "UDP"]
    assert [via.host for via in request.vias] == [
        *("192.0.2.2", "spindle.example.com", "192.168.255.111")
    ]
    assert [via.branch for via in request.vias] == ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]
    assert request.headers.get("Subject") == ""
    assert request.headers.get("NewFangledHeader") == (
        "newfangled value continued newfangled value"
    )
    contact = request.contacts[0]
    assert contact.display_name == 'Quoted string ""'
    assert contact.parameters.get("newparam") == "newvalue"
    assert contact.parameters.get("q") == "0.33"
    assert len(request.body) == 150


def test_wide_range_of_characters_is_kept():
    request = parsed_request("intmeth")
    assert request.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert request.uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert request.uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert request.to.display_name == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert request.from_.display_name == "token1~` token2'+_ token3*%!.-"
    assert request.from_.parameters.get("fromParam''~+*_!.-%") == '"работающий"'
    assert request.from_tag == "_token~1'+`*%!-."
    assert request.call_id == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"


def test_escaped_characters_do_not_turn_into_syntax():
    request = parsed_request("esc01")
    assert request.uri.user == "sips%3Auser%40example.com"
    assert request.uri.user_text == "sips:user@example.com"
    assert request.uri.host == "example.net"
    contact = request.contacts[0].uri
    assert contact.user_text == "caller"
    assert contact.parameters.items == (("%6C%72", None), ("n%61me", "v%61lue%25%34%31"))


def test_escaped_null_is_an_ordinary_character():
    contacts = parsed_request("escnull").contacts
    assert [contact.uri.user_text for contact in contacts] == ["\x00", "\x00\x00"]


def test_percent_sign_in_a_method_and_a_header_name_is_no_escape():
    request = parsed_request("esc02")
    assert request.method == "RE%47IST%45R"
    assert request.to.display_name == "%Z%45"
    assert [contact.uri.user for contact in request.contacts] == ["alias1", "alias3"]


def test_display_name_may_touch_its_address():
    assert parsed_request("lwsdisp").from_.display_name == "caller"


def test_long_values_are_kept_whole():
    request = parsed_request("longreq")
    assert len(request.vias) == 34
    assert (request.to.uri.port, len(request.from_.uri.user or "")) == (6000, 115)
    assert (request.via.branch, request.vias[-1].parameters.get("received")) == (None, "192.0.2.5")
    assert len(request.vias[-1].branch or "") > 150


def test_only_the_first_request_of_a_datagram_counts():
    request = parsed_request("dblreq")
    assert (request.method, request.body) == ("REGISTER", b"")


def test_semicolon_and_escaped_at_sign_belong_to_the_user_part():
    uri = parsed_request("semiuri").uri
    assert (uri.user_text, uri.host) == ("user;par=u@example.net", "example.com")
    assert len(uri.parameters.items) == 0


def test_unknown_transports_in_via_are_read():
    transports = [via.transport for via in parsed_request("transports").vias]
    assert transports == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def test_binary_body_is_kept_to_the_octet():
    request = parsed_request("mpart01")
    assert len(request.body) == 553
    assert request.content_type == "multipart/mixed"
    assert request.body.endswith(b"--7a9cbec02ceef655--\r\n")


def test_reason_phrase_may_be_anything_or_nothing():
    unusual, missing = parse(message("unreason")), parse(message("noreason"))
    assert isinstance(unusual, Response)
    assert isinstance(missing, Response)
    assert unusual.reason.startswith("= 2**3 * 5**2 но сто девяносто")
    assert (missing.status, missing.reason) == (100, "")


def test_contact_parameter_belongs_to_the_field_without_brackets_and_to_the_uri_within():
    outside = parsed_request("cparam01").contacts[0]
    inside = parsed_request("cparam02").contacts[0]
    assert ("unknownparam" in outside.parameters, outside.uri.parameters.items) == (True, ())
    assert ("unknownparam" in inside.uri.parameters, inside.parameters.items) == (True, ())


def test_escaped_header_fields_in_a_contact_belong_to_its_uri():
    assert parsed_request("regescrt").contacts[0].uri.headers == "Route=%3Csip:sip.example.com%3E"


def test_rfc_2543_request_has_an_empty_tag_and_the_rest_of_the_datagram_as_body():
    request = parsed_request("inv2543")
    assert (request.from_tag, request.via.branch) == ("", None)
    assert request.body.startswith(b"v=0")
    assert request.to.uri.user == "+16505552222"
    assert request.to.parameters.get("user") == "phone"
