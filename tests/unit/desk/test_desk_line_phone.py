"""A line to an agent who takes calls on a phone."""

import asyncio
from collections.abc import Callable

import pytest

from server.desk.protocol import (
    CallTold,
)
from server.handoff.ports import HoldChanged
from telephony.leg import LegGoneError, LegRefusedError
from telephony.transfer_events import (
    TargetAccepted,
    TargetAnswered,
    TargetFailed,
    TargetGone,
    TargetRinging,
)
from tests.fakes.desk_agent import DeskAgent, FakeAudio


class FakePhone(FakeAudio):
    """telephony.leg.OutgoingLeg that does what the test decided."""

    def __init__(self, fault: Exception | None = None) -> None:
        super().__init__()
        self.target = "201"
        self.on_ringing: Callable[[], None] = lambda: None
        self.on_hold_changed: Callable[[bool], None] | None = None
        self.on_answer: Callable[[], None] = lambda: None
        self.fault = fault

    async def answered(self) -> None:
        self.on_ringing()
        self.on_answer()
        if self.fault is not None:
            raise self.fault


def on_phone(phone: FakePhone) -> DeskAgent:
    agent = DeskAgent(dial=lambda _extension: phone)
    agent.sign_in()
    agent.directory.phone_registered("dana", True)
    agent.send(type="reach", reach="phone")
    return agent


def test_phone_rings_and_its_answer_shows_the_context_at_the_desk():
    agent = on_phone(FakePhone())
    agent.offer()
    asyncio.run(agent.finish())
    assert agent.events == [TargetRinging(), TargetAnswered(sees_context=True)]
    agent.send(type="accept")
    assert agent.events[-1] == TargetAccepted()


def test_phone_answered_without_a_desk_gets_the_brief_said():
    agent = on_phone(FakePhone())
    agent.leave()
    agent.offer()
    asyncio.run(agent.finish())
    assert agent.events[-1] == TargetAnswered(sees_context=False)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (LegRefusedError(486, "Busy Here"), "busy"),
        (LegRefusedError(480, "Temporarily Unavailable"), "no_answer"),
        (LegRefusedError(503, "Service Unavailable"), "503"),
        (LegGoneError("gone"), "unreachable"),
    ],
)
def test_phone_that_does_not_answer_says_why(fault: Exception, reason: str):
    agent = on_phone(FakePhone(fault))
    agent.offer()
    asyncio.run(agent.finish())
    assert agent.events[-1] == TargetFailed(reason=reason)


def test_phone_rings_no_more_when_the_line_is_released():
    phone = FakePhone()
    agent = on_phone(phone)
    line = agent.offer()
    phone.on_answer = lambda: line.release("caller_hangup")  # while it still rings
    asyncio.run(agent.finish())
    assert phone.hung_up == "caller_hangup"
    assert agent.events == []


def test_hanging_up_the_phone_ends_the_agents_part():
    phone = FakePhone()
    agent = on_phone(phone)
    line = agent.offer()
    asyncio.run(agent.finish())
    agent.send(type="accept")
    line.joined()
    phone.vanish()
    agent.timers.advance()
    assert agent.events[-1] == TargetGone(reason="agent_hangup")


def test_caller_taken_by_the_phones_key_is_talked_to_and_wrapped_up():
    agent = on_phone(FakePhone())
    line = agent.offer()
    asyncio.run(agent.finish())
    line.joined()
    assert agent.page.last(CallTold).call.phase == "talking"
    line.release("caller_hangup")
    assert agent.presences[-1] == "wrap_up"


def test_closing_the_desk_does_not_end_a_call_on_the_phone():
    agent = on_phone(FakePhone())
    line = agent.offer()
    asyncio.run(agent.finish())
    agent.send(type="accept")
    line.joined()
    agent.events.clear()
    agent.leave()
    agent.timers.advance(60)
    assert agent.events == []


def test_phone_that_holds_the_line_puts_the_caller_on_hold_and_the_desk_shows_it():
    phone = FakePhone()
    agent = on_phone(phone)
    line = agent.offer()
    asyncio.run(agent.finish())
    assert phone.on_hold_changed is not None
    phone.on_hold_changed(True)  # before there is a caller: nobody to hold
    phone.on_hold_changed(False)
    agent.send(type="accept")
    line.joined()
    agent.events.clear()
    phone.on_hold_changed(True)
    agent.timers.advance()
    assert agent.page.last(CallTold).call.phase == "held"
    phone.on_hold_changed(False)
    agent.timers.advance()
    assert agent.page.last(CallTold).call.phase == "talking"
    assert agent.events == [HoldChanged(held=True), HoldChanged(held=False)]


def test_phone_and_desk_hold_together():
    phone = FakePhone()
    agent = on_phone(phone)
    line = agent.offer()
    asyncio.run(agent.finish())
    agent.send(type="accept")
    line.joined()
    agent.send(type="hold")
    agent.events.clear()
    assert phone.on_hold_changed is not None
    phone.on_hold_changed(True)
    agent.send(type="resume")
    phone.on_hold_changed(False)
    agent.timers.advance()
    assert agent.events == [HoldChanged(held=False)]
