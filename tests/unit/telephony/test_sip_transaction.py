"""The transaction machines, their timers, and which message they belong to."""

import pytest

from telephony.sip.deadlines import Deadlines
from telephony.sip.errors import LocalProtocolError
from telephony.sip.message import Request, Response, respond, serialise
from telephony.sip.outputs import Output, Transmit
from telephony.sip.parser import parse
from telephony.sip.statistics import EndpointStatistics
from telephony.sip.transaction import (
    INITIAL,
    TIMERS,
    TRANSITIONS,
    Action,
    Event,
    Kind,
    State,
    Timer,
    Transaction,
)
from telephony.sip.transaction_layer import ServerTransaction, TransactionLayer

SOURCE = ("192.0.2.1", 1024)
LOCAL = ("192.0.2.9", 5060)


def fired(transaction: Transaction, until_s: float) -> list[tuple[float, Timer]]:
    """Let the clock run and fire what is due; times in seconds."""
    log: list[tuple[float, Timer]] = []
    while (at_s := transaction.next_deadline_s()) is not None and at_s <= until_s:
        timer = transaction.due(at_s)
        assert timer is not None
        transaction.step(timer, at_s)
        log.append((at_s, timer))
    return log


# --- the table ------------------------------------------------------------------------------------


def test_every_state_of_the_table_can_be_reached_and_left():
    for kind in Kind:
        states = {state for of, state in TRANSITIONS if of is kind}
        reached = {INITIAL[kind]}
        while True:
            more = {
                to for at in reached for to, _ in TRANSITIONS.get((kind, at), {}).values()
            } | reached
            if more == reached:
                break
            reached = more
        assert reached == states | {State.TERMINATED}


def test_every_running_timer_has_a_transition():
    for (kind, state), timers in TIMERS.items():
        assert set(timers) <= set(TRANSITIONS[kind, state])


def test_illegal_trigger_raises_and_changes_nothing():
    transaction = Transaction(Kind.SERVER, now_s=0.0)
    transaction.step(Event.SEND_REFUSAL, 1.0)
    with pytest.raises(LocalProtocolError):
        transaction.step(Event.SEND_2XX, 2.0)
    assert (transaction.state, transaction.next_deadline_s()) == (State.COMPLETED, 33.0)


# --- timers ---------------------------------------------------------------------------------------


def test_refusal_of_an_invite_is_repeated_until_timer_h():
    transaction = Transaction(Kind.INVITE_SERVER, now_s=0.0)
    transaction.step(Event.SEND_REFUSAL, 0.0)
    log = fired(transaction, 100.0)
    assert [at for at, timer in log if timer is Timer.G] == [
        *(0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)
    ]
    assert log[-1] == (32.0, Timer.H)
    assert transaction.state is State.TERMINATED


def test_ack_stops_the_repetitions_and_the_machine_dies_after_t4():
    transaction = Transaction(Kind.INVITE_SERVER, now_s=0.0)
    transaction.step(Event.SEND_REFUSAL, 0.0)
    transaction.step(Event.ACK, 0.2)
    assert fired(transaction, 100.0) == [(5.2, Timer.I)]


def test_accepted_invite_absorbs_repetitions_for_64_t1():
    transaction = Transaction(Kind.INVITE_SERVER, now_s=0.0)
    assert transaction.step(Event.SEND_2XX, 1.0) == (Action.SEND,)
    assert transaction.step(Event.REQUEST, 2.0) == ()
    assert transaction.step(Event.ACK, 3.0) == (Action.DELIVER,)
    assert fired(transaction, 100.0) == [(33.0, Timer.L)]


def test_request_is_repeated_faster_before_than_after_a_provisional_response():
    transaction = Transaction(Kind.CLIENT, now_s=0.0)
    assert [at for at, _ in fired(transaction, 2.0)] == [0.5, 1.5]
    transaction.step(Event.RECEIVE_1XX, 2.0)
    assert [at for at, _ in fired(transaction, 12.0)] == [3.5, 7.5, 11.5]


def test_request_without_an_answer_times_out_whatever_was_provisional():
    transaction = Transaction(Kind.CLIENT, now_s=0.0)
    transaction.step(Event.RECEIVE_1XX, 0.1)
    assert fired(transaction, 100.0)[-1] == (32.0, Timer.F)


def test_invite_is_repeated_without_a_ceiling_until_timer_b():
    transaction = Transaction(Kind.INVITE_CLIENT, now_s=0.0)
    log = fired(transaction, 100.0)
    assert [at for at, timer in log if timer is Timer.A] == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert log[-1] == (32.0, Timer.B)


def test_refused_invite_acknowledges_every_repetition_for_timer_d():
    transaction = Transaction(Kind.INVITE_CLIENT, now_s=0.0)
    first = transaction.step(Event.RECEIVE_REFUSAL, 1.0)
    again = transaction.step(Event.RECEIVE_REFUSAL, 2.0)
    assert (first, again) == ((Action.ACKNOWLEDGE, Action.DELIVER), (Action.ACKNOWLEDGE,))
    assert fired(transaction, 100.0) == [(33.0, Timer.D)]


def test_accepted_invite_of_ours_delivers_every_2xx_until_timer_m():
    transaction = Transaction(Kind.INVITE_CLIENT, now_s=0.0)
    transaction.step(Event.RECEIVE_2XX, 1.0)
    assert transaction.step(Event.RECEIVE_2XX, 2.0) == (Action.DELIVER,)
    assert fired(transaction, 100.0) == [(33.0, Timer.M)]


def test_reliable_transport_needs_no_repetition_and_no_lingering():
    refused = Transaction(Kind.INVITE_SERVER, now_s=0.0, reliable=True)
    refused.step(Event.SEND_REFUSAL, 0.0)
    assert fired(refused, 100.0) == [(32.0, Timer.H)]
    answered = Transaction(Kind.SERVER, now_s=0.0, reliable=True)
    answered.step(Event.SEND_2XX, 3.0)
    assert fired(answered, 100.0) == [(3.0, Timer.J)]


# --- matching -------------------------------------------------------------------------------------


def request(
    method: str = "OPTIONS",
    *,
    branch: str | None = "z9hG4bKa",
    sent_by: str = "192.0.2.1",
    to_tag: str | None = None,
    from_tag: str | None = "f",
    number: int = 1,
    call_id: str = "c",
    rport: bool = False,
) -> Request:
    via = f"SIP/2.0/UDP {sent_by}" + ("" if branch is None else f";branch={branch}")
    parsed = parse(
        (
            f"{method} sip:b@example.com SIP/2.0\r\nVia: {via}{';rport' if rport else ''}\r\n"
            f"From: <sip:a@example.com>{'' if from_tag is None else f';tag={from_tag}'}\r\n"
            f"To: <sip:b@example.com>{'' if to_tag is None else f';tag={to_tag}'}\r\n"
            f"Call-ID: {call_id}\r\nCSeq: {number} {method}\r\n\r\n"
        ).encode()
    )
    assert isinstance(parsed, Request)
    return parsed


class Layer:
    """A transaction layer and what it sent."""

    def __init__(self, *, use_sent_by: bool = False) -> None:
        self.outputs: list[Output] = []
        self.statistics = EndpointStatistics()
        self.layer = TransactionLayer(
            outputs=self.outputs, statistics=self.statistics, use_sent_by=use_sent_by
        )

    def receive(self, asked: Request, now_s: float = 0.0) -> ServerTransaction | Request | None:
        return self.layer.receive_request(asked, SOURCE, LOCAL, now_s)

    def open(self, asked: Request, now_s: float = 0.0) -> ServerTransaction:
        transaction = self.receive(asked, now_s)
        assert isinstance(transaction, ServerTransaction)
        return transaction

    def sent(self) -> list[bytes]:
        data = [output.data for output in self.outputs if isinstance(output, Transmit)]
        self.outputs.clear()
        return data

    def run(self, until_s: float) -> None:
        while (at_s := self.layer.next_deadline_s()) is not None and at_s <= until_s:
            list(self.layer.tick(at_s))


def test_repeated_request_gets_the_same_octets_again():
    layer = Layer()
    transaction = layer.open(request())
    assert layer.receive(request()) is None
    assert layer.sent() == []
    layer.layer.respond(transaction, 200, 0.0, to_tag="t")
    first = layer.sent()
    assert layer.receive(request(), 1.0) is None
    assert layer.sent() == first


def test_same_branch_from_another_sender_or_with_another_method_is_another_transaction():
    layer = Layer()
    first = layer.open(request())
    assert layer.open(request(sent_by="192.0.2.2")) is not first
    assert layer.open(request("BYE")) is not first


def test_ack_for_a_refusal_is_absorbed_and_for_a_2xx_is_not():
    layer = Layer()
    refused = layer.open(request("INVITE"))
    layer.layer.respond(refused, 486, 0.0, to_tag="t")
    assert layer.receive(request("ACK", to_tag="t")) is None
    ack = request("ACK", branch="z9hG4bKother", to_tag="t")
    assert layer.receive(ack) is ack


@pytest.mark.parametrize("branch", [None, "1", "Z9hg4bk1"])
def test_rfc_2543_request_is_matched_by_all_it_is_made_of(branch: str | None):
    layer = Layer()
    transaction = layer.open(request("INVITE", branch=branch))
    assert layer.receive(request("INVITE", branch=branch)) is None
    assert isinstance(layer.receive(request("INVITE", branch=branch, number=2)), ServerTransaction)
    layer.layer.respond(transaction, 486, 0.0, to_tag="t")
    stranger = request("ACK", branch=branch, to_tag="other")
    assert layer.receive(stranger) is stranger
    assert layer.receive(request("ACK", branch=branch, to_tag="t")) is None
    assert transaction.machine.state is State.CONFIRMED


def test_cancel_finds_the_invite_of_its_branch_and_is_a_transaction_of_its_own():
    layer = Layer()
    invite = layer.open(request("INVITE"))
    cancel = layer.open(request("CANCEL"))
    assert layer.layer.find_invite(cancel.request) is invite
    other = layer.open(request("CANCEL", branch="z9hG4bKb"))
    assert layer.layer.find_invite(other.request) is None


def test_same_request_by_another_way_is_merged():
    layer = Layer()
    first = layer.open(request())
    second = layer.open(request(branch="z9hG4bKb"))
    assert (layer.layer.is_merged(first), layer.layer.is_merged(second)) == (False, True)
    within = layer.open(request(branch="z9hG4bKc", to_tag="t"))
    assert not layer.layer.is_merged(within)


def test_response_goes_to_the_source_or_by_the_via():
    free, strict = Layer(), Layer(use_sent_by=True)
    assert free.layer.destination(free.open(request())) == SOURCE
    assert strict.layer.destination(strict.open(request())) == (SOURCE[0], 5060)
    asked = request(rport=True, branch="z9hG4bKr")
    assert strict.layer.destination(strict.open(asked)) == SOURCE


def test_everything_is_forgotten_in_the_end():
    layer = Layer()
    layer.layer.respond(layer.open(request()), 200, 0.0, to_tag="t")
    layer.layer.respond(layer.open(request("INVITE", branch=None)), 486, 0.0, to_tag="t")
    layer.layer.send_request(request("BYE", branch="z9hG4bKmine"), SOURCE, 0.0)
    layer.run(until_s=100.0)
    assert (len(layer.layer), layer.layer.next_deadline_s()) == (0, None)
    assert layer.statistics.retransmitted == 20  # ten 486, ten BYE


def test_response_is_delivered_once_to_the_request_it_answers():
    layer = Layer()
    bye = request("BYE", branch="z9hG4bKmine")
    transaction = layer.layer.send_request(bye, SOURCE, 0.0)
    ok = parse(serialise(respond(bye, 200, to_tag="t")))
    assert isinstance(ok, Response)
    assert layer.layer.receive_response(ok, 0.1) is transaction
    assert layer.layer.receive_response(ok, 0.2) is None
    stranger = respond(request("BYE", branch="z9hG4bKyours"), 200)
    assert layer.layer.receive_response(stranger, 0.3) is None
    assert layer.statistics.stray == 1


def test_refusal_of_our_invite_is_acknowledged_with_its_branch_and_the_others_tag():
    layer = Layer()
    invite = request("INVITE", branch="z9hG4bKmine")
    layer.layer.send_request(invite, SOURCE, 0.0)
    layer.sent()
    layer.layer.receive_response(respond(invite, 486, to_tag="t"), 0.1)
    ack = parse(layer.sent()[0])
    assert isinstance(ack, Request)
    assert (ack.method, ack.cseq.method, ack.cseq.number) == ("ACK", "ACK", 1)
    assert (ack.via.branch, ack.to_tag) == ("z9hG4bKmine", "t")


# --- deadlines ------------------------------------------------------------------------------------


def test_deadlines_surface_in_order_and_moved_ones_once():
    deadlines: Deadlines[str] = Deadlines()
    for owner, at_s in (("a", 3.0), ("b", 1.0), ("c", 2.0), ("a", 0.5), ("c", None)):
        deadlines.set(owner, at_s)
    assert deadlines.next_s() == 0.5
    assert list(deadlines.due(0.7)) == ["a"]
    assert list(deadlines.due(5.0)) == ["b"]
    assert (deadlines.next_s(), len(deadlines)) == (None, 0)


def test_deadline_that_is_moved_often_surfaces_once():
    deadlines: Deadlines[str] = Deadlines()
    for number in range(10_000):
        deadlines.set("a", float(number))
    assert list(deadlines.due(9_999.0)) == ["a"]
