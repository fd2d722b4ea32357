"""What agents do in the queue, and what it makes of it."""

import pytest

from telephony.queue_agents import AgentPool, Conversation
from telephony.queue_events import (
    AgentAway,
    AgentEngaged,
    AgentEvent,
    AgentReady,
    AgentSignedIn,
    AgentSignedOut,
    AgentState,
    OfferAccepted,
    OfferDeclined,
    OfferMissed,
    ShowAgentState,
    TalkEnded,
)

READY, AWAY = AgentReady(agent="ada"), AgentAway(agent="ada", reason="lunch")
SIGN_OUT = AgentSignedOut(agent="ada")
TALK = Conversation(queue="main", arrived_s=0.0, wrap_up_s=30.0)


class Desk:
    """One agent, signed in, and the time."""

    def __init__(self, *, wrap_up_s: float | None = None) -> None:
        self.pool = AgentPool(wrap_up_s=15.0)
        self.now_s = 1000.0
        self.then(AgentSignedIn(agent="ada", skills={"billing": 2}, wrap_up_s=wrap_up_s))

    def then(self, event: AgentEvent, *, after_s: float = 0.0) -> list[tuple[str, str | None]]:
        """The states shown for it, with their reasons."""
        self.now_s += after_s
        self.pool.receive(event, self.now_s)
        return self.shown()

    def shown(self) -> list[tuple[str, str | None]]:
        shown = self.pool.take_shown()
        return [(s.state.value, s.reason) for s in shown if isinstance(s, ShowAgentState)]

    def wait(self, seconds: float) -> list[tuple[str, str | None]]:
        self.now_s += seconds
        self.pool.check_wrap_ups(self.now_s)
        return self.shown()

    def offered(self) -> "Desk":
        self.then(READY)
        agent = self.pool.get("ada")
        assert agent is not None
        self.pool.offer(agent, "caller", TALK, self.now_s)
        assert self.shown() == [("offered", None)]
        return self

    def talking(self) -> "Desk":
        self.offered()
        assert self.then(OfferAccepted(agent="ada", caller="caller")) == [("talking", None)]
        return self

    def wrapping_up(self) -> "Desk":
        self.talking()
        assert self.then(TalkEnded(agent="ada"), after_s=100.0) == [("wrap_up", None)]
        return self


def test_agent_who_signs_in_is_away_until_they_are_ready():
    desk = Desk()
    assert desk.shown() == []
    agent = desk.pool.get("ada")
    assert agent is not None
    assert (agent.state, agent.reason) == (AgentState.AWAY, None)
    assert desk.then(READY) == [("ready", None)]


def test_wrap_up_ends_by_itself():
    desk = Desk().wrapping_up()
    assert desk.wait(29.9) == []
    assert desk.wait(0.1) == [("ready", None)]


def test_wrap_up_ends_when_the_agent_says_so():
    assert Desk().wrapping_up().then(READY) == [("ready", None)]
    assert Desk().wrapping_up().then(AWAY) == [("away", "lunch")]


def test_agent_with_their_own_wrap_up_time_has_that():
    desk = Desk(wrap_up_s=5.0).wrapping_up()
    assert desk.wait(5.0) == [("ready", None)]


def test_agent_without_wrap_up_is_ready_at_once():
    desk = Desk(wrap_up_s=0.0).talking()
    assert desk.then(TalkEnded(agent="ada")) == [("wrap_up", None), ("ready", None)]


def test_agent_who_does_not_answer_is_away_until_they_say_otherwise():
    desk = Desk().offered()
    assert desk.then(OfferMissed(agent="ada", caller="caller")) == [("away", "not_answering")]
    assert desk.then(READY) == [("ready", None)]


def test_agent_who_declines_stays_ready():
    desk = Desk().offered()
    assert desk.then(OfferDeclined(agent="ada", caller="caller")) == [("ready", None)]


@pytest.mark.parametrize("answer", [OfferAccepted, OfferDeclined, OfferMissed])
def test_answer_to_another_offer_changes_nothing(
    answer: type[OfferAccepted | OfferDeclined | OfferMissed],
):
    assert Desk().offered().then(answer(agent="ada", caller="somebody")) == []


def test_agent_who_goes_away_in_a_call_is_away_after_the_notes_on_it():
    desk = Desk().talking()
    assert desk.then(AWAY) == []
    assert desk.then(TalkEnded(agent="ada")) == [("wrap_up", None)]
    assert desk.wait(30.0) == [("away", "lunch")]


def test_agent_who_is_ready_in_a_call_skips_the_notes():
    desk = Desk().talking()
    desk.then(READY)
    assert desk.then(TalkEnded(agent="ada"))[-1] == ("ready", None)


def test_agent_who_signs_out_in_a_call_is_gone_after_it():
    desk = Desk().talking()
    assert desk.then(SIGN_OUT) == []
    assert desk.then(TalkEnded(agent="ada"))[-1] == ("signed_out", None)
    assert desk.pool.get("ada") is None


def test_agent_who_signs_out_while_waiting_or_over_their_notes_is_gone_at_once():
    desk = Desk()
    desk.then(READY)
    assert desk.then(SIGN_OUT) == [("signed_out", None)]
    desk = Desk().wrapping_up()
    assert desk.then(SIGN_OUT) == [("signed_out", None)]
    assert len(desk.pool.take_handled()) == 1


def test_agent_who_goes_away_or_signs_out_while_rung_does_so_after_the_offer():
    declined = OfferDeclined(agent="ada", caller="caller")
    desk = Desk().offered()
    assert desk.then(AWAY) == []
    assert desk.then(declined) == [("away", "lunch")]
    desk = Desk().offered()
    assert desk.then(SIGN_OUT) == []
    assert desk.then(declined) == [("signed_out", None)]


def test_agent_who_is_ready_after_all_while_rung_stays_so():
    desk = Desk().offered()
    desk.then(AWAY)
    assert desk.then(READY) == []
    assert desk.then(OfferDeclined(agent="ada", caller="caller")) == [("ready", None)]


def test_agent_who_signs_in_again_in_a_call_does_not_leave_after_it():
    desk = Desk().talking()
    desk.then(SIGN_OUT)
    assert desk.then(AgentSignedIn(agent="ada", skills={"orders": 1})) == []
    assert desk.then(TalkEnded(agent="ada")) == [("wrap_up", None)]
    agent = desk.pool.get("ada")
    assert agent is not None
    assert agent.skills == {"orders": 1}


def test_agent_who_is_rung_past_the_queue_while_away_is_away_again_afterwards():
    desk = Desk()
    desk.then(AWAY)
    assert desk.then(AgentEngaged(agent="ada", caller="caller")) == [("offered", None)]
    assert desk.then(OfferDeclined(agent="ada", caller="caller")) == [("away", "lunch")]


def test_agent_who_is_rung_past_the_queue_in_their_notes_is_done_with_them():
    desk = Desk().wrapping_up()
    assert desk.then(AgentEngaged(agent="ada", caller="next"), after_s=10.0)[-1][0] == "offered"
    [(conversation, handling)] = desk.pool.take_handled()
    assert conversation == TALK
    assert handling.wrap_up_s == 10.0


def test_conversation_from_no_queue_has_a_wrap_up_and_is_counted_in_none():
    desk = Desk()
    desk.then(READY)
    desk.then(AgentEngaged(agent="ada", caller="caller"))
    desk.then(OfferAccepted(agent="ada", caller="caller"))
    assert desk.then(TalkEnded(agent="ada")) == [("wrap_up", None)]
    assert desk.wait(15.0) == [("ready", None)]
    assert desk.pool.take_handled() == []


def test_conversation_is_counted_with_its_hold_and_wrap_up():
    desk = Desk().talking()
    desk.then(TalkEnded(agent="ada", held_s=20.0), after_s=100.0)
    assert desk.pool.take_handled() == []
    desk.wait(30.0)
    [(_, handling)] = desk.pool.take_handled()
    assert (handling.talk_s, handling.held_s, handling.wrap_up_s) == (80.0, 20.0, 30.0)


def test_agent_whose_caller_left_while_it_rang_is_idle_as_long_as_before():
    desk = Desk()
    desk.then(READY)
    ready_s = desk.now_s
    desk.now_s += 60.0
    agent = desk.pool.get("ada")
    assert agent is not None
    desk.pool.offer(agent, "caller", TALK, desk.now_s)
    desk.pool.caller_left(agent, desk.now_s + 5.0)
    assert agent.state is AgentState.READY
    assert agent.idle_since_s == ready_s


def test_agent_speaks_a_language_in_all_its_regions():
    desk = Desk()
    desk.then(AgentSignedIn(agent="ada", skills={}, languages=frozenset({"en-GB", "de"})))
    agent = desk.pool.get("ada")
    assert agent is not None
    assert agent.can_take(skill=None, language="en-US")
    assert agent.can_take(skill=None, language="DE")
    assert not agent.can_take(skill=None, language="fr")


def test_table_has_every_state():
    assert {state for state, _, _ in AgentPool.transitions()} == set(AgentState)
