"""The parts of a hand-off that tests play: voices, lines, records."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from server.handoff.context import HandOffContext
from server.handoff.in_hand import CallInHand
from server.handoff.phone_line import PhoneLine
from server.handoff.ports import LineEvent, LineRequest, Offer
from server.handoff.run_world import OtherRun
from server.records.calls import CallStart
from server.records.desk_facts import (
    CallbackPromise,
    CallbackRecord,
    DeskDetail,
    HandOffProgress,
    HandOffRecord,
    HandOffRequest,
)
from telephony.leg import LegRefusedError
from telephony.rtp import KeyNotSentError
from telephony.sip.errors import DialogError
from telephony.sip.referral import ReferRequest
from telephony.sip.replaces import Replaces
from telephony.transfer_events import (
    TargetAccepted,
    TargetAnswered,
    TargetRinging,
)
from tests.fakes.incoming_leg import FakeIncomingLeg
from tests.fakes.rooms import TONES_HZ, ToneLeg, tone
from tests.fakes.voice import FakeTts
from voice.events import SpeechChunk
from voice.frames import Pcm
from voice.ports import AudioLeg


class BriefTts(FakeTts):
    """Speaks in the tone of the brief; remembers what."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    async def synthesise(self, text: str) -> AsyncIterator[SpeechChunk]:
        self.said.append(text)
        yield SpeechChunk(pcm=tone(TONES_HZ["brief"], 50), words=())


class NoDetectors:
    def run(self) -> int:
        return 0


class CallerLeg(ToneLeg):
    """An answered caller over SIP with a tone for a voice; remembers keys that were sent."""

    info = FakeIncomingLeg.info

    def __init__(self, voice: Pcm) -> None:
        super().__init__(voice)
        self.keys = ""
        self.on_replaced: Callable[[str], None] | None = None

    def send_key(self, key: str) -> None:
        if len(self.keys) == 8:
            raise KeyNotSentError("too many keys are waiting")
        self.keys += key

    async def answer(self) -> None: ...

    async def reject(self, status: int, *, retry_after_s: int | None = None) -> None: ...


class Callee(ToneLeg):
    """Somebody we call, who answers when the test says so."""

    def __init__(self, target: str) -> None:
        super().__init__(tone(TONES_HZ["caller"]))
        self.target = target
        self.on_ringing: Callable[[], None] = lambda: None
        self._answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def answered(self) -> None:
        await self._answer

    def picks_up(self) -> None:
        self._answer.set_result(None)

    def is_busy(self) -> None:
        self._answer.set_exception(LegRefusedError(486, "Busy Here"))


class KnownConsultations:
    """server.handoff.run_world.Consultations: those elsewhere are callees, ours are in `calls`.

    Attributes:
        calls: what the test says is a call of ours, by the Call-ID of its Replaces.
        ended: calls to frontdesk that were hung up.
    """

    def __init__(
        self,
        dial: Callable[[str], Awaitable[Callee]],
        *,
        run_of: Callable[[UUID], OtherRun | None],
    ) -> None:
        self._dial, self._run_of = dial, run_of
        self.calls: dict[str, CallInHand] = {}
        self.ended: list[UUID] = []

    def line(self, request: ReferRequest, handoff_id: UUID) -> PhoneLine:
        return PhoneLine(lambda: self._dial(request.target))

    def own(self, replaces: Replaces) -> CallInHand:
        call = self.calls.get(replaces.call_id)
        if call is None:
            raise DialogError("no such call", status=481)
        return call

    def run_of(self, own: CallInHand) -> OtherRun | None:
        return self._run_of(own.call_id)

    def hang_up(self, own: CallInHand) -> None:
        self.ended.append(own.call_id)


class KeptCalls:
    """The records of calls of ours."""

    def __init__(self) -> None:
        self.started: list[CallStart] = []
        self.answered: list[UUID] = []
        self.ended: list[str] = []

    def call_started(self, call: CallStart) -> None:
        self.started.append(call)

    def call_answered(self, call_id: UUID, at: datetime) -> None:
        self.answered.append(call_id)

    def call_ended(
        self, call_id: UUID, at: datetime, *, reason: str, recording_path: str | None = None
    ) -> None:
        self.ended.append(reason)


class QuietEar:
    """Hears nothing; says when it was closed."""

    def __init__(self) -> None:
        self.closed = False

    def push(self, frame: Pcm) -> None: ...

    def act(self, now_s: float, sent: Pcm) -> None: ...

    def close(self) -> None:
        self.closed = True


class FakeLine:
    """An agent's line, moved by the test."""

    def __init__(self, offer: Offer) -> None:
        self.on_event: Callable[[LineEvent], None] = lambda event: None
        self.offer = offer
        self.on_telephone = False
        self.leg: AudioLeg | None = None
        self.rung = self.is_joined = False
        self.released: str | None = None
        self.lines: list[tuple[str, str]] = []
        self.known: list[HandOffContext] = []
        self.refusals: list[tuple[type[LineRequest], str]] = []

    def ring(self) -> None:
        self.rung = True

    def joined(self) -> None:
        self.is_joined = True

    def said(self, who: str, text: str) -> None:
        self.lines.append((who, text))

    def learned(self, context: HandOffContext) -> None:
        self.known.append(context)

    def refused(self, asked: LineRequest, why: str) -> None:
        self.refusals.append((type(asked), why))

    def release(self, reason: str) -> None:
        self.released = self.released or reason

    # --- what the agent does ---

    def answers(self, *, sees_context: bool = True, voice: str = "agent") -> ToneLeg:
        leg = ToneLeg(tone(TONES_HZ[voice]))
        self.leg = leg
        self.on_event(TargetRinging())
        self.on_event(TargetAnswered(sees_context=sees_context))
        return leg

    def accepts(self) -> None:
        self.on_event(TargetAccepted())


class KeptHandOffs:
    """The records of hand-offs and of the agents' day."""

    def __init__(self) -> None:
        self.requests: list[HandOffRequest] = []
        self.progress = HandOffProgress()
        self.outcomes: list[str] = []
        self.presence: list[tuple[str, str]] = []
        self.promises: dict[UUID, CallbackPromise] = {}
        self.settled: list[str] = []

    def handoff_requested(self, request: HandOffRequest) -> None:
        self.requests.append(request)

    def handoff_progressed(self, handoff_id: UUID, progress: HandOffProgress) -> None:
        self.progress = progress

    def handoff_ended(
        self, handoff_id: UUID, progress: HandOffProgress, *, at: datetime, outcome: str
    ) -> None:
        self.progress = progress
        self.outcomes.append(outcome)

    def callback_promised(self, promise: CallbackPromise) -> None:
        self.promises[promise.id] = promise

    def callback_settled(self, callback_id: UUID, at: datetime, outcome: str) -> None:
        del self.promises[callback_id]
        self.settled.append(outcome)

    async def open_callbacks(self) -> list[CallbackRecord]:
        return [
            CallbackRecord(**asdict(each), settled_at=None, outcome=None)
            for each in self.promises.values()
        ]

    async def of_call(self, call_id: UUID) -> DeskDetail:
        found = [
            HandOffRecord(
                **{name: getattr(each, name) for name in HandOffRequest.__dataclass_fields__},
                agent=None,
                rang_at=None,
                accepted_at=None,
                ended_at=None,
                outcome=None,
                attempts=(),
            )
            for each in self.requests
            if each.call_id == call_id
        ]
        return DeskDetail(handoffs=found, notes=(), dispositions=(), overheard=())

    def presence_changed(self, agent: str, at: datetime, state: str, reason: str = "") -> None:
        self.presence.append((agent, state))
