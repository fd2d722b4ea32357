"""Hold, referral and replacement between two of our cores, in virtual time."""

import pytest

from telephony.sip.commands import AcceptRefer, DeclineRefer, Renegotiate, ReportRefer, SendRefer
from telephony.sip.digest import Credentials, DigestClient, hash_password
from telephony.sip.errors import LocalProtocolError
from telephony.sip.media import Direction
from telephony.sip.message import Headers, Request, Response, serialise
from telephony.sip.outputs import (
    CallOffered,
    DialogId,
    MediaChanged,
    ReferProgressed,
    ReferReceived,
    RenegotiationEnded,
)
from telephony.sip.replaces import Replaces
from tests.fakes.sip_desk import OFFER, SDP, Desk
from tests.fakes.sip_pair import End, Pair

HOLD = Renegotiate(direction=Direction.SENDONLY)
RESUME = Renegotiate(direction=Direction.SENDRECV)
REFER = SendRefer(referral=7, refer_to="<sip:carol@192.0.2.3>")


@pytest.fixture
def pair() -> Pair:
    return Pair()


def directions(end: End) -> list[Direction]:
    return [o.agreement.direction for o in end.outputs if isinstance(o, MediaChanged)]


def settled(end: End) -> list[int]:
    return [o.status for o in end.outputs if isinstance(o, RenegotiationEnded)]


def progress(end: End) -> list[tuple[int, bool]]:
    return [(o.status, o.is_final) for o in end.outputs if isinstance(o, ReferProgressed)]


def referral(end: End) -> int:
    return next(o.referral for o in end.outputs if isinstance(o, ReferReceived))


def test_hold_and_resume_are_agreed_by_both(pair: Pair):
    ours, _ = pair.established()
    for command in (HOLD, RESUME):
        pair.obey(pair.a, ours, command)
        pair.run(0.1)
    assert directions(pair.a) == [Direction.SENDONLY, Direction.SENDRECV]
    assert directions(pair.b) == [Direction.RECVONLY, Direction.SENDRECV]
    assert settled(pair.a) == [200, 200]


def test_both_on_hold_is_silence_until_the_last_one_resumes(pair: Pair):
    ours, theirs = pair.established()
    for end, call in ((pair.a, ours), (pair.b, theirs)):
        pair.obey(end, call, HOLD)
        pair.run(0.1)
    assert (directions(pair.a)[-1], directions(pair.b)[-1]) == (Direction.INACTIVE,) * 2
    pair.obey(pair.a, ours, RESUME)
    pair.run(0.1)
    assert (directions(pair.a)[-1], directions(pair.b)[-1]) == (
        *(Direction.RECVONLY, Direction.SENDONLY),
    )
    pair.obey(pair.b, theirs, RESUME)
    pair.run(0.1)
    assert directions(pair.a)[-1] is directions(pair.b)[-1] is Direction.SENDRECV


def test_glare_is_refused_on_both_sides_and_the_called_side_tries_first(pair: Pair):
    ours, theirs = pair.established()
    pair.obey(pair.a, ours, HOLD)
    pair.obey(pair.b, theirs, HOLD)
    pair.run(0.05)
    assert ("491" in pair.a.said(), "491" in pair.b.said()) == (True, True)
    pair.run(2.04)  # 491 at most 2.0 s ago
    assert (settled(pair.a), settled(pair.b)) == ([], [200])
    pair.run(2.1)
    assert (settled(pair.a), directions(pair.a)[-1]) == ([200], Direction.INACTIVE)


def test_second_renegotiation_must_wait_for_the_first(pair: Pair):
    ours, _ = pair.established()
    pair.obey(pair.a, ours, HOLD)
    with pytest.raises(LocalProtocolError):
        pair.obey(pair.a, ours, RESUME)


def test_far_end_that_lost_the_call_ends_it(pair: Pair):
    ours, theirs = pair.established()
    pair.ends[pair.b.address] = End(pair.b.address, Desk().agent)  # restarted, knows nothing
    pair.obey(pair.a, ours, HOLD)
    pair.run(70)
    assert (pair.a.ends, "481" in pair.ends[pair.b.address].said()) == (["lost"], True)
    assert (pair.a.core.call_count, theirs.local_tag != "") == (0, True)


def test_hold_that_the_far_end_refuses_changes_nothing():
    desk = Desk()
    desk.establish()
    outputs = desk.agent.obey(desk.dialog_id, HOLD, desk.now_s)
    desk.outputs += outputs
    reinvite = next(m for m in _requests(desk) if m.method == "INVITE")
    desk.respond(reinvite, 488)
    assert [o.status for o in desk.outputs if isinstance(o, RenegotiationEnded)] == [488]
    held = desk.in_dialog("INVITE", SDP, number=2, body=OFFER)
    assert (held.status, b"a=sendrecv" in held.body) == (200, True)


def test_reinvite_keeps_the_places_of_the_streams_that_were_refused():
    desk = Desk()
    desk.invite(body=OFFER.replace("m=audio", "m=video 9 RTP/AVP 31\r\nm=audio"))
    desk.answer()
    desk.ack()
    desk.outputs += desk.agent.obey(desk.dialog_id, HOLD, desk.now_s)
    reinvite = next(m for m in _requests(desk) if m.method == "INVITE")
    assert [line[:9] for line in reinvite.body.decode().split("\r\n") if line[:2] == "m="] == [
        *("m=video 0", "m=audio 4"),
    ]
    assert b"a=sendonly" in reinvite.body


def _requests(desk: Desk) -> list[Request]:
    pair = Pair()
    pair.take(pair.a, [])
    pair.take(pair.a, [o for o in desk.outputs if not isinstance(o, CallOffered)])
    return [m for m in pair.a.sent if isinstance(m, Request)]


def test_referral_is_told_from_trying_to_its_end(pair: Pair):
    ours, theirs = pair.established()
    pair.obey(pair.a, ours, REFER)
    pair.run(0.1)
    (asked,) = pair.b.events(ReferReceived)
    assert isinstance(asked, ReferReceived)
    assert (str(asked.refer_to.uri), asked.referred_by) == (
        *("sip:carol@192.0.2.3", "<sip:alice@example.com>"),
    )
    number = referral(pair.b)
    pair.obey(pair.b, theirs, AcceptRefer(referral=number))
    for status in (180, 200, 486):
        pair.obey(pair.b, theirs, ReportRefer(referral=number, status=status))
    pair.run(0.5)
    assert progress(pair.a) == [(202, False), (100, False), (180, False), (200, True)]


def test_end_of_a_referral_is_told_before_the_bye_that_follows_at_once(pair: Pair):
    ours, theirs = pair.established()
    pair.obey(pair.a, ours, REFER)
    pair.run(0.1)
    number = referral(pair.b)
    pair.obey(pair.b, theirs, AcceptRefer(referral=number))
    pair.obey(pair.b, theirs, ReportRefer(referral=number, status=180))
    pair.obey(pair.b, theirs, ReportRefer(referral=number, status=200))
    pair.hang_up(pair.b, theirs)
    pair.run(40)
    assert progress(pair.a) == [(202, False), (100, False), (200, True)]
    assert (pair.a.ends, pair.a.core.call_count, pair.b.core.call_count) == (
        *(["caller_hangup"], 0, 0),
    )


def test_lost_notifies_come_again_in_order(pair: Pair):
    ours, theirs = pair.established()
    pair.obey(pair.a, ours, REFER)
    pair.run(0.1)
    pair.obey(pair.b, theirs, AcceptRefer(referral=referral(pair.b)))
    pair.run(0.005)
    pair.drop_next = 1
    for status in (180, 486):
        pair.obey(pair.b, theirs, ReportRefer(referral=referral(pair.b), status=status))
    pair.run(5)
    assert progress(pair.a)[-3:] == [(100, False), (180, False), (486, True)]


def test_refer_that_is_declined_or_not_decided_on_is_refused(pair: Pair):
    ours, theirs = pair.established()
    pair.obey(pair.a, ours, REFER)
    pair.run(0.1)
    pair.obey(pair.b, theirs, DeclineRefer(referral=referral(pair.b), status=488))
    pair.run(0.1)
    pair.obey(pair.a, ours, REFER)
    pair.run(11)
    assert progress(pair.a) == [(488, True), (603, True)]
    with pytest.raises(LocalProtocolError):
        pair.obey(pair.b, theirs, AcceptRefer(referral=referral(pair.b)))


def test_referral_nobody_tells_of_is_given_up(pair: Pair):
    ours, theirs = pair.established()
    pair.obey(pair.a, ours, REFER)
    pair.run(0.1)
    pair.obey(pair.b, theirs, AcceptRefer(referral=referral(pair.b)))
    pair.run(301)
    assert progress(pair.a)[-1] == (408, True)


def test_referral_ends_with_the_call(pair: Pair):
    ours, theirs = pair.established()
    pair.obey(pair.a, ours, REFER)
    pair.run(0.1)
    pair.obey(pair.b, theirs, AcceptRefer(referral=referral(pair.b)))
    pair.hang_up(pair.b, theirs)
    pair.run(40)
    assert progress(pair.a)[-1] == (481, True)
    assert pair.is_quiet


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (("Event: refer;id=99", "Subscription-State: active"), 481),
        (("Event: presence", "Subscription-State: active"), 489),
        (("Subscription-State: active",), 489),
    ],
)
def test_notify_of_nothing_we_asked_for_is_refused(lines: tuple[str, ...], status: int):
    desk = Desk()
    desk.establish()
    assert desk.in_dialog("NOTIFY", *lines).status == status


@pytest.mark.parametrize(
    ("lines", "status"),
    [((), 400), (("Refer-To: <sip:a@b>", "Refer-To: <sip:c@d>"), 400), (("Refer-To: <",), 400)],
)
def test_refer_without_one_target_is_refused(lines: tuple[str, ...], status: int):
    desk = Desk()
    desk.establish()
    assert desk.in_dialog("REFER", *lines).status == status


def test_calls_that_are_not_up_obey_nothing(pair: Pair):
    ours = pair.dial()
    for call in (ours, DialogId("no", "such", "call")):
        with pytest.raises(LocalProtocolError):
            pair.obey(pair.a, call, HOLD)


def test_invite_with_replaces_is_offered_with_the_call_it_means(pair: Pair):
    ours, theirs = pair.established()
    dialog = pair.a.core.dialog_of(ours)
    assert dialog is not None
    pair.dial(("Replaces", str(Replaces.of(dialog))))
    pair.run(0.1)
    first, second = pair.b.events(CallOffered)
    assert isinstance(first, CallOffered)
    assert isinstance(second, CallOffered)
    assert (first.replaces, second.replaces) == (None, theirs)


def test_full_server_lets_a_call_be_replaced():
    desk = Desk()
    desk.establish()
    desk.retry_after_s = 5
    line = f"Replaces: call;to-tag={desk.tag};from-tag=caller"
    lines = ("Call-ID: other", line, SDP)
    assert len(desk.send(_invite(*lines))) == 1
    assert len(desk.events(CallOffered)) == 2


@pytest.mark.parametrize(
    ("answered", "early", "status"), [(True, ";early-only", 486), (False, "", 481)]
)
def test_replaces_that_means_no_call_that_is_up_is_refused(answered: bool, early: str, status: int):
    desk = Desk()
    desk.establish() if answered else desk.invite()
    line = f"Replaces: call;to-tag={desk.tag};from-tag=caller{early}"
    assert [r.status for r in desk.send(_invite("Call-ID: other", line, SDP))] == [status]


def test_replaces_of_a_call_that_is_ending_or_unknown_is_refused():
    desk = Desk()
    desk.establish()
    line = f"Replaces: call;to-tag={desk.tag};from-tag=caller"
    unknown = line.replace("from-tag=caller", "from-tag=mallory")
    assert [r.status for r in desk.send(_invite("Call-ID: x", unknown, SDP))] == [481]
    desk.hang_up()
    assert [r.status for r in desk.send(_invite("Call-ID: y", line, SDP))] == [603]


def _invite(*lines: str) -> str:
    head = ("INVITE sip:desk@192.0.2.9 SIP/2.0", "From: <sip:new@h>;tag=new", "CSeq: 1 INVITE")
    via = f"Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK{lines[0][-1]}"
    more = ("To: <sip:desk@192.0.2.9>", "Contact: <sip:new@192.0.2.1:5062>", "Max-Forwards: 70")
    return "\r\n".join((*head, via, *more, *lines)) + "\r\n\r\n" + OFFER


def test_challenged_invite_goes_again_with_credentials_and_later_requests_carry_them(pair: Pair):
    """b is played by hand: it wants credentials for everything."""
    del pair.ends[pair.b.address]
    credentials = Credentials(user="desk", password="pass")
    pair.dial(credentials=credentials)
    first = pair.a.sent[0]
    assert isinstance(first, Request)
    _refuse(pair, first, 407, 'Digest realm="pbx", nonce="n1", algorithm=SHA-256, qop="auth"')
    ack, second = pair.a.sent[1:]
    assert isinstance(ack, Request)
    assert isinstance(second, Request)
    assert (ack.method, second.method, second.cseq.number) == ("ACK", "INVITE", 2)
    assert (second.call_id, second.from_tag) == (first.call_id, first.from_tag)
    assert second.via.branch != first.via.branch
    field = second.headers.get("Proxy-Authorization") or ""
    assert 'username="desk"' in field
    assert hash_password("SHA-256", "desk", "pbx", "pass") not in field
    _refuse(pair, second, 407, 'Digest realm="pbx", nonce="n2", algorithm=SHA-256, qop="auth"')
    assert pair.a.ends == ["refused"]
    assert DigestClient(credentials, lambda: "x").sign(first) == first


def _refuse(pair: Pair, request: Request, status: int, challenge: str) -> None:
    fields = [(n, v) for n, v in request.headers if n in ("Via", "From", "Call-ID", "CSeq")]
    fields += [("To", "<sip:bob@h>;tag=b"), ("Proxy-Authenticate", challenge)]
    response = Response(status=status, reason="Auth", headers=Headers(fields))
    outputs = pair.a.core.receive_datagram(
        serialise(response), pair.b.address, pair.a.address, pair.now_s
    )
    pair.take(pair.a, outputs)
