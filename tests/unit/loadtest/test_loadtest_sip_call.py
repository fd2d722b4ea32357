"""The outgoing call machine in virtual time: bytes in, bytes out."""

import itertools
from collections.abc import Sequence

import pytest

from loadtest.errors import PeerError, RefusedError, UnreachableError
from loadtest.sdp import read_media, write_answer, write_offer
from loadtest.sip_call import (
    Answered,
    CallSetup,
    CallState,
    Ended,
    Failed,
    MediaChanged,
    OutgoingCall,
    Output,
    Rang,
)
from loadtest.sip_message import Request, Response, parse, respond
from loadtest.sip_requests import Transmit
from loadtest.sip_uri import SipUri, tag_of

DESK = ("10.0.0.9", 5070)
ELSEWHERE = ("10.0.0.8", 5080)
US = ("10.0.0.1", 40_000)
OFFER = write_offer("10.0.0.1", 4000, session=1)
SDP = write_offer("10.0.0.9", 6000, session=2)


class Peer:
    """Drives a call from the far end's side."""

    def __init__(self, *, ring_timeout_s: float = 32.0) -> None:
        words = itertools.count(1)
        self.call = OutgoingCall(
            CallSetup(
                target=SipUri.parse("sip:desk@10.0.0.9:5070"),
                destination=DESK,
                local=US,
                caller="alice",
                offer=OFFER,
                answer_offer=lambda m: write_answer("10.0.0.1", 4000, session=1, offer=m),
                token=lambda: f"word{next(words)}",
                ring_timeout_s=ring_timeout_s,
            )
        )
        self.invite = sent_requests(self.call.dial(0.0))[0]
        self.cseq = 100

    def answer(
        self,
        status: int,
        now_s: float = 0.1,
        *,
        tag: str = "desk",
        to: Request | None = None,
        extra: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> list[Output]:
        response = respond(to or self.invite, status, "Reason", to_tag=tag, extra=extra, body=body)
        return self.call.receive(response.to_bytes(), DESK, now_s)

    def pick_up(self, now_s: float = 0.1, *, tag: str = "desk") -> list[Output]:
        contact = ("Contact", "<sip:desk@10.0.0.8:5080>")
        return self.answer(200, now_s, tag=tag, extra=[contact], body=SDP)

    def request(self, method: str, now_s: float = 1.0, *, body: bytes = b"", tag: str = "desk",
                call_id: str | None = None, branch: str | None = None, cseq: int | None = None,
                ) -> list[Output]:  # fmt: skip
        self.cseq += 1
        headers = (
            ("Via", f"SIP/2.0/UDP 10.0.0.9;branch={branch or f'z9hG4bK{self.cseq}'}"),
            ("From", f"{self.invite.first('to')};tag={tag}"),
            ("To", self.invite.first("from")),
            ("Call-ID", call_id or self.invite.call_id),
            ("CSeq", f"{cseq or self.cseq} {method}"),
        )
        data = Request(method=method, uri="sip:alice@10.0.0.1", headers=headers, body=body)
        return self.call.receive(data.to_bytes(), DESK, now_s)


def transmits(outputs: Sequence[Output]) -> list[Transmit]:
    return [output for output in outputs if isinstance(output, Transmit)]


def sent_requests(outputs: Sequence[Output]) -> list[Request]:
    messages = [parse(transmit.data) for transmit in transmits(outputs)]
    return [message for message in messages if isinstance(message, Request)]


def sent_statuses(outputs: Sequence[Output]) -> list[int]:
    messages = [parse(transmit.data) for transmit in transmits(outputs)]
    return [message.status for message in messages if isinstance(message, Response)]


def run_until(call: OutgoingCall, end_s: float) -> list[tuple[float, Output]]:
    """Tick every 50 ms; what came out, and when."""
    return [
        (round(step * 0.05, 2), output)
        for step in range(1, round(end_s / 0.05) + 1)
        for output in call.tick(step * 0.05)
    ]


def test_invite_carries_what_rfc_3261_demands() -> None:
    invite = Peer().invite
    for name in ("via", "max-forwards", "from", "to", "call-id", "contact", "allow"):
        assert invite.first(name), name
    assert invite.branch.startswith("z9hG4bK")
    assert tag_of(invite.first("from"))
    assert not tag_of(invite.first("to"))
    assert invite.cseq == (1, "INVITE")
    assert invite.body == OFFER


def test_invite_is_repeated_at_doubling_intervals_and_given_up_after_32_s() -> None:
    outputs = run_until(Peer().call, 33)
    repeats = [at for at, output in outputs if isinstance(output, Transmit)]
    assert repeats == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    at, failed = outputs[-1]
    assert at == 32.0
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, UnreachableError)
    assert "10.0.0.9:5070" in str(failed.error)


def test_provisional_answer_stops_the_repeats() -> None:
    peer = Peer()
    assert peer.answer(180) == [Rang(status=180)]
    assert run_until(peer.call, 31) == []


def test_answer_is_acknowledged_at_the_contact_and_again_when_repeated() -> None:
    peer = Peer()
    ack, answered = peer.pick_up()
    assert isinstance(ack, Transmit)
    assert ack.to == ELSEWHERE
    request = sent_requests([ack])[0]
    assert (request.method, request.uri) == ("ACK", "sip:desk@10.0.0.8:5080")
    assert request.cseq == (1, "ACK")
    assert request.branch != peer.invite.branch
    assert answered == Answered(media=read_media(SDP))
    assert peer.pick_up(0.6) == [ack]


def test_requests_follow_the_recorded_route() -> None:
    peer = Peer()
    routes = ("Record-Route", "<sip:10.0.0.7:5060;lr>, <sip:10.0.0.6:5060;lr>")
    peer.answer(200, extra=[("Contact", "<sip:desk@10.0.0.8>"), routes], body=SDP)
    bye = transmits(peer.call.hang_up(2.0))[0]
    assert bye.to == ("10.0.0.6", 5060)
    request = sent_requests([bye])[0]
    assert request.all("route") == ["<sip:10.0.0.6:5060;lr>", "<sip:10.0.0.7:5060;lr>"]
    assert request.uri == "sip:desk@10.0.0.8"


def test_contact_without_a_reachable_address_is_passed_over() -> None:
    peer = Peer()
    outputs = peer.answer(200, extra=[("Contact", "<sip:desk@inside.invalid>")], body=SDP)
    assert transmits(outputs)[0].to == DESK


def test_answer_of_a_second_fork_is_acknowledged_and_hung_up() -> None:
    peer = Peer()
    peer.pick_up()
    outputs = peer.pick_up(0.3, tag="other")
    assert [request.method for request in sent_requests(outputs)] == ["ACK", "BYE"]
    assert {tag_of(request.first("to")) for request in sent_requests(outputs)} == {"other"}
    assert peer.call.state is CallState.TALKING
    bye = sent_requests(peer.call.hang_up(1.0))[0]
    assert tag_of(bye.first("to")) == "desk"


def test_refusal_is_acknowledged_on_the_same_branch_and_reported() -> None:
    peer = Peer()
    outputs = peer.answer(503, extra=[("Retry-After", "30")])
    ack = sent_requests(outputs)[0]
    assert (ack.method, ack.branch, ack.cseq) == ("ACK", peer.invite.branch, (1, "ACK"))
    assert tag_of(ack.first("to")) == "desk"
    failed = outputs[-1]
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, RefusedError)
    assert str(failed.error) == "refused: 503 Reason, retry after 30 s"
    assert failed.error.retryable
    again = peer.answer(503, 0.6)
    assert [request.method for request in sent_requests(again)] == ["ACK"]
    assert not [output for output in again if isinstance(output, Failed)]


def test_busy_refusal_keeps_its_status() -> None:
    failed = Peer().answer(486)[-1]
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, RefusedError)
    assert (failed.error.status, failed.error.retry_after_s) == (486, None)


def test_answer_without_audio_is_acknowledged_hung_up_and_the_peers_error() -> None:
    peer = Peer()
    outputs = peer.answer(200, extra=[("Contact", "<sip:desk@10.0.0.8:5080>")])
    assert [request.method for request in sent_requests(outputs)] == ["ACK", "BYE"]
    failed = outputs[-1]
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, PeerError)


def test_hanging_up_while_ringing_cancels_with_the_invites_branch() -> None:
    peer = Peer()
    peer.answer(180)
    cancel = sent_requests(peer.call.hang_up(1.0))[0]
    assert (cancel.method, cancel.branch) == ("CANCEL", peer.invite.branch)
    assert (cancel.uri, cancel.cseq) == (peer.invite.uri, (1, "CANCEL"))
    assert peer.answer(200, to=cancel) == []
    outputs = peer.answer(487)
    assert sent_requests(outputs)[0].method == "ACK"
    assert outputs[-1] == Ended(by="caller", reason="hung up")


def test_no_cancel_leaves_before_the_first_provisional_answer() -> None:
    peer = Peer()
    assert peer.call.hang_up(0.05) == []
    assert sent_requests(peer.answer(180))[0].method == "CANCEL"


def test_answer_that_crosses_our_cancel_is_acknowledged_and_hung_up() -> None:
    peer = Peer()
    peer.answer(180)
    peer.call.hang_up(1.0)
    assert [request.method for request in sent_requests(peer.pick_up(1.1))] == ["ACK", "BYE"]


def test_nobody_answering_is_cancelled_and_reported() -> None:
    peer = Peer(ring_timeout_s=10)
    peer.answer(180)
    outputs = [output for _, output in run_until(peer.call, 10.2)]
    assert sent_requests(outputs)[0].method == "CANCEL"
    failed = outputs[-1]
    assert isinstance(failed, Failed)
    assert "10 s" in str(failed.error)


def test_ring_timeout_may_be_longer_than_timer_b() -> None:
    peer = Peer(ring_timeout_s=60)
    peer.answer(180)
    assert run_until(peer.call, 59) == []


def test_our_bye_is_repeated_until_confirmed() -> None:
    peer = Peer()
    peer.pick_up()
    bye = sent_requests(peer.call.hang_up(0.0, "done"))[0]
    assert bye.cseq == (2, "BYE")
    repeats = [at for at, output in run_until(peer.call, 1.6) if isinstance(output, Transmit)]
    assert repeats == [0.5, 1.5]
    assert peer.answer(200, 1.7, to=bye) == [Ended(by="caller", reason="done")]
    assert peer.call.hang_up(1.8) == []


def test_bye_without_confirmation_ends_the_call_all_the_same() -> None:
    peer = Peer()
    peer.pick_up()
    peer.call.hang_up(0.0)
    ended = run_until(peer.call, 5)[-1][1]
    assert isinstance(ended, Ended)
    assert "did not confirm" in ended.reason


def test_their_bye_is_confirmed_again_when_repeated() -> None:
    peer = Peer()
    peer.pick_up()
    first = peer.request("BYE", branch="z9hG4bKbye")
    assert sent_statuses(first) == [200]
    assert first[-1] == Ended(by="frontdesk", reason="hung up")
    again = peer.request("BYE", branch="z9hG4bKbye")
    assert again == transmits(first)


def test_byes_that_cross_end_the_call_once() -> None:
    peer = Peer()
    peer.pick_up()
    bye = sent_requests(peer.call.hang_up(1.0))[0]
    outputs = [*peer.request("BYE", 1.1), *peer.answer(481, 1.2, to=bye)]
    assert sent_statuses(outputs) == [200]
    assert len([output for output in outputs if isinstance(output, Ended)]) == 1


def test_bye_of_another_call_is_unknown() -> None:
    peer = Peer()
    peer.pick_up()
    assert sent_statuses(peer.request("BYE", call_id="other@host")) == [481]
    assert sent_statuses(peer.request("BYE", tag="stranger")) == [481]
    assert peer.call.state is CallState.TALKING


def test_options_is_told_what_we_do_and_the_rest_refused() -> None:
    peer = Peer()
    peer.pick_up()
    outputs = peer.request("OPTIONS")
    response = parse(transmits(outputs)[0].data)
    assert sent_statuses(outputs) == [200]
    assert "BYE" in response.first("allow")
    assert sent_statuses(peer.request("REFER")) == [405]
    assert sent_statuses(peer.request("INFO")) == [405]


def test_reinvite_moves_the_media_and_its_answer_repeats_until_acknowledged() -> None:
    peer = Peer()
    peer.pick_up()
    moved = SDP.replace(b"6000", b"7000").replace(b"sendrecv", b"sendonly")
    outputs = peer.request("INVITE", 0.0, body=moved)
    assert sent_statuses(outputs) == [200]
    answer = parse(transmits(outputs)[0].data)
    assert read_media(answer.body).direction == "recvonly"
    change = outputs[-1]
    assert isinstance(change, MediaChanged)
    assert change.media.port == 7000
    assert [at for at, _ in run_until(peer.call, 1.6)] == [0.5, 1.5]
    peer.request("ACK", 1.7)
    assert [out for out in peer.call.tick(10.0)] == []


def test_update_moves_the_media_without_an_ack() -> None:
    peer = Peer()
    peer.pick_up()
    outputs = peer.request("UPDATE", 0.0, body=SDP)
    assert sent_statuses(outputs) == [200]
    assert run_until(peer.call, 3) == []


def test_reinvite_we_cannot_speak_leaves_the_call_as_it_was() -> None:
    peer = Peer()
    peer.pick_up()
    outputs = peer.request("INVITE", body=SDP.replace(b"RTP/AVP", b"RTP/SAVP"))
    assert sent_statuses(outputs) == [488]
    assert peer.call.state is CallState.TALKING


def test_request_out_of_order_is_refused() -> None:
    peer = Peer()
    peer.pick_up()
    peer.request("UPDATE", cseq=200)
    assert sent_statuses(peer.request("BYE", cseq=199)) == [500]
    assert peer.call.state is CallState.TALKING


def test_second_call_finds_us_busy() -> None:
    peer = Peer()
    peer.pick_up()
    data = Request(
        method="INVITE",
        uri="sip:alice@10.0.0.1",
        headers=(
            ("Via", "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKnew"),
            ("From", "<sip:bob@b>;tag=b"),
            ("To", "<sip:alice@10.0.0.1>"),
            ("Call-ID", "new@b"),
            ("CSeq", "1 INVITE"),
        ),
    )
    assert sent_statuses(peer.call.receive(data.to_bytes(), ELSEWHERE, 1.0)) == [486]


def test_closed_port_is_unreachable_at_once() -> None:
    failed = Peer().call.connection_refused()[-1]
    assert isinstance(failed, Failed)
    assert "nothing listens at 10.0.0.9:5070" in str(failed.error)


def test_port_closing_under_a_call_ends_it() -> None:
    peer = Peer()
    peer.pick_up()
    ended = peer.call.connection_refused()[-1]
    assert isinstance(ended, Ended)
    assert ended.by == "network"
    assert peer.call.connection_refused() == []


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"noise", b"SIP/2.0 200 OK\r\n\r\n"])
def test_noise_is_dropped(data: bytes) -> None:
    assert Peer().call.receive(data, DESK, 0.1) == []


def test_answer_to_another_call_is_dropped() -> None:
    peer = Peer()
    other = Peer().invite
    headers = tuple((n, "x@y" if n == "Call-ID" else v) for n, v in other.headers)
    stranger = Request(method="INVITE", uri=other.uri, headers=headers)
    assert peer.answer(200, to=stranger, body=SDP) == []
