"""Calls of ours at the sans-I/O core: INVITE, its answers, CANCEL, and what is left of them."""

import pytest

from telephony.sip.media import Direction
from telephony.sip.message import Request, Response, respond, serialise
from telephony.sip.outputs import (
    CallClosed,
    CallEnded,
    CallEstablished,
    CallRinging,
    DialogId,
    Transmit,
)
from tests.fakes.sip_desk import OFFER
from tests.fakes.sip_pair import A, B, Pair


class Phone(Pair):
    """Our core calls a phone that the test plays by hand."""

    def __init__(self) -> None:
        super().__init__()
        del self.ends[B]

    @property
    def invites(self) -> list[Request]:
        return [m for m in self.a.sent if isinstance(m, Request) and m.method == "INVITE"]

    def reply(
        self,
        status: int,
        *fields: tuple[str, str],
        tag: str = "bob",
        to: Request | None = None,
        body: str = "",
    ) -> None:
        request = to or self.invites[-1]
        if body:
            fields = (*fields, ("Content-Type", "application/sdp"))
        fields = (*fields, ("Contact", f"<sip:bob@{B[0]}:{B[1]}>"))
        response = respond(request, status, to_tag=tag, fields=fields, body=body.encode())
        self.take(self.a, self.a.core.receive_datagram(serialise(response), B, A, self.now_s))

    def accept(self, tag: str = "bob", body: str = OFFER) -> None:
        self.reply(200, tag=tag, body=body)

    def requests(self, method: str) -> list[Request]:
        return [m for m in self.a.sent if isinstance(m, Request) and m.method == method]

    def answer_requests(self, method: str, status: int = 200) -> None:
        for request in self.requests(method):
            self.reply(status, to=request)


@pytest.fixture
def phone() -> Phone:
    return Phone()


@pytest.fixture
def call(phone: Phone) -> DialogId:
    return phone.dial(("User-to-User", "61;encoding=hex"))


def end_of(phone: Phone) -> CallEnded:
    (end,) = phone.a.events(CallEnded)
    assert isinstance(end, CallEnded)
    return end


def test_two_cores_call_talk_and_hang_up():
    pair = Pair()
    ours, theirs = pair.established()
    (up_here,), (up_there,) = pair.a.events(CallEstablished), pair.b.events(CallEstablished)
    assert isinstance(up_here, CallEstablished)
    assert isinstance(up_there, CallEstablished)
    assert (up_here.agreement.remote_port, up_there.agreement.remote_port) == (6000, 4000)
    assert up_here.agreement.direction is Direction.SENDRECV
    pair.hang_up(pair.b, theirs)
    pair.run(40)
    assert (pair.a.ends, pair.b.ends) == (["caller_hangup"], ["server_hangup"])
    assert pair.a.happened(ours)[-1] == CallClosed(dialog_id=ours)
    assert pair.is_quiet


def test_invite_offers_both_codecs_and_keys_and_carries_what_it_is_told(
    phone: Phone, call: DialogId
):
    (invite,) = phone.invites
    assert b"m=audio 4000 RTP/AVP 0 8 101" in invite.body
    assert invite.headers.get("User-to-User") == "61;encoding=hex"
    assert (invite.from_.uri.identity, str(invite.uri)) == (
        *("sip:alice@example.com", "sip:bob@192.0.2.2:5060"),
    )
    assert (invite.to_tag, str(invite.contacts[0].uri)) == (None, "sip:192.0.2.1:5060")


def test_ringing_is_told_by_180_and_183_but_not_by_100(phone: Phone, call: DialogId):
    phone.reply(100)
    assert phone.a.events(CallRinging) == []
    phone.reply(183)
    phone.reply(180)
    assert [o.status for o in phone.a.outputs if isinstance(o, CallRinging)] == [183, 180]


def test_2xx_is_acknowledged_again_each_time_it_comes_and_the_call_is_up_once(
    phone: Phone, call: DialogId
):
    phone.accept()
    phone.accept()
    first, second = phone.requests("ACK")
    assert (first, first.cseq.number, first.to_tag) == (second, 1, "bob")
    assert len(phone.a.events(CallEstablished)) == 1


def test_2xx_that_comes_again_after_the_end_is_still_acknowledged(phone: Phone, call: DialogId):
    phone.accept()
    phone.hang_up(phone.a, call)
    phone.answer_requests("BYE")
    assert phone.a.core.call_count == 0
    phone.accept()
    assert len(phone.requests("ACK")) == 2


@pytest.mark.parametrize("status", [302, 404, 486, 503, 603])
def test_refusal_ends_the_call_with_its_status_and_is_acknowledged(
    phone: Phone, call: DialogId, status: int
):
    phone.reply(180)
    phone.reply(status)
    end = end_of(phone)
    assert (end.reason, end.status, len(phone.requests("ACK"))) == ("refused", status, 1)
    phone.run(40)
    assert phone.is_quiet


def test_far_end_that_never_answers_is_unreachable_after_timer_b(phone: Phone, call: DialogId):
    phone.run(31.9)
    assert phone.a.ends == []
    phone.run(0.2)
    assert (phone.a.ends, end_of(phone).status) == (["unreachable"], 408)
    assert len(phone.invites) == 7
    assert phone.is_quiet


def test_far_end_that_rings_for_ever_is_cancelled(phone: Phone, call: DialogId):
    phone.reply(180)
    phone.run(181)
    assert (end_of(phone).reason, end_of(phone).status) == ("refused", 408)
    assert len(phone.requests("CANCEL")) >= 1


def test_hanging_up_while_it_rings_cancels(phone: Phone, call: DialogId):
    phone.reply(180)
    phone.hang_up(phone.a, call)
    (cancel,) = phone.requests("CANCEL")
    assert (cancel.via, cancel.cseq.number) == (phone.invites[0].via, 1)
    assert phone.a.ends == ["server_hangup"]
    phone.reply(200, to=cancel)
    phone.reply(487)
    assert phone.a.events(CallClosed) == [CallClosed(dialog_id=call)]
    phone.run(40)
    assert phone.is_quiet


def test_cancel_waits_for_the_first_response(phone: Phone, call: DialogId):
    phone.hang_up(phone.a, call)
    assert phone.requests("CANCEL") == []
    phone.reply(100)
    phone.reply(180)
    assert len(phone.requests("CANCEL")) == 1


def test_answer_that_crosses_the_cancel_is_acknowledged_and_hung_up_on(
    phone: Phone, call: DialogId
):
    phone.reply(180)
    phone.hang_up(phone.a, call)
    phone.accept()
    assert [len(phone.requests(m)) for m in ("ACK", "BYE")] == [1, 1]
    assert phone.a.events(CallEstablished) == []
    phone.answer_requests("BYE")
    assert phone.a.events(CallClosed) == [CallClosed(dialog_id=call)]


def test_cancelled_call_whose_far_end_falls_silent_is_given_up(phone: Phone, call: DialogId):
    phone.reply(180)
    phone.hang_up(phone.a, call)
    phone.run(33)
    assert (phone.is_quiet, phone.a.ends) == (True, ["server_hangup"])


def test_second_phone_that_answers_is_acknowledged_and_hung_up_on(phone: Phone, call: DialogId):
    phone.accept("bob")
    phone.accept("carol")
    assert [ack.to_tag for ack in phone.requests("ACK")] == ["bob", "carol"]
    assert [bye.to_tag for bye in phone.requests("BYE")] == ["carol"]
    assert (phone.a.ends, len(phone.a.events(CallEstablished))) == ([], 1)
    phone.accept("carol")
    assert len(phone.requests("BYE")) == 1


def test_answer_without_a_usable_description_is_hung_up_on(phone: Phone, call: DialogId):
    phone.reply(200)
    assert [len(phone.requests(m)) for m in ("ACK", "BYE")] == [1, 1]
    assert end_of(phone).error is not None


def test_requests_in_the_call_follow_the_recorded_route(phone: Phone, call: DialogId):
    proxies = "<sip:192.0.2.8;lr>, <sip:192.0.2.7;lr>"
    phone.reply(200, ("Record-Route", proxies), body=OFFER)
    (ack,) = phone.requests("ACK")
    assert [str(route.uri) for route in ack.routes] == ["sip:192.0.2.7;lr", "sip:192.0.2.8;lr"]
    assert [o.destination for o in phone.a.outputs if isinstance(o, Transmit)][-1] == (
        *("192.0.2.7", 5060),
    )


def test_far_end_hangs_up_and_its_bye_to_another_dialog_is_not_ours(phone: Phone, call: DialogId):
    phone.accept()
    head = "SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx%s\r\nFrom: <sip:bob@b>;tag=%s\r\n"
    rest = f"To: <sip:a@b>;tag={call.local_tag}\r\nCall-ID: {call.call_id}\r\nCSeq: 1 BYE\r\n\r\n"
    for number, tag in enumerate(("mallory", "bob")):
        data = f"BYE sip:a@b {head % (number, tag)}{rest}".encode()
        phone.take(phone.a, phone.a.core.receive_datagram(data, B, A, 0.0))
    answers = [m.status for m in phone.a.sent if isinstance(m, Response)]
    assert (answers, phone.a.ends) == ([481, 200], ["caller_hangup"])


def test_loss_of_any_one_datagram_does_not_keep_the_call_from_getting_up():
    for lost in range(3):
        pair = Pair()
        pair.drop_next = int(lost == 0)
        pair.dial()
        pair.run(2)
        pair.drop_next = int(lost == 1)
        pair.answer()
        pair.drop_next = int(lost == 2)
        pair.run(2)
        assert len(pair.a.events(CallEstablished)) == len(pair.b.events(CallEstablished)) == 1
