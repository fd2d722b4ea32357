"""Hand-offs in virtual time: the real machines and room, legs and agents made of tones."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import numpy as np

from dialog.flow import load_flow
from dialog.session import Dialog
from server.desk.presence import AgentDirectory, AgentProfile, Reach
from server.handoff.announcements import Announcements
from server.handoff.attempts import Attempts
from server.handoff.callbacks import Callbacks, Promise, Result
from server.handoff.calling_back import CallingBack, CallingWorld
from server.handoff.context import HandOffContext
from server.handoff.coordinator import HandOffs
from server.handoff.gather import gather
from server.handoff.in_hand import CallInHand, HandOffOutcome
from server.handoff.ports import AgentLine, Offer
from server.handoff.run_world import Consultations, RunWorld
from server.handoff.stage import StageWorld
from server.handoff.story import CallStory
from server.handoff.summary import TemplatedSummariser
from server.handoff.waiting_room import Routing, WaitingRoom
from server.live_calls import LiveCalls
from telephony.queue import CallQueue
from telephony.transfer import TransferOptions
from telephony.transfer_events import (
    ReferProgressed,
)
from tests.fakes.handoff_contexts import CALL_ID
from tests.fakes.handoff_parts import (
    BriefTts,
    Callee,
    CallerLeg,
    FakeLine,
    KeptCalls,
    KeptHandOffs,
    KnownConsultations,
    NoDetectors,
    QuietEar,
)
from tests.fakes.rooms import TONES_HZ, ToneLeg, tone, voices
from tests.fakes.voice import FakeActions, FakeJournal, FakeRecorder
from voice.events import HandOff, LegEnded
from voice.frames import FRAME_S
from voice.plane import MediaPlane
from voice.ports import AudioLeg

FLOW = load_flow(Path(__file__).parents[2] / "dialog" / "flows" / "orders.yaml")


@dataclass
class HandOffWorld:
    """One caller, some agents; time passes by `passes`."""

    options: TransferOptions = field(default_factory=TransferOptions)
    queue: CallQueue = field(default_factory=CallQueue)
    routing: Routing = field(default_factory=Routing)
    records: KeptHandOffs = field(default_factory=KeptHandOffs)

    def __post_init__(self) -> None:
        self.now_s, self.wall_s = 100.0, 1_800_000_000.0
        self.tts, self.recorder = BriefTts(), FakeRecorder()
        self.directory = AgentDirectory(lambda: self.now_s)
        self.phones: set[str] = set()  # extensions that are registered
        self.waiting_room = WaitingRoom(
            self.queue,
            self.directory,
            self.records,
            has_phone=lambda extension: extension in self.phones,
            routing=self.routing,
            wall=lambda: self.wall_s,
        )
        self.lines: list[FakeLine] = []
        self.ears: list[QuietEar] = []
        self.had_before: str | None = None  # the agent of an earlier call
        self.referred: list[str] = []
        self.refer_answers: list[ReferProgressed] = []
        self.plane, self.caller = MediaPlane(NoDetectors()), CallerLeg(tone(TONES_HZ["caller"]))
        self.calls, self.callees = KeptCalls(), list[Callee]()
        self.callbacks = self._callbacks()
        self.consultations: Consultations = KnownConsultations(
            self._dial, run_of=lambda call_id: self.handoffs.get(call_id)
        )
        self.begin()
        self.outcome: asyncio.Task[HandOffOutcome] | None = None
        self.dialog = Dialog(FLOW, _NoIntents(), str(CALL_ID), facts={"caller": "+15550100"})
        self.story = CallStory(journal=FakeJournal(), actions=FakeActions())

    def begin(self) -> None:
        """Again once a part was replaced; before the first hand-off."""
        self.handoffs = HandOffs(self._world())

    def _callbacks(self) -> Callbacks:
        async def call_back(promise: Promise, context: HandOffContext, agent: str) -> Result:
            calling = CallingWorld(
                handoffs=self.handoffs,
                queue=self.waiting_room,
                plane=self.plane,
                live=LiveCalls(),
                records=self.calls,
                recordings=None,
                writer=ThreadPoolExecutor(1),
                dial=self._dial,
                clock=lambda: self.now_s,
                announcements=Announcements(),
            )
            return await CallingBack(calling)(promise, context, agent)

        return Callbacks(self.records, self.waiting_room, call_back, clock=lambda: self.now_s)

    async def _dial(self, target: str) -> Callee:
        self.callees.append(Callee(target))
        return self.callees[-1]

    def _world(self) -> RunWorld:
        return RunWorld(
            lines=self,
            queue=self.waiting_room,
            stage=StageWorld(
                tts=self.tts,
                music=tone(TONES_HZ["music"], 50),
                overhear=self._ear,
                tracks=lambda call: None,
            ),
            callbacks=self.callbacks,
            refer=self._refer,
            consultations=self.consultations,
            attempts=lambda handoff_id: Attempts(handoff_id, self.records),
            context=gathered,
            known_agent=self._known_agent,
            summarise=TemplatedSummariser().summarise,
            brief=lambda context: "An address change.",
            name_of=str.title,
            clock=lambda: self.now_s,
            announcements=Announcements(),
            options=self.options,
            on_line=lambda call_id, who, text, at_s: None,
        )

    # --- the parts the world plays ---

    async def _known_agent(self, call: CallInHand) -> str | None:
        return call.story.colleague or self.had_before

    def open(self, offer: Offer) -> AgentLine:
        if offer.agent_id == "nobody":
            raise LookupError("no such agent")
        self.lines.append(FakeLine(offer))
        return self.lines[-1]

    def _ear(self, on_line: Callable[[str, float], None]) -> QuietEar:
        self.ears.append(QuietEar())
        return self.ears[-1]

    async def _refer(
        self, leg: AudioLeg, target: str, *, replaces: AudioLeg | None, context: HandOffContext
    ) -> AsyncIterator[ReferProgressed]:
        self.referred.append(target)
        for answer in self.refer_answers:
            yield answer

    # --- what the test does ---

    def signs_in(self, agent: str, *skills: str, languages: tuple[str, ...] = ()) -> None:
        """A skill is a name, or a name and how well: "orders=4"."""
        levels = {name: int(level or 1) for name, _, level in (e.partition("=") for e in skills)}
        profile = AgentProfile(id=agent, name=agent.title(), skills=levels, languages=languages)
        self.directory.sign_in(profile)
        self.directory.desk_connected(agent, True)
        self.directory.choose_ready(agent)

    def takes_calls_on_a_phone(self, agent: str, extension: str) -> None:
        """Ready, and away from the desk."""
        self.directory.sign_in(AgentProfile(id=agent, name=agent.title(), extension=extension))
        self.directory.choose_reach(agent, Reach.PHONE)
        self.directory.choose_ready(agent)

    def is_staffed(self) -> None:
        """Somebody is there, though not ready: callers wait."""
        self.signs_in("zoe")
        self.directory.choose_away("zoe", "lunch")

    async def hands_off(self, handoff: HandOff | None = None) -> None:
        call = self.in_hand(CALL_ID, self.caller)
        wanted = handoff or HandOff(reason="caller_asked")
        self.outcome = asyncio.ensure_future(self.handoffs.serve(call, wanted))
        await self.passes(0.1)

    def in_hand(self, call_id: UUID, leg: CallerLeg) -> CallInHand:
        return CallInHand(
            call_id=call_id,
            leg=leg,
            info=leg.info,
            plane=self.plane,
            recorder=self.recorder,
            story=self.story,
            standing=lambda: self.dialog.standing,
            started_at=datetime.now(UTC),
            answered_at_s=self.now_s,
        )

    async def passes(self, seconds: float) -> None:
        for tick in range(round(seconds / FRAME_S)):
            self.now_s += FRAME_S
            self.wall_s += FRAME_S
            self.plane.tick(self.now_s)
            if tick % 10 == 0:
                self.waiting_room.tick()
                self.callbacks.tick()
                for run in self.handoffs:
                    run.tick()
            for _ in range(3):
                await asyncio.sleep(0)

    async def ended(self) -> HandOffOutcome:
        assert self.outcome is not None
        await self.passes(0.1)
        return await asyncio.wait_for(self.outcome, 1.0)

    def hangs_up(self) -> None:
        self.caller.on_event(LegEnded(reason="caller_hangup"))

    @property
    def line(self) -> FakeLine:
        return self.lines[-1]

    def caller_hears(self) -> set[str]:
        return voices(self.caller.sent[-1])


async def joined(world: HandOffWorld, agent: str = "ann") -> ToneLeg:
    world.signs_in(agent)
    await world.hands_off()
    leg = world.line.answers()
    world.line.accepts()
    await world.passes(0.2)
    return leg


def hears(leg: ToneLeg) -> set[str]:
    """Whose voices the leg was sent last."""
    return voices(leg.sent[-1]) if leg.sent else set()


def ever_heard(leg: ToneLeg) -> set[str]:
    """Whose voices the leg was sent at any time."""
    heard: set[str] = set()
    for frame in leg.sent[::5]:
        heard |= voices(np.asarray(frame))
    return heard


def gathered(
    call: CallInHand, handoff: HandOff, handoff_id: UUID, requested_at: datetime
) -> HandOffContext:
    return gather(call, handoff, handoff_id=handoff_id, requested_at=requested_at)


class _NoIntents:
    def rank(self, text: str) -> list[tuple[str, float]]:
        return []
