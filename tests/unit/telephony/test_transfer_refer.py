"""Transfers by REFER: blind at once, attended with Replaces; how a NOTIFY decides them."""

import pytest

from telephony.transfer import Transfer, TransferOptions, TransferState
from telephony.transfer_events import (
    BeginWrapUp,
    CallerGone,
    EndTransfer,
    EnterQueue,
    HoldCaller,
    JoinCaller,
    ReferProgressed,
    ReleaseTarget,
    RingTarget,
    SendRefer,
    TakeBack,
    TargetAccepted,
    TargetAnswered,
    TargetGone,
    TargetPicked,
    TimePassed,
    TransferCommand,
    TransferEvent,
    TransferMode,
    TransferRequested,
)

EXTENSION = "sip:900@pbx.example"


class Refer:
    """A transfer whose REFER has just been sent, and the time."""

    def __init__(self, mode: TransferMode, target: str | None = EXTENSION) -> None:
        self.transfer = Transfer(TransferOptions())
        self.now_s = 50.0
        self.begun = self.then(TransferRequested(mode=mode, target=target))
        if target is None:
            self.begun = self.then(TargetPicked(target="ada"))
        if mode is TransferMode.ATTENDED:
            self.then(TargetAnswered(sees_context=True))
            self.begun = self.then(TargetAccepted())

    def then(self, event: TransferEvent, *, after_s: float = 0.0) -> list[TransferCommand]:
        self.now_s += after_s
        return list(self.transfer.receive(event, self.now_s))


def test_blind_transfer_refers_the_caller_at_once():
    assert Refer(TransferMode.BLIND).begun == [
        HoldCaller(),
        SendRefer(target=EXTENSION, replaces_target=False),
    ]


def test_attended_transfer_refers_once_the_target_has_accepted():
    refer = Refer(TransferMode.ATTENDED)
    assert refer.begun == [SendRefer(target=EXTENSION, replaces_target=True)]
    assert refer.transfer.state is TransferState.REFERRING


def test_attended_transfer_rings_here_first():
    transfer = Transfer(TransferOptions())
    request = TransferRequested(mode=TransferMode.ATTENDED, target=EXTENSION)
    assert transfer.receive(request, 0.0) == (HoldCaller(), RingTarget(target=EXTENSION))


def test_notify_of_success_ends_the_transfer():
    refer = Refer(TransferMode.BLIND)
    assert refer.then(ReferProgressed(status=100)) == []
    assert refer.then(ReferProgressed(status=200)) == [EndTransfer(reason="referred")]


def test_notify_of_success_frees_the_target_leg_that_was_replaced():
    refer = Refer(TransferMode.ATTENDED)
    assert refer.then(ReferProgressed(status=200)) == [
        ReleaseTarget(reason="referred"),
        EndTransfer(reason="referred"),
    ]


@pytest.mark.parametrize(
    "accepted",
    [
        ReferProgressed(status=202, answer=True),
        ReferProgressed(status=200, answer=True),
        ReferProgressed(status=202),
    ],
)
def test_refer_that_is_accepted_has_not_reached_the_target_yet(accepted: ReferProgressed):
    refer = Refer(TransferMode.BLIND)
    assert refer.then(accepted) == []
    assert refer.then(ReferProgressed(status=486)) == [TakeBack(reason="refer_486")]


@pytest.mark.parametrize("refused", [603, 501, 486])
def test_blind_refer_that_fails_gives_the_caller_back(refused: int):
    refer = Refer(TransferMode.BLIND)
    assert refer.then(ReferProgressed(status=refused)) == [TakeBack(reason=f"refer_{refused}")]


def test_blind_refer_to_whom_the_queue_picked_is_followed_by_the_next():
    refer = Refer(TransferMode.BLIND, target=None)
    assert refer.begun == [SendRefer(target="ada", replaces_target=False)]
    assert refer.then(ReferProgressed(status=486)) == [EnterQueue(first=True, without=("ada",))]


def test_attended_refer_that_fails_is_bridged_here_instead():
    refer = Refer(TransferMode.ATTENDED)
    assert refer.then(ReferProgressed(status=501, answer=True)) == [JoinCaller()]
    assert refer.transfer.state is TransferState.JOINED


def test_attended_refer_that_fails_when_the_target_is_gone_gives_the_caller_back():
    refer = Refer(TransferMode.ATTENDED)
    assert refer.then(TargetGone(reason="agent_hangup")) == []
    assert refer.then(ReferProgressed(status=481)) == [TakeBack(reason="refer_481")]


def test_refer_that_is_never_answered_times_out():
    refer = Refer(TransferMode.BLIND)
    assert refer.then(TimePassed(), after_s=39.0) == []
    assert refer.then(TimePassed(), after_s=1.0) == [TakeBack(reason="refer_timeout")]


def test_news_of_the_refer_gives_it_more_time():
    refer = Refer(TransferMode.BLIND)
    refer.then(ReferProgressed(status=180), after_s=39.0)
    assert refer.then(TimePassed(), after_s=39.0) == []
    assert refer.then(TimePassed(), after_s=1.0) == [TakeBack(reason="refer_timeout")]


def test_success_that_comes_after_the_bridge_ends_the_transfer_all_the_same():
    refer = Refer(TransferMode.ATTENDED)
    assert refer.then(TimePassed(), after_s=40.0) == [JoinCaller()]
    assert refer.then(ReferProgressed(status=180)) == []
    assert refer.then(ReferProgressed(status=200)) == [
        ReleaseTarget(reason="referred"),
        BeginWrapUp(target=EXTENSION),
        EndTransfer(reason="referred"),
    ]


def test_caller_who_leaves_after_taking_the_refer_was_referred():
    refer = Refer(TransferMode.BLIND)
    refer.then(ReferProgressed(status=202, answer=True))
    assert refer.then(CallerGone(reason="caller_hangup")) == [EndTransfer(reason="referred")]


def test_caller_who_leaves_before_taking_the_refer_hung_up():
    refer = Refer(TransferMode.ATTENDED)
    assert refer.then(CallerGone(reason="caller_hangup")) == [
        ReleaseTarget(reason="caller_hangup"),
        EndTransfer(reason="caller_hangup"),
    ]
