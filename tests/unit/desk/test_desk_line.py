"""A line to one agent: ringing, answering, taking, losing and finding them again."""

import asyncio

import pytest

from server.desk.desk_line import DeskLine
from server.desk.errors import RefusedError
from server.desk.phases import ALLOWED, Phase
from server.desk.protocol import (
    CallTold,
    ErrorTold,
    HangUp,
    OfferTold,
    OfferWithdrawn,
    Seen,
    TranscriptTold,
)
from server.handoff.ports import (
    ColleagueInvited,
    HoldChanged,
    KeysSent,
    LinePressedKey,
    MuteChanged,
)
from telephony.transfer_events import (
    AgentTransferredOn,
    CallReturned,
    TargetAccepted,
    TargetAnswered,
    TargetDeclined,
    TargetFailed,
    TargetGone,
    TargetRinging,
    TransferMode,
)
from tests.fakes.desk_agent import DeskAgent
from voice.events import KeyPressed


@pytest.fixture
def agent() -> DeskAgent:
    return DeskAgent()


def test_context_is_on_the_screen_before_anything_is_answered(agent: DeskAgent):
    agent.sign_in()
    line = agent.offer()
    told = agent.page.last(OfferTold)
    assert told.context == line.offer.context
    assert told.call.phase == "ringing"
    assert [said.text for said in told.transcript][-1] == "can I speak to a person"
    assert line.leg is None


def test_it_rings_when_the_page_says_that_it_shows_the_offer(agent: DeskAgent):
    agent.sign_in()
    agent.offer()
    agent.timers.advance()
    assert agent.events == []
    agent.send(type="seen")
    assert agent.events == [TargetRinging()]


def test_accepting_with_the_audio_up_answers_and_takes_at_once(agent: DeskAgent):
    agent.sign_in()
    line = agent.offer()
    agent.connect_audio()
    agent.send(type="accept")
    assert agent.events == [TargetAnswered(sees_context=True), TargetAccepted()]
    assert line.leg is not None


def test_accepting_before_the_audio_waits_for_it(agent: DeskAgent):
    agent.sign_in()
    agent.offer()
    agent.send(type="accept")
    assert agent.events == []
    assert agent.page.last(CallTold).call.phase == "connecting"
    agent.connect_audio()
    assert agent.events == [TargetAnswered(sees_context=True), TargetAccepted()]


def test_audio_that_never_comes_fails_the_target(agent: DeskAgent):
    agent.sign_in()
    agent.offer()
    agent.send(type="accept")
    agent.timers.advance(agent.options.audio_wait_s)
    assert agent.events == [TargetFailed(reason="no_audio")]


def test_answering_alone_shows_the_brief_and_takes_nobody(agent: DeskAgent):
    agent.sign_in()
    agent.offer()
    agent.connect_audio()
    agent.send(type="answer")
    assert agent.events == [TargetAnswered(sees_context=True)]
    assert agent.page.last(CallTold).call.phase == "briefing"


def test_agent_who_wants_the_brief_said_hears_it_before_taking_the_caller(agent: DeskAgent):
    agent.sign_in()
    agent.send(type="spoken_brief", wanted=True)
    agent.offer()
    agent.connect_audio()
    agent.send(type="answer")
    assert agent.events == [TargetAnswered(sees_context=False)]
    agent.send(type="accept")
    assert agent.events[1:] == [TargetAccepted()]


@pytest.mark.parametrize("answered", [False, True])
def test_declining_withdraws_the_offer_and_frees_the_audio(agent: DeskAgent, answered: bool):
    agent.sign_in()
    agent.offer()
    audio = agent.connect_audio()
    if answered:
        agent.send(type="answer")
    agent.send(type="decline", reason="busy")
    asyncio.run(agent.finish())
    assert agent.events[-1] == TargetDeclined(reason="busy")
    assert agent.page.last(OfferWithdrawn).reason == "declined"
    assert audio.hung_up == "declined"
    assert agent.presences[-1] == "ready"


def test_release_while_ringing_withdraws_the_offer_and_reports_nothing(agent: DeskAgent):
    agent.sign_in()
    line = agent.offer()
    line.release("answered_elsewhere")
    line.release("answered_elsewhere")
    agent.timers.advance(60)
    assert agent.events == []
    assert agent.page.last(OfferWithdrawn).reason == "answered_elsewhere"


def test_events_on_their_way_when_the_line_is_released_are_not_told(agent: DeskAgent):
    agent.sign_in()
    line = agent.offer()
    line.receive(_seen(line))
    line.release("caller_hangup")
    agent.timers.advance()
    assert agent.events == []


def test_events_never_come_from_within_a_call(agent: DeskAgent):
    agent.talk()
    agent.events.clear()
    agent.session.receive(_hang_up(agent))
    assert agent.events == []
    agent.timers.advance()
    assert agent.events == [TargetGone(reason="agent_hangup")]


def test_hold_and_resume_are_reported_and_shown(agent: DeskAgent):
    agent.talk()
    agent.send(type="hold")
    assert agent.events[-1] == HoldChanged(held=True)
    assert agent.page.last(CallTold).call.phase == "held"
    agent.send(type="resume")
    assert agent.events[-1] == HoldChanged(held=False)
    assert agent.page.last(CallTold).call.phase == "talking"


def test_nothing_is_heard_of_a_muted_agent_whatever_their_browser_sends(agent: DeskAgent):
    line = agent.talk()
    assert line.leg is not None
    assert line.leg.receive_frame().any()
    agent.send(type="mute", muted=True)
    assert not line.leg.receive_frame().any()
    assert agent.events[-1] == MuteChanged(muted=True)
    agent.send(type="mute", muted=False)
    assert line.leg.receive_frame().any()


@pytest.mark.parametrize(
    ("message", "event"),
    [
        ({"type": "keys", "keys": "1#"}, KeysSent(keys="1#")),
        ({"type": "conference", "target": "kim"}, ColleagueInvited(target="kim")),
        ({"type": "return_to_frontdesk", "step": "pay"}, CallReturned(step="pay")),
        ({"type": "return_to_frontdesk"}, CallReturned(step=None)),
        (
            {"type": "transfer_on", "target": "kim", "mode": "blind"},
            AgentTransferredOn(mode=TransferMode.BLIND, target="kim"),
        ),
    ],
)
def test_what_the_agent_asks_for_in_talk_goes_to_the_coordinator(
    agent: DeskAgent, message: dict[str, str], event: object
):
    agent.talk()
    agent.send(**message)
    assert agent.events[-1] == event


def test_agent_is_told_what_was_not_possible_and_which_wish_it_was(agent: DeskAgent):
    line = agent.talk()
    line.refused(KeysSent(keys="1"), "this caller's line takes no keys")
    told = agent.page.last(ErrorTold)
    assert (told.message, told.answers) == ("this caller's line takes no keys", "keys")


def test_call_to_somebody_who_did_not_answer_needs_no_wrap_up(agent: DeskAgent):
    line = agent.talk()
    line.release("not_reached")
    agent.timers.advance()
    assert agent.page.last(OfferWithdrawn).reason == "not_reached"
    assert agent.directory.get("dana").presence.value == "ready"


def test_keys_of_the_softphone_are_told_as_the_lines(agent: DeskAgent):
    agent.talk()
    agent.audio.on_event(KeyPressed(key="1"))
    agent.timers.advance()
    assert agent.events[-1] == LinePressedKey(key="1")


def test_transcript_goes_on_from_where_the_call_stands(agent: DeskAgent):
    line = agent.talk()
    line.said("agent", "Hello, this is Dana.")
    told = agent.page.last(TranscriptTold).line
    assert (told.who, told.text, told.at_s) == ("agent", "Hello, this is Dana.", 120.0)


@pytest.mark.parametrize("command", ["hold", "hang_up", "keys", "transfer_on"])
def test_what_needs_a_caller_is_refused_while_it_rings(agent: DeskAgent, command: str):
    agent.sign_in()
    agent.offer()
    more = {"keys": {"keys": "1"}, "transfer_on": {"target": "kim"}}.get(command, {})
    agent.send(type=command, **more)
    refused = agent.page.last(ErrorTold)
    assert (refused.code, refused.answers) == ("not_now", command)
    assert agent.events == []


def test_commands_of_a_call_before_are_refused(agent: DeskAgent):
    line = agent.talk()
    line.release("caller_hangup")
    with pytest.raises(RefusedError):
        line.receive(_hang_up(agent))


def test_every_command_is_refused_when_the_line_has_ended():
    assert all(Phase.ENDED not in phases for phases in ALLOWED.values())
    assert all(Phase.OFFERED not in phases for phases in ALLOWED.values())


# --- lost and found ---


def test_page_that_is_reloaded_while_it_rings_rings_on(agent: DeskAgent):
    agent.sign_in()
    agent.offer()
    agent.leave()
    agent.timers.advance(agent.options.ringing_reconnect_s - 0.1)
    agent.come_back()
    agent.timers.advance(10)
    assert agent.events == []


def test_page_that_stays_away_while_it_rings_is_unreachable(agent: DeskAgent):
    agent.sign_in()
    agent.offer()
    agent.leave()
    agent.timers.advance(agent.options.ringing_reconnect_s)
    assert agent.events == [TargetFailed(reason="unreachable")]
    assert agent.presences[-1] == "offline"


def test_quick_reload_in_talk_is_no_loss_and_the_room_keeps_its_leg(agent: DeskAgent):
    line = agent.talk()
    leg = line.leg
    agent.events.clear()
    agent.leave()
    agent.audio.vanish()
    agent.timers.advance(agent.options.lost_after_s - 0.1)
    agent.come_back()
    agent.connect_audio()
    agent.timers.advance(60)
    assert agent.events == []
    assert line.leg is leg


def test_reload_that_takes_longer_is_reported_lost_then_found(agent: DeskAgent):
    line = agent.talk()
    agent.events.clear()
    agent.leave()
    agent.audio.vanish()
    agent.timers.advance(agent.options.lost_after_s)
    assert agent.events == [TargetGone(reason="browser_closed")]
    agent.come_back()
    agent.timers.advance(0.5)
    assert len(agent.events) == 1  # the page is there, its audio not yet
    agent.connect_audio()
    assert agent.events[1:] == [TargetAnswered(sees_context=True)]
    assert line.leg is not None
    assert line.leg.receive_frame().any()
    agent.come_back()  # a second reload, quick this time
    agent.timers.advance(1.0)
    assert len(agent.events) == 2


def test_audio_lost_with_the_page_there_is_the_networks_fault(agent: DeskAgent):
    agent.talk()
    agent.events.clear()
    agent.audio.vanish()
    assert agent.page.last(CallTold).call.reconnecting
    agent.timers.advance(agent.options.lost_after_s)
    assert agent.events == [TargetGone(reason="network_error")]


def test_agent_who_never_comes_back_is_given_up_once(agent: DeskAgent):
    agent.talk()
    agent.events.clear()
    agent.leave()
    agent.timers.advance(agent.options.reconnect_s + 60)
    assert agent.events == [
        TargetGone(reason="browser_closed"),
        TargetGone(reason="connection_lost"),
    ]


def test_while_the_agent_is_away_silence_is_heard_from_them(agent: DeskAgent):
    line = agent.talk()
    agent.audio.vanish()
    assert line.leg is not None
    assert not line.leg.receive_frame().any()
    line.leg.send_frame(line.leg.receive_frame())


def test_end_of_audio_that_was_replaced_concerns_nobody(agent: DeskAgent):
    agent.talk()
    first = agent.audio
    agent.connect_audio()
    agent.events.clear()
    first.vanish()
    agent.timers.advance(60)
    assert agent.events == []
    asyncio.run(agent.finish())
    assert first.hung_up == "replaced"


def _seen(line: DeskLine) -> Seen:
    return Seen(type="seen", offer_id=line.offer.id)


def _hang_up(agent: DeskAgent) -> HangUp:
    assert agent.line is not None
    return HangUp(type="hang_up", call_id=agent.line.offer.call_id)
