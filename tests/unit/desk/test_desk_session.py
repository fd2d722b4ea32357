"""An agent's desk through pages, calls, wrap-ups and failures of the records."""

import pytest

from server.desk.desk import Desk, DeskPorts
from server.desk.errors import RefusedError
from server.desk.presence import AgentProfile
from server.desk.protocol import (
    ApprovalsTold,
    ErrorTold,
    Hello,
    PendingAction,
    PresenceTold,
    Replaced,
    Saved,
    WrapUpTold,
    parse_from_desk,
)
from tests.fakes.desk_agent import DANA, DeskAgent, FakePage
from tests.fakes.desk_world import RecordedActions
from tests.fakes.timers import HandTimers

REFUND = PendingAction(id="a1", name="refund", detail="Refund 24.90")


@pytest.fixture
def agent() -> DeskAgent:
    return DeskAgent()


def test_page_is_told_everything_first(agent: DeskAgent):
    agent.session.connect(agent.page)
    told = agent.page.told[0]
    assert isinstance(told, Hello)
    assert told.call is None
    assert told.context is None
    assert told.dispositions == agent.options.dispositions


def test_page_that_comes_back_in_the_call_is_told_all_of_it(agent: DeskAgent):
    line = agent.talk()
    line.said("agent", "Hello.")
    agent.send(type="note", text="half a thought")
    agent.send(type="disposition", code="resolved")
    agent.timers.advance(1.0)
    agent.leave()
    agent.come_back()
    told = agent.page.last(Hello)
    assert told.call is not None
    assert (told.call.phase, told.call.for_s) == ("talking", 1.0)
    assert told.context == line.offer.context
    assert (told.note, told.disposition) == ("half a thought", "resolved")
    assert told.transcript[-1].text == "Hello."


def test_second_window_takes_over_and_the_first_one_going_changes_nothing(agent: DeskAgent):
    agent.sign_in()
    first = agent.page
    agent.come_back()
    assert first.closed
    assert first.heard(Replaced)
    agent.session.disconnect(first)
    assert agent.session.connected
    assert agent.presences[-1] == "ready"


def test_presence_follows_the_call(agent: DeskAgent):
    line = agent.talk()
    line.release("caller_hangup")
    agent.send(type="disposition", code="resolved")
    agent.send(type="wrap_up_done")
    assert agent.presences == ["away", "ready", "ringing", "talking", "wrap_up", "ready"]


def test_agent_who_reloads_is_still_ready_and_one_who_went_home_is_not(agent: DeskAgent):
    agent.sign_in()
    agent.leave()
    agent.timers.advance(agent.options.stay_ready_s - 1)
    agent.come_back()
    agent.timers.advance(2)
    assert agent.presences[-1] == "ready"
    agent.leave()
    agent.timers.advance(agent.options.stay_ready_s)
    agent.come_back()
    assert agent.presences[-1] == "away"


def test_agent_who_is_not_free_is_offered_nobody(agent: DeskAgent):
    agent.session.connect(agent.page)
    with pytest.raises(LookupError, match="away"):
        agent.offer()
    agent.send(type="presence", ready=True)
    agent.offer()
    with pytest.raises(LookupError):
        agent.offer()


def test_offer_that_was_opened_and_not_rung_is_shown_to_nobody(agent: DeskAgent):
    agent.sign_in()
    agent.offer().release("caller_hangup")
    assert agent.presences[-1] == "ready"
    agent.come_back()
    assert agent.page.last(Hello).context is None


def test_wrap_up_is_not_over_without_a_disposition(agent: DeskAgent):
    agent.talk().release("caller_hangup")
    agent.send(type="wrap_up_done")
    assert agent.page.last(ErrorTold).code == "disposition_needed"
    assert agent.presences[-1] == "wrap_up"
    agent.timers.advance(agent.options.wrap_up_s * 2)
    assert agent.presences[-1] == "wrap_up"


def test_wrap_up_with_a_disposition_ends_when_its_time_is_up(agent: DeskAgent):
    agent.talk().release("caller_hangup")
    agent.send(type="disposition", code="resolved")
    assert agent.presences[-1] == "wrap_up"
    agent.timers.advance(agent.options.wrap_up_s)
    assert agent.presences[-1] == "ready"
    assert agent.page.last(WrapUpTold).wrap_up is None


def test_unfinished_wrap_up_is_there_after_a_reload(agent: DeskAgent):
    agent.talk().release("caller_hangup")
    agent.leave()
    agent.come_back()
    told = agent.page.last(Hello)
    assert told.wrap_up is not None
    assert told.wrap_up.reason == "caller_hangup"
    assert told.context is not None
    assert agent.presences[-1] == "wrap_up"


def test_agent_who_never_took_the_caller_has_nothing_to_wrap_up(agent: DeskAgent):
    agent.sign_in()
    agent.offer().release("no_answer")
    assert agent.presences[-1] == "ready"


async def test_note_and_disposition_are_said_to_be_saved_when_they_are(agent: DeskAgent):
    agent.talk()
    agent.send(type="note", text="call back")
    agent.send(type="disposition", code="follow_up")
    assert not agent.page.heard(Saved)
    await agent.finish()
    assert (agent.actions.notes, agent.actions.dispositions) == (["call back"], ["follow_up"])
    assert agent.page.last(Saved).what in ("note", "disposition")


async def test_of_notes_that_wait_only_the_newest_is_kept(agent: DeskAgent):
    agent.talk()
    agent.send(type="note", text="c")
    agent.send(type="note", text="call back")
    await agent.finish()
    assert agent.actions.notes == ["call back"]


async def test_records_that_fail_are_told_and_the_desk_goes_on(agent: DeskAgent):
    agent.talk()
    agent.actions.failing = OSError("disk")
    agent.send(type="note", text="call back")
    await agent.finish()
    told = agent.page.last(ErrorTold)
    assert (told.code, told.answers) == ("not_saved", "note")
    assert "disk" not in told.message
    agent.send(type="note", text="call back.")
    await agent.finish()
    assert agent.actions.notes == ["call back."]


def test_disposition_must_be_one_of_the_list(agent: DeskAgent):
    agent.talk()
    agent.send(type="disposition", code="whatever")
    assert agent.page.last(ErrorTold).answers == "disposition"


def test_agent_is_away_for_a_reason_of_the_list_or_for_none(agent: DeskAgent):
    agent.talk()
    agent.send(type="presence", ready=False, away_reason="whatever")
    assert agent.page.last(ErrorTold).answers == "presence"
    for reason in ("lunch", None):
        agent.send(type="presence", ready=False, away_reason=reason)
        assert agent.page.last(PresenceTold).agent.away_reason == reason


def test_calls_of_others_are_none_of_this_agents_business(agent: DeskAgent):
    line = agent.talk()
    other = "00000000-0000-4000-8000-00000000dead"
    agent.send(type="note", text="x", call_id=other)
    assert agent.page.last(ErrorTold).code == "gone"
    assert agent.session.has_call(line.offer.call_id)
    assert not agent.session.has_call(line.offer.id)
    with pytest.raises(RefusedError):
        agent.session.call_of(line.offer.call_id)


async def test_pending_action_is_decided_once_by_who_may():
    agent = DeskAgent(profile=AgentProfile(id="dana", name="Dana", may_approve=True))
    line = agent.talk()
    agent.session.approvals(line.offer.call_id, (REFUND,))
    agent.send(type="decide", action_id="a1", approved=True)
    agent.send(type="decide", action_id="a1", approved=False)
    await agent.finish()
    assert agent.actions.decisions == [("a1", True)]
    assert agent.page.last(ApprovalsTold).items == ()
    assert agent.page.last(ErrorTold).code == "gone"


async def test_agent_without_the_right_sees_what_waits_and_decides_nothing(agent: DeskAgent):
    line = agent.talk()
    agent.session.approvals(line.offer.call_id, (REFUND,))
    agent.send(type="decide", action_id="a1", approved=True)
    await agent.finish()
    assert agent.page.last(ErrorTold).code == "forbidden"
    assert agent.actions.decisions == []
    assert agent.page.last(ApprovalsTold).items == (REFUND,)


def test_phone_cannot_be_chosen_where_no_phones_are_set_up(agent: DeskAgent):
    agent.sign_in()
    agent.send(type="reach", reach="phone")
    assert agent.page.last(ErrorTold).answers == "reach"
    assert agent.page.last(PresenceTold).agent.reach == "desk"


def test_page_is_told_once_of_what_others_change_about_its_agent():
    timers = HandTimers()
    desk = Desk(DeskPorts(actions=RecordedActions()), timers=timers)
    session, page = desk.session(DANA), FakePage()
    session.connect(page)
    session.receive(parse_from_desk('{"type": "presence", "ready": true}'))
    timers.advance()
    desk.directory.choose_away("dana", "not_answering")
    timers.advance()
    told = [message for message in page.told if isinstance(message, PresenceTold)]
    assert [each.agent.presence for each in told] == ["ready", "away"]
