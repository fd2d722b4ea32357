"""Two of our cores over a network that loses, delays and reorders: they end up agreeing."""

from contextlib import suppress
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.sip.commands import AcceptRefer, CallCommand, Renegotiate, ReportRefer, SendRefer
from telephony.sip.errors import LocalProtocolError
from telephony.sip.media import Direction
from telephony.sip.outputs import (
    CallClosed,
    CallEnded,
    CallEstablished,
    DialogId,
    MediaChanged,
    ReferProgressed,
    ReferReceived,
    RenegotiationEnded,
)
from tests.fakes.sip_pair import End, Pair

STEPS = (
    *("ring", "answer", "refuse", "hang_up_a", "hang_up_b", "hold_a", "hold_b", "resume_a"),
    *("resume_b", "refer_a", "refer_b", "decide", "report", "wait", "wait_long"),
)
DIRECTIONS = {"hold": Direction.SENDONLY, "resume": Direction.SENDRECV}


@dataclass
class World:
    pair: Pair
    ours: DialogId
    referrals: int = 0

    @property
    def theirs(self) -> DialogId | None:
        return self.pair.b.offered[0] if self.pair.b.offered else None

    def call_of(self, end: End) -> DialogId | None:
        return self.ours if end is self.pair.a else self.theirs

    def do(self, step: str) -> None:
        pair = self.pair
        if step in ("wait", "wait_long"):
            pair.run(0.3 if step == "wait" else 15.0)
            return
        with suppress(LocalProtocolError):  # too early, too late, or twice: the user is told
            name, _, side = step.rpartition("_")
            if side in ("a", "b"):
                self.one_does(name, pair.a if side == "a" else pair.b)
            elif self.theirs is not None:
                self.called_does(step, self.theirs)

    def one_does(self, name: str, end: End) -> None:
        call = self.call_of(end)
        if call is None:
            return
        if name == "hang_up":
            self.pair.hang_up(end, call)
            return
        command: CallCommand
        if name == "refer":
            self.referrals += 1
            command = SendRefer(referral=self.referrals, refer_to="<sip:c@192.0.2.3>")
        else:
            command = Renegotiate(direction=DIRECTIONS[name])
        self.pair.obey(end, call, command)

    def called_does(self, step: str, call: DialogId) -> None:
        core, now_s = self.pair.b.core, self.pair.now_s
        match step:
            case "ring":
                self.pair.take(self.pair.b, core.ring(call, now_s))
            case "answer":
                self.pair.answer(index=0)
            case "refuse":
                self.pair.take(self.pair.b, core.refuse(call, 486, now_s))
            case _:
                for end in (self.pair.a, self.pair.b):
                    self.take_referrals(step, end)

    def take_referrals(self, step: str, end: End) -> None:
        for asked in [o for o in end.outputs if isinstance(o, ReferReceived)]:
            with suppress(LocalProtocolError):
                number = asked.referral
                command = (
                    AcceptRefer(referral=number)
                    if step == "decide"
                    else ReportRefer(referral=number, status=200)
                )
                self.pair.obey(end, asked.dialog_id, command)


def last_direction(end: End) -> Direction | None:
    changes = [
        o.agreement.direction for o in end.outputs if isinstance(o, CallEstablished | MediaChanged)
    ]
    return changes[-1] if changes else None


def check_ended(end: End) -> None:
    assert end.core.call_count == 0
    dialogs = {o.dialog_id for o in end.outputs if isinstance(o, CallEnded)}
    for dialog in dialogs:
        happened = end.happened(dialog)
        assert sum(isinstance(o, CallEnded) for o in happened) == 1
        assert sum(isinstance(o, CallEstablished) for o in happened) <= 1
        assert isinstance(happened[-1], CallClosed)
        started = {o.referral for o in happened if isinstance(o, ReferProgressed)}
        for referral in started:
            news = [
                o for o in happened if isinstance(o, ReferProgressed) and o.referral == referral
            ]
            assert [o.is_final for o in news] == [False] * (len(news) - 1) + [True]


networks = st.builds(
    Pair,
    loss=st.sampled_from([0.0, 0.1, 0.3]),
    jitter_s=st.sampled_from([0.0, 0.05, 0.7]),
    seed=st.integers(0, 2**16),
)
long_lists = st.lists(st.sampled_from(STEPS), max_size=14)


@settings(max_examples=250, deadline=None)
@given(networks, long_lists)
def test_whatever_happens_both_ends_forget_the_call_and_no_transaction_stays(
    pair: Pair, steps: list[str]
):
    world = World(pair, pair.dial())
    for step in steps:
        world.do(step)
    pair.loss = 0.0
    pair.hang_up(pair.a, world.ours)
    pair.run(120)
    for call in pair.b.offered:
        pair.hang_up(pair.b, call)
    pair.run(200)
    assert pair.is_quiet
    check_ended(pair.a)
    check_ended(pair.b)


@settings(max_examples=150, deadline=None)
@given(networks, st.lists(st.sampled_from(("hold_a", "hold_b", "resume_a", "resume_b", "wait"))))
def test_call_that_is_up_on_both_ends_is_seen_alike_by_both(pair: Pair, steps: list[str]):
    loss, pair.loss = pair.loss, 0.0
    ours, theirs = pair.established() if not pair.jitter_s else slow(pair)
    world = World(pair, ours)
    pair.loss = loss
    for step in steps:
        world.do(step)
    pair.loss = 0.0
    pair.run(60)
    if not pair.a.ends and not pair.b.ends:
        here, there = last_direction(pair.a), last_direction(pair.b)
        assert here is not None
        assert here.reversed is there
    assert (pair.a.ends == []) == (pair.b.ends == [])
    asked = sum(isinstance(o, RenegotiationEnded) for o in pair.a.outputs)
    assert asked <= len(steps)
    pair.hang_up(pair.b, theirs)


def slow(pair: Pair) -> tuple[DialogId, DialogId]:
    """A call that gets up over a network that takes its time."""
    ours = pair.dial()
    pair.run(2)
    theirs = pair.answer(index=0)
    pair.run(5)
    return ours, theirs
