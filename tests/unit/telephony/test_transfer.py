"""The rules of a warm transfer, one test each."""

import pytest

from telephony.transfer import Transfer, TransferOptions, TransferState
from telephony.transfer_events import (
    AgentTransferredOn,
    BeginWrapUp,
    BriefEnded,
    CallerChose,
    CallerGone,
    CallReturned,
    EndTransfer,
    EnterQueue,
    HoldCaller,
    JoinCaller,
    LeaveQueue,
    QueueGaveUp,
    Recovery,
    ReleaseTarget,
    RingTarget,
    SayBrief,
    StopBrief,
    TakeBack,
    TargetAccepted,
    TargetAnswered,
    TargetDeclined,
    TargetFailed,
    TargetGone,
    TargetPicked,
    TargetRinging,
    TimePassed,
    TransferCommand,
    TransferEvent,
    TransferRequested,
)

OPTIONS = TransferOptions(max_attempts=3, recovery=Recovery.CALLBACK)
HANG_UP = CallerGone(reason="caller_hangup")


class Call:
    """A transfer and the time, so that tests read as a story."""

    def __init__(self, options: TransferOptions = OPTIONS) -> None:
        self.transfer = Transfer(options)
        self.now_s = 100.0

    def then(self, event: TransferEvent, *, after_s: float = 0.0) -> list[TransferCommand]:
        self.now_s += after_s
        return list(self.transfer.receive(event, self.now_s))

    @property
    def state(self) -> TransferState:
        return self.transfer.state

    def queued(self) -> "Call":
        assert self.then(TransferRequested()) == [HoldCaller(), EnterQueue()]
        return self

    def ringing(self, agent: str = "ada") -> "Call":
        self.queued()
        assert self.then(TargetPicked(target=agent)) == [RingTarget(target=agent)]
        assert self.then(TargetRinging()) == []
        return self

    def briefing(self) -> "Call":
        self.ringing()
        assert self.then(TargetAnswered()) == [SayBrief()]
        return self

    def deciding(self) -> "Call":
        self.briefing()
        assert self.then(BriefEnded()) == []
        return self

    def joined(self) -> "Call":
        self.deciding()
        assert self.then(TargetAccepted()) == [JoinCaller()]
        return self

    def lost(self) -> "Call":
        self.joined()
        assert self.then(TargetGone(reason="browser_closed")) == [HoldCaller()]
        return self


def test_caller_is_held_until_the_target_has_heard_the_brief_and_accepts():
    call = Call().deciding()
    assert call.state is TransferState.DECIDING
    assert call.then(TargetAccepted()) == [JoinCaller()]
    assert call.state is TransferState.JOINED
    assert call.transfer.target == "ada"


def test_named_target_is_rung_without_the_queue():
    call = Call()
    assert call.then(TransferRequested(target="sip:900@pbx.example")) == [
        HoldCaller(),
        RingTarget(target="sip:900@pbx.example"),
    ]


def test_brief_stops_when_the_target_accepts_during_it():
    assert Call().briefing().then(TargetAccepted()) == [StopBrief(), JoinCaller()]


def test_nothing_is_said_to_a_target_who_sees_the_context():
    call = Call().ringing()
    assert call.then(TargetAnswered(sees_context=True)) == []
    assert call.then(TargetAccepted()) == [JoinCaller()]


def test_target_who_accepts_before_their_audio_is_up_is_joined_once_it_is():
    call = Call().ringing()
    assert call.then(TargetAccepted(), after_s=19.0) == []
    assert call.then(TimePassed(), after_s=9.0) == []
    assert call.then(TargetAnswered()) == [JoinCaller()]


def test_target_who_accepts_and_whose_audio_never_comes_is_passed_over():
    call = Call().ringing()
    call.then(TargetAccepted())
    assert call.then(TimePassed(), after_s=10.0) == [
        ReleaseTarget(reason="no_answer"),
        EnterQueue(first=True, without=("ada",)),
    ]


def test_ring_timeout_gives_the_caller_to_the_next_agent_first_in_line():
    call = Call().ringing()
    assert call.then(TimePassed(), after_s=19.9) == []
    assert call.then(TimePassed(), after_s=0.1) == [
        ReleaseTarget(reason="no_answer"),
        EnterQueue(first=True, without=("ada",)),
    ]
    assert call.then(TargetPicked(target="ben")) == [RingTarget(target="ben")]
    assert call.then(TimePassed(), after_s=19.9) == []


@pytest.mark.parametrize(
    "event",
    [
        TargetDeclined(reason="lunch"),
        TargetFailed(reason="busy"),
        TargetFailed(reason="voicemail"),
        TargetGone(reason="network_error"),
    ],
)
def test_target_that_ends_itself_is_followed_by_the_next_and_not_released_again(
    event: TransferEvent,
):
    again = EnterQueue(first=True, without=("ada",))
    assert Call().ringing().then(event) == [again]
    assert Call().briefing().then(event) == [StopBrief(), again]
    assert Call().deciding().then(event) == [again]


def test_machine_that_picks_up_never_accepts_and_is_taken_for_no_answer():
    call = Call().deciding()
    assert call.then(TimePassed(), after_s=9.9) == []
    assert call.then(TimePassed(), after_s=0.1) == [
        ReleaseTarget(reason="not_accepted"),
        EnterQueue(first=True, without=("ada",)),
    ]


def test_brief_that_does_not_end_is_cut_off():
    assert Call().briefing().then(TimePassed(), after_s=60.0) == [
        StopBrief(),
        ReleaseTarget(reason="not_accepted"),
        EnterQueue(first=True, without=("ada",)),
    ]


def test_agents_are_tried_up_to_the_limit_and_then_the_caller_is_told():
    call = Call().ringing("ada")
    assert call.then(TargetDeclined()) == [EnterQueue(first=True, without=("ada",))]
    call.then(TargetPicked(target="ben"))
    assert call.then(TargetDeclined()) == [EnterQueue(first=True, without=("ada", "ben"))]
    call.then(TargetPicked(target="cleo"))
    assert call.then(TargetDeclined()) == [
        TakeBack(reason="nobody_took_it", recovery=Recovery.CALLBACK)
    ]
    assert call.state is TransferState.OVER


def test_named_target_that_fails_gives_the_caller_back_with_the_reason():
    call = Call()
    call.then(TransferRequested(target="ada"))
    assert call.then(TargetFailed(reason="busy")) == [TakeBack(reason="busy")]


def test_queue_that_gives_up_gives_the_caller_back():
    call = Call().queued()
    assert call.then(QueueGaveUp(reason="closed", recovery=Recovery.VOICEMAIL)) == [
        TakeBack(reason="closed", recovery=Recovery.VOICEMAIL)
    ]


def test_agent_who_hangs_up_ends_the_call_and_wraps_up():
    assert Call().joined().then(TargetGone(reason="agent_hangup")) == [
        BeginWrapUp(target="ada"),
        EndTransfer(reason="agent_hangup"),
    ]


@pytest.mark.parametrize("reason", ["network_error", "media_timeout", "browser_closed"])
def test_agent_who_is_lost_and_returns_in_time_has_the_caller_again(reason: str):
    call = Call().joined()
    assert call.then(TargetGone(reason=reason)) == [HoldCaller()]
    assert call.then(TargetGone(reason=reason), after_s=1.0) == []
    assert call.then(TimePassed(), after_s=3.0) == []
    assert call.then(TargetAnswered(sees_context=True)) == [JoinCaller()]
    assert call.then(TargetAccepted()) == []
    assert call.state is TransferState.JOINED


def test_agent_who_is_lost_for_good_leaves_the_caller_first_in_line():
    call = Call().lost()
    assert call.then(TimePassed(), after_s=5.0) == [
        ReleaseTarget(reason="connection_lost"),
        BeginWrapUp(target="ada"),
        EnterQueue(first=True),
    ]


def test_agent_who_is_lost_and_then_hangs_up_is_not_waited_for():
    call = Call().lost()
    assert call.then(TargetGone(reason="signed_out"))[-1] == EnterQueue(first=True)


def test_caller_whose_agents_are_lost_one_after_the_other_is_taken_back():
    call = Call().lost()
    for agent in ("ben", "cleo"):
        assert call.then(TimePassed(), after_s=5.0)[-1] == EnterQueue(first=True)
        call.then(TargetPicked(target=agent))
        call.then(TargetAnswered(sees_context=True))
        call.then(TargetAccepted())
        call.then(TargetGone(reason="network_error"))
    assert call.then(TimePassed(), after_s=5.0) == [
        ReleaseTarget(reason="connection_lost"),
        BeginWrapUp(target="cleo"),
        TakeBack(reason="connection_lost", recovery=Recovery.CALLBACK),
    ]


@pytest.mark.parametrize("event", [TargetFailed(reason="503"), TargetDeclined()])
def test_leg_that_ends_otherwise_in_the_conversation_counts_as_lost(event: TransferEvent):
    assert Call().joined().then(event) == [HoldCaller()]


@pytest.mark.parametrize("event", [TargetFailed(reason="503"), TargetDeclined()])
def test_agent_who_is_lost_and_cannot_come_back_is_not_waited_for(event: TransferEvent):
    assert Call().lost().then(event)[-1] == EnterQueue(first=True)


def test_agent_who_is_lost_may_say_by_accepting_that_they_are_back():
    assert Call().lost().then(TargetAccepted()) == [JoinCaller()]


def test_agent_who_is_lost_can_still_give_the_call_back():
    assert Call().lost().then(CallReturned(step="take_payment")) == [
        ReleaseTarget(reason="returned"),
        BeginWrapUp(target="ada"),
        TakeBack(reason="returned", step="take_payment"),
    ]


def test_caller_who_hangs_up_frees_whatever_is_held():
    over = EndTransfer(reason="caller_hangup")
    release = ReleaseTarget(reason="caller_hangup")
    wrap_up = BeginWrapUp(target="ada")
    assert Call().then(HANG_UP) == [over]
    assert Call().queued().then(HANG_UP) == [LeaveQueue(), over]
    assert Call().ringing().then(HANG_UP) == [release, over]
    assert Call().briefing().then(HANG_UP) == [StopBrief(), release, over]
    assert Call().deciding().then(HANG_UP) == [release, over]
    assert Call().joined().then(HANG_UP) == [release, wrap_up, over]
    assert Call().lost().then(HANG_UP) == [release, wrap_up, over]


def test_caller_who_chooses_something_else_while_waiting_is_taken_back():
    back = TakeBack(reason="caller_chose", recovery=Recovery.CALLBACK)
    chose = CallerChose(recovery=Recovery.CALLBACK)
    release = ReleaseTarget(reason="caller_chose")
    assert Call().queued().then(chose) == [LeaveQueue(reason="caller_chose"), back]
    assert Call().ringing().then(chose) == [release, back]
    assert Call().briefing().then(chose) == [StopBrief(), release, back]
    assert Call().lost().then(chose) == [release, BeginWrapUp(target="ada"), back]


def test_caller_chooses_nothing_while_talking_to_the_agent():
    call = Call().joined()
    assert call.then(CallerChose(recovery=Recovery.VOICEMAIL)) == []
    assert call.state is TransferState.JOINED


def test_agent_gives_the_call_back_at_a_step():
    assert Call().joined().then(CallReturned(step="take_payment")) == [
        ReleaseTarget(reason="returned"),
        BeginWrapUp(target="ada"),
        TakeBack(reason="returned", step="take_payment"),
    ]


def test_agent_who_transfers_on_is_free_at_once_and_the_next_target_is_rung():
    call = Call().joined()
    assert call.then(AgentTransferredOn(target="ben")) == [
        ReleaseTarget(reason="transferred_on"),
        BeginWrapUp(target="ada"),
        HoldCaller(),
        RingTarget(target="ben"),
    ]
    call.then(TargetAnswered(sees_context=True))
    assert call.then(TargetAccepted()) == [JoinCaller()]
    assert call.then(HANG_UP)[1] == BeginWrapUp(target="ben")


def test_caller_whom_the_next_target_does_not_take_goes_first_in_line():
    call = Call().joined()
    call.then(AgentTransferredOn(target="ben"))
    assert call.then(TargetDeclined()) == [EnterQueue(first=True, without=("ben",))]
    assert call.then(TargetPicked(target="ada")) == [RingTarget(target="ada")]


def test_agent_who_transfers_on_to_the_queue_is_not_offered_the_caller_again():
    assert Call().joined().then(AgentTransferredOn())[-1] == EnterQueue(
        first=True, without=("ada",)
    )


def test_waiting_has_a_limit_whatever_the_queue_does():
    call = Call(TransferOptions(total_s=300.0)).queued()
    assert call.then(TimePassed(), after_s=299.0) == []
    assert call.then(TimePassed(), after_s=1.0) == [
        LeaveQueue(reason="took_too_long"),
        TakeBack(reason="took_too_long"),
    ]


def test_ringing_at_the_limit_takes_the_caller_back_instead_of_trying_the_next():
    call = Call(TransferOptions(total_s=30.0))
    call.then(TransferRequested())
    call.then(TargetPicked(target="ada"), after_s=15.0)
    assert call.then(TimePassed(), after_s=20.0) == [
        ReleaseTarget(reason="took_too_long"),
        TakeBack(reason="took_too_long"),
    ]


def test_conversation_has_no_limit():
    call = Call(TransferOptions(total_s=300.0)).joined()
    assert call.then(TimePassed(), after_s=100_000.0) == []


def test_target_picked_in_crossing_is_not_rung_beside_the_one_that_rings():
    call = Call().ringing("ada")
    assert call.then(TargetPicked(target="ben")) == []
    assert call.transfer.target == "ada"


def test_nothing_comes_of_events_after_the_end():
    call = Call().ringing()
    call.then(HANG_UP)
    for event in (TargetAnswered(), TargetAccepted(), TransferRequested(), HANG_UP, TimePassed()):
        assert call.then(event, after_s=1.0) == []


def test_limit_of_no_attempts_is_refused():
    with pytest.raises(ValueError, match="max_attempts"):
        TransferOptions(max_attempts=0)


def test_table_names_a_rule_for_every_state_but_the_last():
    assert {state for state, _, _ in Transfer.transitions()} == set(TransferState) - {
        TransferState.OVER
    }
