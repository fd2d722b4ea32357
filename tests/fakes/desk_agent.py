"""One agent at a desk without a network: pages that remember, legs that do nothing."""

import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID, uuid4

import numpy as np
from pydantic import BaseModel

from server.desk.desk_line import DeskLine, LineWorld
from server.desk.options import DeskOptions
from server.desk.ports import RingPhone
from server.desk.presence import AgentDirectory, AgentProfile
from server.desk.protocol import parse_from_desk
from server.desk.session import DeskSession, SessionWorld
from server.handoff.ports import LineEvent, Offer
from telephony.leg import OutgoingLeg
from tests.fakes.desk_world import RecordedActions
from tests.fakes.handoff_contexts import handoff_context
from tests.fakes.timers import HandTimers
from voice.events import LegEnded, LegEvent
from voice.frames import FRAME_SAMPLES, Pcm

MessageT = TypeVar("MessageT", bound=BaseModel)
DANA = AgentProfile(id="dana", name="Dana Reyes", skills={"orders": 1}, extension="201")


class FakePage:
    """ports.Channel that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[BaseModel] = []
        self.closed = False

    def send(self, message: BaseModel) -> None:
        self.told.append(message)

    def close(self) -> None:
        self.closed = True

    def last(self, kind: type[MessageT]) -> MessageT:
        """The latest message of this kind."""
        return [message for message in self.told if isinstance(message, kind)][-1]

    def heard(self, kind: type[BaseModel]) -> bool:
        return any(isinstance(message, kind) for message in self.told)


class FakeAudio:
    """A connected leg whose every sample is 1000."""

    reports_keys = True

    def __init__(self) -> None:
        self.on_event: Callable[[LegEvent], None] = lambda _event: None
        self.hung_up: str | None = None
        self.sent = 0

    def receive_frame(self) -> Pcm:
        return np.full(FRAME_SAMPLES, 1000, dtype=np.int16)

    def send_frame(self, pcm: Pcm) -> None:
        self.sent += 1

    async def hang_up(self, reason: str) -> None:
        self.hung_up = reason

    def vanish(self) -> None:
        self.on_event(LegEnded(reason="network_error"))


def _dialling(dial: Callable[[str], OutgoingLeg]) -> RingPhone:
    async def at_once(extension: str, handoff_id: UUID) -> OutgoingLeg:
        return dial(extension)

    return at_once


@dataclass
class DeskAgent:
    """A desk, its page and the coordinator's ear."""

    options: DeskOptions = field(default_factory=DeskOptions)
    dial: Callable[[str], OutgoingLeg] | None = None
    profile: AgentProfile = DANA

    made: ClassVar[list["DeskAgent"]] = []

    def __post_init__(self) -> None:
        self.made.append(self)
        self.timers = HandTimers()
        self.actions = RecordedActions()
        self.directory = AgentDirectory(self.timers.time)
        self.presences: list[str] = []
        self.directory.on_presence = lambda _agent, presence: self.presences.append(presence.value)
        self.directory.sign_in(self.profile)
        self.events: list[LineEvent] = []
        self.behind: list[Coroutine[Any, Any, None]] = []
        self.session = DeskSession(
            self.profile.id,
            SessionWorld(
                line=LineWorld(
                    timers=self.timers,
                    wall=lambda: datetime(2026, 8, 1, 9, 32, tzinfo=UTC),
                    options=self.options,
                ),
                directory=self.directory,
                actions=self.actions,
                spawn=self.behind.append,
                dial=_dialling(self.dial) if self.dial else None,
            ),
        )
        self.page = FakePage()
        self.line: DeskLine | None = None

    def sign_in(self) -> None:
        self.session.connect(self.page)
        self.send(type="presence", ready=True)

    def offer(self) -> DeskLine:
        context = handoff_context()
        offer = Offer(
            id=uuid4(),
            call_id=context.call_id,
            agent_id=self.profile.id,
            context=context,
            rings_for_s=20.0,
        )
        self.line = self.session.open(offer)
        self.line.on_event = self.events.append
        self.line.ring()
        return self.line

    def send(self, **message: Any) -> None:
        """What the page sends; ids of the call at hand are filled in."""
        if self.line is not None and message["type"] in _ABOUT_OFFER:
            message.setdefault("offer_id", str(self.line.offer.id))
        elif self.line is not None and message["type"] not in _ABOUT_AGENT:
            message.setdefault("call_id", str(self.line.offer.call_id))
        self.session.receive(parse_from_desk(json.dumps(message)))
        self.timers.advance()

    def connect_audio(self) -> FakeAudio:
        audio = FakeAudio()
        assert self.line is not None
        self.session.attach_audio(self.line.offer.id, audio)
        self.timers.advance()
        return audio

    def talk(self) -> DeskLine:
        """A call, up to the moment that agent and caller hear each other."""
        self.sign_in()
        line = self.offer()
        self.audio = self.connect_audio()
        self.send(type="accept")
        line.joined()
        return line

    def leave(self) -> None:
        """Close the page."""
        self.session.disconnect(self.page)

    def come_back(self) -> None:
        self.page = FakePage()
        self.session.connect(self.page)
        self.timers.advance()

    async def finish(self) -> None:
        """Do what was left for later."""
        while self.behind:
            await self.behind.pop(0)
        self.timers.advance()


_ABOUT_OFFER = ("seen", "answer", "accept", "decline")
_ABOUT_AGENT = ("presence", "reach", "spoken_brief", "pong")
