"""A second person in a call: who comes, who does not, and who has the caller afterwards."""

import pytest

from telephony.conference import (
    Conference,
    ConferenceCommand,
    ConferenceEvent,
    ConferenceState,
    GuestInvited,
    HostLeft,
    JoinGuest,
    PromoteGuest,
    RefuseInvitation,
    TalkEnded,
    TellHost,
)
from telephony.transfer import TransferOptions
from telephony.transfer_events import (
    BriefEnded,
    ReleaseTarget,
    RingTarget,
    SayBrief,
    StopBrief,
    TargetAccepted,
    TargetAnswered,
    TargetDeclined,
    TargetFailed,
    TargetGone,
    TimePassed,
)

INVITED = GuestInvited(target="bob")
ANSWERED, SEEN = TargetAnswered(), TargetAnswered(sees_context=True)
ACCEPTED, BRIEFED, HUNG_UP = TargetAccepted(), BriefEnded(), TargetGone(reason="agent_hangup")


class Driven(Conference):
    """Told events at the moments a test names."""

    def __init__(self) -> None:
        super().__init__(TransferOptions(ring_s=20, accept_timeout_s=10, connect_s=5))

    def after(self, *events: ConferenceEvent, at_s: float = 0.0) -> list[ConferenceCommand]:
        """What the last of these causes."""
        caused: list[ConferenceCommand] = []
        for event in events:
            caused = [*self.receive(event, at_s)]
        return caused


def test_guest_on_a_phone_is_rung_briefed_and_joins_with_a_key():
    call = Driven()
    assert call.after(INVITED) == [RingTarget(target="bob")]
    assert call.after(ANSWERED) == [SayBrief()]
    assert call.after(BRIEFED) == []
    assert call.after(ACCEPTED) == [JoinGuest()]
    assert (call.state, call.guest) == (ConferenceState.JOINED, "bob")


def test_guest_who_sees_the_context_is_told_nothing():
    assert Driven().after(INVITED, SEEN, ACCEPTED) == [JoinGuest()]


def test_guest_who_accepts_before_the_audio_is_up_joins_with_it():
    assert Driven().after(INVITED, ACCEPTED, SEEN) == [JoinGuest()]


def test_guest_who_accepts_during_the_brief_hears_no_more_of_it():
    assert Driven().after(INVITED, ANSWERED, ACCEPTED) == [StopBrief(), JoinGuest()]


@pytest.mark.parametrize(
    ("before", "end", "reason"),
    [
        ((INVITED,), TargetDeclined(), "declined"),
        ((INVITED,), TargetFailed(reason="busy"), "busy"),
        ((INVITED, SEEN), HUNG_UP, "guest_gone"),
        ((INVITED, SEEN, ACCEPTED), HUNG_UP, "left"),
        ((INVITED, SEEN, ACCEPTED), TargetFailed(reason="network_error"), "left"),
    ],
)
def test_host_is_told_of_a_guest_who_does_not_come_or_leaves(
    before: tuple[ConferenceEvent, ...], end: ConferenceEvent, reason: str
):
    call = Driven()
    assert call.after(*before, end) == [ReleaseTarget(reason=reason), TellHost(reason=reason)]
    assert (call.state, call.guest) == (ConferenceState.ALONE, None)


@pytest.mark.parametrize(
    ("before", "late_s", "reason"),
    [
        ((INVITED,), 20, "no_answer"),
        ((INVITED, ACCEPTED), 5, "no_answer"),
        ((INVITED, SEEN), 10, "not_accepted"),
    ],
)
def test_guest_who_takes_too_long_is_let_go(
    before: tuple[ConferenceEvent, ...], late_s: float, reason: str
):
    call = Driven()
    call.after(*before)
    assert call.after(TimePassed(), at_s=late_s - 0.1) == []
    assert call.after(TimePassed(), at_s=late_s)[-1] == TellHost(reason=reason)


def test_host_who_leaves_hands_the_call_to_the_guest_who_may_invite_in_turn():
    call = Driven()
    assert call.after(INVITED, SEEN, ACCEPTED, HostLeft()) == [PromoteGuest()]
    assert call.after(GuestInvited(target="cleo")) == [RingTarget(target="cleo")]


def test_host_who_leaves_before_the_guest_has_joined_takes_the_invitation_along():
    call = Driven()
    assert call.after(INVITED, ANSWERED, HostLeft()) == [
        StopBrief(),
        ReleaseTarget(reason="host_left"),
    ]


def test_second_guest_is_refused():
    assert Driven().after(INVITED, GuestInvited(target="cleo")) == [RefuseInvitation()]


@pytest.mark.parametrize("before", [(INVITED,), (INVITED, SEEN), (INVITED, SEEN, ACCEPTED)])
def test_guest_goes_when_the_conversation_ends(before: tuple[ConferenceEvent, ...]):
    call = Driven()
    assert call.after(*before, TalkEnded(reason="caller_hangup")) == [
        ReleaseTarget(reason="caller_hangup")
    ]
