"""What must hold of a second person in a call whatever happens, in any order, at any time."""

from hypothesis import given
from hypothesis import strategies as st

from telephony.conference import (
    Conference,
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

EVENTS: st.SearchStrategy[ConferenceEvent] = st.one_of(
    st.builds(GuestInvited, target=st.sampled_from(["ada", "ben", "sip:900@pbx.example"])),
    st.just(HostLeft()),
    st.builds(TalkEnded, reason=st.just("caller_hangup")),
    st.builds(TargetAnswered, sees_context=st.booleans()),
    st.just(TargetAccepted()),
    st.just(TargetDeclined()),
    st.builds(TargetFailed, reason=st.sampled_from(["busy", "no_answer"])),
    st.builds(TargetGone, reason=st.sampled_from(["agent_hangup", "network_error"])),
    st.just(BriefEnded()),
    st.just(TimePassed()),
)


@given(st.lists(st.tuples(EVENTS, st.floats(0, 30)), max_size=40))
def test_every_guest_is_let_go_or_has_the_call_and_briefs_end(
    story: list[tuple[ConferenceEvent, float]],
):
    machine, now_s = Conference(TransferOptions()), 0.0
    held = joined = briefed = False  # a guest's line; the guest hears the caller, or the brief
    for event, later_s in story:
        now_s += later_s
        for command in machine.receive(event, now_s):
            match command:
                case RingTarget():
                    assert not held
                    held, joined = True, False
                case SayBrief():
                    assert held
                    assert not joined
                    briefed = True
                case StopBrief():
                    assert briefed
                    briefed = False
                case JoinGuest():
                    assert held
                    assert not joined
                    joined, briefed = True, False
                case PromoteGuest():
                    assert joined
                    held = joined = False
                case ReleaseTarget():
                    assert held
                    held = joined = False
                    assert not briefed or machine.state is ConferenceState.ALONE
                case RefuseInvitation() | TellHost():
                    pass
        briefed = briefed and machine.state is ConferenceState.BRIEFING
        assert held is (machine.state is not ConferenceState.ALONE) is (machine.guest is not None)
        assert joined is (machine.state is ConferenceState.JOINED)
