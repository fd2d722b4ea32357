"""Scripted ends of a call session: leg, engines, dialog and back end that do as they are told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from voice.events import (
    ActionOutcome,
    ActionStatus,
    CallerEvent,
    CallerSaid,
    Effect,
    Expectation,
    Hypothesis,
    LegEvent,
    PerformAction,
    Preview,
    Readiness,
    SpeechChunk,
    SpeechError,
    Transcription,
    TurnRecord,
    Understanding,
    WordTiming,
)
from voice.frames import FRAME_SAMPLES, RATE_HZ, Pcm, silence

LOUD = np.random.default_rng(0).choice((-2000, 2000), FRAME_SAMPLES).astype(np.int16)
"""A caller's voice: noise, which no echo of ours explains; no sample of it is zero."""


class FakeLeg:
    """The caller: what they send is set, what they are sent is kept."""

    def __init__(self) -> None:
        self.on_event: Callable[[LegEvent], None] = lambda event: None
        self.incoming: Pcm = silence()
        self.sent: list[Pcm] = []
        self.hung_up: list[str] = []
        self.reports_keys = True
        self.delay_s = 0.0
        self.slip = 0

    def receive_frame(self) -> Pcm:
        return self.incoming

    def send_frame(self, pcm: Pcm) -> None:
        self.sent.append(pcm)

    async def hang_up(self, reason: str) -> None:
        self.hung_up.append(reason)


class FakeActivity:
    """Hears a voice whenever the frame is not silence."""

    probability = 0.0

    def push(self, pcm: Pcm) -> None:
        self.probability = 1.0 if pcm.any() else 0.0


class FakeStt:
    """Gives the scripted texts in turn; None is an engine failure."""

    def __init__(self, *texts: str | None) -> None:
        self.texts = list(texts)
        self.heard: list[Pcm] = []

    async def transcribe(
        self, pcm: Pcm, *, expects: Expectation, speculative: bool = False
    ) -> Transcription:
        self.heard.append(pcm)
        text = self.texts.pop(0)
        if text is None:
            raise SpeechError("scripted failure")
        hypotheses = (Hypothesis(text=text, log_prob=-0.1),) if text else ()
        return Transcription(hypotheses=hypotheses, confidence=0.9)


class FakeTurnModel:
    """Gives the scripted probability; keeps what it was asked. None is an engine failure."""

    def __init__(self, finished: float | None) -> None:
        self.probability = finished
        self.heard: list[Pcm] = []

    async def finished(self, pcm: Pcm) -> float:
        self.heard.append(pcm)
        if self.probability is None:
            raise SpeechError("scripted failure")
        return self.probability


class FakeTts:
    """Every word takes 200 ms and sounds like a constant."""

    WORD_S = 0.2

    def __init__(self) -> None:
        self.fails = False

    async def synthesise(self, text: str) -> AsyncIterator[SpeechChunk]:
        if self.fails:
            raise SpeechError("scripted failure")
        words = text.split()
        timings = tuple(
            WordTiming(word=word, start_s=n * self.WORD_S, end_s=(n + 1) * self.WORD_S)
            for n, word in enumerate(words)
        )
        samples = round(len(words) * self.WORD_S * RATE_HZ)
        yield SpeechChunk(pcm=np.full(samples, 500, dtype=np.int16), words=timings)


def _already() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class FakeDialog:
    """Answers each event with the next scripted effects, and keeps what it was told.

    It thinks for as long as `thought` is not set, and has not been told anything until then.
    """

    script: list[Sequence[Effect]]
    expects: Expectation = field(default_factory=Expectation)
    understanding: Understanding | None = None
    told: list[CallerEvent] = field(default_factory=list[CallerEvent])
    readiness: Readiness = Readiness.OPEN
    previewed: list[CallerSaid] = field(default_factory=list[CallerSaid])
    thought: asyncio.Event = field(default_factory=_already)
    skips: tuple[type[CallerEvent], ...] = ()  # events that nothing in the script is for

    async def preview(self, event: CallerSaid) -> Preview:
        await self.thought.wait()
        self.previewed.append(event)
        effects = tuple(self.script[0]) if self.script else ()
        return Preview(readiness=self.readiness, effects=effects)

    async def receive(self, *events: CallerEvent) -> Sequence[Effect]:
        await self.thought.wait()
        self.told += events
        scripted = [event for event in events if not isinstance(event, self.skips)]
        return [effect for _ in scripted if self.script for effect in self.script.pop(0)]


class FakeActions:
    """Succeeds once `release` is set; keeps what was asked."""

    def __init__(self, *, released: bool = True) -> None:
        self.release = asyncio.Event()
        if released:
            self.release.set()
        self.performed: list[PerformAction] = []

    async def perform(self, action: PerformAction) -> ActionOutcome:
        self.performed.append(action)
        await self.release.wait()
        return ActionOutcome(
            name=action.name, key=action.key, status=ActionStatus.SUCCEEDED, result={}
        )


class FakeJournal:
    def __init__(self) -> None:
        self.plans: list[TurnRecord] = []
        self.turns: list[TurnRecord] = []

    def decided(self, record: TurnRecord) -> None:
        self.plans.append(record)

    def turn(self, record: TurnRecord) -> None:
        self.turns.append(record)


class FakeRecorder:
    def __init__(self) -> None:
        self.frames: list[tuple[Pcm, Pcm]] = []

    def write(self, caller: Pcm, ours: Pcm) -> None:
        self.frames.append((caller, ours))
