"""Calls at the sans-I/O core: from INVITE to BYE, and everything that may come between."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from telephony.sip.call_state import TRANSITIONS, CallState
from telephony.sip.dialog import Dialog
from telephony.sip.errors import DialogError, LocalProtocolError, NoCommonCodecError
from telephony.sip.info_keys import read_key
from telephony.sip.media import Direction
from telephony.sip.message import Request, Response, respond, serialise
from telephony.sip.outputs import (
    CallClosed,
    CallEnded,
    CallEstablished,
    CallOffered,
    DialogId,
    KeySignalled,
    MediaChanged,
    Output,
    Transmit,
)
from telephony.sip.parser import parse
from telephony.sip.sdp import parse_sdp
from telephony.sip.user_agent import UserAgent

CALLER = ("192.0.2.1", 5062)
LOCAL = ("192.0.2.9", 5060)
OFFER = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 6000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)
SDP = "Content-Type: application/sdp"


@dataclass
class Desk:
    """The core under test, and a caller that speaks to it in octets."""

    retry_after_s: int | None = None
    now_s: float = 0.0
    outputs: list[Output] = field(default_factory=list[Output])

    def __post_init__(self) -> None:
        numbers: Iterator[int] = itertools.count(1)
        self.agent = UserAgent(
            token=lambda: f"desk{next(numbers)}", admit=lambda: self.retry_after_s
        )
        self._branches = itertools.count(1)

    # --- the caller

    def request(
        self,
        method: str,
        *lines: str,
        number: int = 1,
        body: str = "",
        to_tag: str | None = None,
        branch: str | None = None,
        uri: str = "sip:desk@192.0.2.9",
    ) -> list[Response]:
        """Send a request; the responses, in order."""
        tag = "" if to_tag is None else f";tag={to_tag}"
        branch = branch or f"z9hG4bKcaller{next(self._branches)}"
        head = (
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP 192.0.2.1:5062;branch={branch}",
            "From: <sip:caller@example.com>;tag=caller",
            f"To: <sip:desk@192.0.2.9>{tag}",
            "Call-ID: call",
            f"CSeq: {number} {method}",
            "Contact: <sip:caller@192.0.2.1:5062>",
            "Max-Forwards: 70",
            *lines,
        )
        return self.send("\r\n".join(head) + "\r\n\r\n" + body)

    def send(self, text: str) -> list[Response]:
        mark = len(self.outputs)
        self.outputs += self.agent.receive_datagram(text.encode(), CALLER, LOCAL, self.now_s)
        return responses(self.outputs[mark:])

    def invite(self, *lines: str, body: str = OFFER, branch: str = "z9hG4bKinvite") -> list[int]:
        lines = (*lines, SDP) if body else lines
        return statuses(self.request("INVITE", *lines, body=body, branch=branch))

    def ack(self, *lines: str, number: int = 1, body: str = "") -> list[Response]:
        return self.request("ACK", *lines, number=number, body=body, to_tag=self.tag)

    def in_dialog(self, method: str, *lines: str, number: int = 2, body: str = "") -> Response:
        answers = self.request(method, *lines, number=number, body=body, to_tag=self.tag)
        assert len(answers) == 1
        return answers[0]

    def respond(self, asked: Request, status: int) -> None:
        self.send(serialise(respond(asked, status)).decode())

    # --- our side

    @property
    def dialog_id(self) -> DialogId:
        return next(o.dialog_id for o in self.outputs if isinstance(o, CallOffered))

    @property
    def tag(self) -> str:
        return self.dialog_id.local_tag

    def ring(self) -> list[int]:
        return self._statuses(self.agent.ring(self.dialog_id, self.now_s))

    def answer(self) -> list[int]:
        return self._statuses(self.agent.answer(self.dialog_id, "192.0.2.9", 4000, self.now_s))

    def refuse(self, status: int) -> list[int]:
        return self._statuses(self.agent.refuse(self.dialog_id, status, self.now_s))

    def hang_up(self) -> list[Request]:
        outputs = self.agent.hang_up(self.dialog_id, self.now_s)
        self.outputs += outputs
        return requests(outputs)

    def pass_time(self, until_s: float) -> list[tuple[float, bytes]]:
        """Let the clock run; what was sent, and when."""
        sent: list[tuple[float, bytes]] = []
        while (at_s := self.agent.next_deadline_s()) is not None and at_s <= until_s:
            outputs = self.agent.tick(at_s)
            self.outputs += outputs
            sent += [(at_s, output.data) for output in outputs if isinstance(output, Transmit)]
        self.now_s = until_s
        return sent

    def establish(self) -> None:
        self.invite()
        self.answer()
        self.ack()

    # --- what came of it

    def events(self, *kinds: type[Output]) -> list[Output]:
        return [output for output in self.outputs if isinstance(output, kinds)]

    @property
    def endings(self) -> list[str]:
        return [o.reason for o in self.outputs if isinstance(o, CallEnded)]

    @property
    def is_closed(self) -> bool:
        return bool(self.events(CallClosed)) and self.agent.call_count == 0

    @property
    def changes(self) -> list[Direction]:
        return [o.agreement.direction for o in self.outputs if isinstance(o, MediaChanged)]

    def _statuses(self, outputs: list[Output]) -> list[int]:
        self.outputs += outputs
        return statuses(responses(outputs))


def responses(outputs: list[Output]) -> list[Response]:
    parsed = [parse(output.data) for output in outputs if isinstance(output, Transmit)]
    return [message for message in parsed if isinstance(message, Response)]


def requests(outputs: list[Output]) -> list[Request]:
    parsed = [parse(output.data) for output in outputs if isinstance(output, Transmit)]
    return [message for message in parsed if isinstance(message, Request)]


def statuses(answers: list[Response]) -> list[int]:
    return [response.status for response in answers]


@pytest.fixture
def desk() -> Desk:
    return Desk()


# --- from INVITE to ACK ---------------------------------------------------------------------------


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


# --- refusals -------------------------------------------------------------------------------------


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


# --- CANCEL ---------------------------------------------------------------------------------------


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


# --- the end --------------------------------------------------------------------------------------


def test_bye_of_the_caller_ends_the_call(desk: Desk):
    desk.establish()
    assert desk.in_dialog("BYE").status == 200
    assert (desk.endings, desk.is_closed) == (["caller_hangup"], True)
    assert desk.in_dialog("INFO", number=3).status == 481


def test_bye_before_the_answer_refuses_the_invite_too(desk: Desk):
    desk.invite()
    desk.ring()
    assert statuses(desk.request("BYE", number=2, to_tag=desk.tag)) == [487, 200]
    assert (desk.endings, desk.is_closed) == (["caller_hangup"], True)


def test_bye_without_ack_ends_the_call_and_the_repetitions(desk: Desk):
    desk.invite()
    desk.answer()
    assert desk.in_dialog("BYE").status == 200
    assert (desk.endings, desk.pass_time(60.0)) == (["caller_hangup"], [])


def test_our_bye_carries_the_dialog_and_is_settled_by_its_answer(desk: Desk):
    desk.establish()
    (bye,) = desk.hang_up()
    assert (bye.method, str(bye.uri)) == ("BYE", "sip:caller@192.0.2.1:5062")
    assert (bye.call_id, bye.from_tag, bye.to_tag) == ("call", desk.tag, "caller")
    assert (bye.cseq.number, bye.headers.get("Max-Forwards")) == (1, "70")
    assert (desk.endings, desk.is_closed) == (["server_hangup"], False)
    desk.respond(bye, 200)
    assert desk.is_closed


def test_our_bye_is_repeated_and_given_up(desk: Desk):
    desk.establish()
    desk.hang_up()
    sent = desk.pass_time(40.0)
    assert [at_s for at_s, _ in sent] == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert desk.is_closed


@pytest.mark.parametrize("status", [401, 481, 408])
def test_refused_bye_ends_the_call_all_the_same(desk: Desk, status: int):
    desk.establish()
    (bye,) = desk.hang_up()
    desk.respond(bye, status)
    assert desk.is_closed


def test_hanging_up_twice_sends_one_bye(desk: Desk):
    desk.establish()
    assert (len(desk.hang_up()), len(desk.hang_up())) == (1, 0)
    assert desk.endings == ["server_hangup"]


def test_hanging_up_an_offered_call_refuses_it(desk: Desk):
    desk.invite()
    assert desk.hang_up() == []
    assert [response.status for response in responses(desk.outputs)] == [100, 480]
    assert desk.is_closed


def test_hanging_up_before_ack_waits_for_it(desk: Desk):
    desk.invite()
    desk.answer()
    assert desk.hang_up() == []
    assert desk.endings == ["server_hangup"]
    assert len(desk.pass_time(0.5)) == 1  # the 200 goes on
    desk.ack()
    assert [request.method for request in requests(desk.outputs)] == ["BYE"]
    assert (desk.endings, desk.events(CallEstablished)) == (["server_hangup"], [])


def test_hanging_up_before_an_ack_that_never_comes_sends_bye_in_the_end(desk: Desk):
    desk.invite()
    desk.answer()
    desk.hang_up()
    desk.pass_time(33.0)
    assert {request.method for request in requests(desk.outputs)} == {"BYE"}
    desk.pass_time(70.0)
    assert (desk.endings, desk.is_closed) == (["server_hangup"], True)


def test_both_sides_hanging_up_at_once_is_fine(desk: Desk):
    desk.establish()
    (bye,) = desk.hang_up()
    assert desk.in_dialog("BYE").status == 200
    assert desk.in_dialog("INFO", number=3).status == 481
    desk.respond(bye, 200)
    assert (desk.endings, desk.is_closed) == (["server_hangup"], True)


def test_nothing_is_left_of_a_finished_call(desk: Desk):
    desk.establish()
    desk.in_dialog("BYE")
    desk.pass_time(200.0)
    assert (desk.agent.call_count, desk.agent.next_deadline_s()) == (0, None)


# --- within the call ------------------------------------------------------------------------------


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


# --- the dialog itself ----------------------------------------------------------------------------


def dialog_of(*lines: str) -> Dialog:
    desk = Desk()
    desk.invite(*lines)
    (offered,) = desk.events(CallOffered)
    assert isinstance(offered, CallOffered)
    return Dialog.from_invite(offered.invite, local_tag="t", source=CALLER, local=LOCAL)


def test_request_of_ours_follows_loose_routes():
    dialog = dialog_of("Record-Route: <sip:192.0.2.50:5070;lr>, <sip:192.0.2.51;lr>")
    bye = dialog.make_request("BYE", branch="x")
    assert str(bye.uri) == "sip:caller@192.0.2.1:5062"
    assert [str(route.uri) for route in bye.routes] == [
        *("sip:192.0.2.50:5070;lr", "sip:192.0.2.51;lr")
    ]
    assert dialog.next_hop == ("192.0.2.50", 5070)


def test_request_of_ours_follows_a_strict_router():
    bye = dialog_of("Record-Route: <sip:192.0.2.50>, <sip:192.0.2.51;lr>").make_request(
        "BYE", branch="x"
    )
    assert str(bye.uri) == "sip:192.0.2.50"
    assert [str(route.uri) for route in bye.routes] == [
        *("sip:192.0.2.51;lr", "sip:caller@192.0.2.1:5062")
    ]


def test_next_hop_that_is_a_name_is_where_the_caller_is_heard_from():
    assert dialog_of("Record-Route: <sip:proxy.example.com;lr>").next_hop == CALLER


def test_requests_of_ours_count_up():
    dialog = dialog_of()
    numbers = [dialog.make_request("OPTIONS", branch=str(n)).cseq.number for n in range(3)]
    assert numbers == [1, 2, 3]


def test_older_request_changes_nothing():
    desk, dialog = Desk(), dialog_of()
    desk.invite()
    (offered,) = desk.events(CallOffered)
    assert isinstance(offered, CallOffered)
    dialog.remote_sequence = 9
    with pytest.raises(DialogError):
        dialog.receive(offered.invite, ("203.0.113.1", 1))
    assert (dialog.remote_sequence, dialog.peer) == (9, CALLER)


def test_every_state_of_a_call_leads_to_its_end():
    reaching = {CallState.ENDED}
    for _ in CallState:
        reaching |= {
            state for state, events in TRANSITIONS.items() if reaching & set(events.values())
        }
    assert reaching == set(CallState)


def test_errors_carry_the_status_that_answers_them():
    assert NoCommonCodecError("x").status == 488
    assert DialogError("x", status=491).retry_after_s is None
