"""Calls of the turn-taking suite without a network and without waiting: a session and a caller.

Everything that decides is real: detector, echo guard, recogniser, dialog, voice, and the caller of
`loadtest.turns` with its scoring. Time is counted in ticks, so a call takes the CPU it needs and
not its length, and the same plan gives the same call on any machine, however busy. Recognition and
the back end take the times that are set here.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dialog.flow import Flow
from dialog.session import Dialog
from loadtest.listening import Understood
from loadtest.media import Sent
from loadtest.pcm import frames_of
from loadtest.recorder import Recorder
from loadtest.report import MediaStats
from loadtest.turns.call import CallRecording, take_part
from loadtest.turns.cases import Plan
from loadtest.turns.reader import Reader
from models.intent import IntentEngine, train_intents
from models.stt import SttEngine
from models.tts import CachedVoice, open_voice
from models.vad import SileroVad
from server.dialog_port import DialogPort
from server.flows import find_flow, static_texts
from tests.fakes.voice import FakeJournal, FakeRecorder
from voice.codec import Codec, decode, encode
from voice.conversation import ConversationOptions
from voice.events import (
    ActionOutcome,
    ActionStatus,
    Expectation,
    Hypothesis,
    KeyPressed,
    LegEnded,
    LegEvent,
    PerformAction,
    SpeechChunk,
    Transcription,
    WordTiming,
)
from voice.fillers import FillerOptions
from voice.frames import FRAME_S, FRAME_SAMPLES, Pcm, silence
from voice.session import CallSession, SessionOptions, SessionPorts

_SETTLING = 12  # rounds of the event loop after each tick: more than any chain of ours is long
_NEVER_S = 1e6
_KEY_FRAMES = 8  # from one key to the next

_ORDERS: Mapping[str, Mapping[str, str]] = {
    number: {"order_number": number, "postcode": postcode, "status": "shipped", "eta": "2026-08-07"}
    for number, postcode in (("4815", "90210"), ("1659", "73301"))
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """What takes time in a call, in seconds."""

    recognition_s: float = 0.06
    action_s: float = 0.02
    buffer_frames: int = 2  # of the caller's voice, in our jitter buffer
    way_back_frames: int = 3  # of ours: network and the caller's jitter buffer


class Clock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._waiting, (self.now_s + seconds, self._count, future))
        await future

    def advance(self, seconds: float) -> None:
        self.now_s += seconds
        while self._waiting and self._waiting[0][0] <= self.now_s + 1e-9:
            *_, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineEngines:
    """What is loaded once for any number of calls."""

    stt: SttEngine
    voice: CachedVoice
    flow: Flow
    classifier: IntentEngine

    @classmethod
    def load(cls) -> "OfflineEngines":
        flow = find_flow("orders")
        voice = CachedVoice(open_voice("espeak"))
        voice.prerender(static_texts(flow))
        return cls(stt=SttEngine(), voice=voice, flow=flow, classifier=train_intents(flow.examples))


class _Stt:
    def __init__(self, engine: SttEngine, clock: Clock, took_s: float) -> None:
        self._engine, self._clock, self._took_s = engine, clock, took_s
        self.heard: list[tuple[float, str, float]] = []  # when, what, confidence

    async def transcribe(
        self, pcm: Pcm, *, expects: Expectation, speculative: bool = False
    ) -> Transcription:
        await self._clock.sleep(self._took_s)
        heard = self._engine.transcribe(pcm)
        self.heard.append((self._clock.now_s, heard.text, heard.confidence))
        return Transcription(
            hypotheses=tuple(
                Hypothesis(text=each.text, log_prob=each.log_prob) for each in heard.hypotheses
            ),
            no_speech_prob=heard.no_speech_prob,
            confidence=heard.confidence,
        )


class _Tts:
    def __init__(self, voice: CachedVoice) -> None:
        self._voice = voice

    async def synthesise(self, text: str) -> AsyncIterator[SpeechChunk]:
        for part in self._voice.stream(text):
            words = tuple(
                WordTiming(word=word.text, start_s=word.start_s, end_s=word.end_s)
                for word in part.words
            )
            yield SpeechChunk(pcm=part.pcm, words=words)


class _BackEnd:
    def __init__(self, clock: Clock, took_s: float) -> None:
        self._clock, self._took_s = clock, took_s

    async def perform(self, action: PerformAction) -> ActionOutcome:
        await self._clock.sleep(self._took_s)
        order = _ORDERS.get(str(action.arguments.get("order_number", "4815")))
        status = ActionStatus.SUCCEEDED if order else ActionStatus.REFUSED
        result: Mapping[str, Any] = order or {}
        return ActionOutcome(name=action.name, key=action.key, status=status, result=result)


class _Leg:
    """Our end of the line: G.711 both ways, late by the buffers."""

    def __init__(self, delays: Delays) -> None:
        self.on_event: Callable[[LegEvent], None] = lambda event: None
        self.reports_keys = True
        self.delay_s = delays.buffer_frames * FRAME_S
        # A frame is given to the line when its first sample is spoken, and sent after its last.
        self.to_us: deque[Pcm] = deque([silence()] * (delays.buffer_frames + 2))
        self.to_caller: deque[Pcm] = deque([silence()] * delays.way_back_frames)
        self.hung_up = asyncio.Event()
        self.reason = ""

    def receive_frame(self) -> Pcm:
        return self.to_us.popleft() if self.to_us else silence()

    def send_frame(self, pcm: Pcm) -> None:
        self.to_caller.append(decode(Codec.PCMU, encode(Codec.PCMU, pcm)))

    async def hang_up(self, reason: str) -> None:
        self.reason = reason
        self.hung_up.set()


class _Line:
    """The caller's end; loadtest.call_line.CallLine as far as a plan needs it."""

    def __init__(self, leg: _Leg) -> None:
        self._leg = leg
        self.recorder = Recorder()
        self._on_frame: Callable[[Pcm, int], None] = lambda frame, end: None
        self.started = asyncio.Event()
        self._saying: Pcm = silence()
        self._keys: deque[str] = deque()
        self._tick = 0

    @property
    def now(self) -> int:
        return self._tick * FRAME_SAMPLES

    def start(self, on_frame: Callable[[Pcm, int], None]) -> None:
        self._on_frame = on_frame
        self.started.set()

    def say(self, pcm: Pcm) -> Sent:
        self._saying = next(iter(frames_of(pcm)))
        return Sent(start=self.now, end=self.now + pcm.size)

    def press(self, keys: str) -> Sent:
        for key in keys:
            self._keys.extend([key, *[""] * (_KEY_FRAMES - 1)])
        return Sent(start=self.now, end=self.now + len(self._keys) * FRAME_SAMPLES)

    def stats(self) -> MediaStats:
        return MediaStats(
            packets_sent=self._tick,
            packets_received=self._tick,
            packets_lost=0,
            packets_late=0,
            clock_late_p99_ms=0.0,
            clock_late_max_ms=0.0,
        )

    async def wait_ended(self) -> str:
        await self._leg.hung_up.wait()
        return self._leg.reason

    def tick(self) -> None:
        """Hear 20 ms and speak 20 ms."""
        heard = self._leg.to_caller.popleft()
        self.recorder.heard.write(self.now, heard)
        self._saying = silence()
        self._tick += 1
        self._on_frame(heard, self.now)
        sent = decode(Codec.PCMU, encode(Codec.PCMU, self._saying))
        self.recorder.sent.write(self.now, sent)
        self._leg.to_us.append(sent)
        if self._keys and (key := self._keys.popleft()):
            self._leg.on_event(KeyPressed(key=key))


class _AtOnce:
    """A reader in this process, so that nothing is read between two ticks."""

    def __init__(self, understand: Callable[[Pcm], Understood]) -> None:
        self._understand = understand

    async def understand_later(self, speech: Pcm) -> Understood:
        return self._understand(speech)


@dataclass(slots=True)
class OfflineCall:
    """One call, played to its end by `run`."""

    engines: OfflineEngines
    plan: Plan
    understand: Callable[[Pcm], Understood]
    options: SessionOptions = field(
        default_factory=lambda: SessionOptions(
            conversation=ConversationOptions(fillers=FillerOptions(after_s=_NEVER_S)), linger_s=0.0
        )
    )
    delays: Delays = field(default_factory=Delays)
    ports: Mapping[str, Any] = field(default_factory=dict[str, Any])  # in place of the usual ones
    clock: Clock = field(default_factory=Clock)
    journal: FakeJournal = field(default_factory=FakeJournal)
    heard: list[tuple[float, str, float]] = field(default_factory=list[tuple[float, str, float]])

    async def run(self) -> CallRecording:
        vad, leg = SileroVad(), _Leg(self.delays)
        stt = _Stt(self.engines.stt, self.clock, self.delays.recognition_s)
        self.heard = stt.heard
        facts = {"caller": "+15550100"}
        dialog = Dialog(self.engines.flow, self.engines.classifier, "call", facts=facts)
        ports: dict[str, Any] = {
            "stt": stt,
            "tts": _Tts(self.engines.voice),
            "activity": vad.open_stream(),
            "dialog": DialogPort(dialog),
            "actions": _BackEnd(self.clock, self.delays.action_s),
            "journal": self.journal,
            "recorder": FakeRecorder(),
            **self.ports,
        }
        session = CallSession(
            leg, SessionPorts(**ports), clock=lambda: self.clock.now_s, options=self.options
        )
        line, reader = _Line(leg), _AtOnce(self.understand)
        ours = asyncio.create_task(session.run())
        theirs = asyncio.create_task(self._caller(line, reader))
        await line.started.wait()
        while not theirs.done():
            self.clock.advance(FRAME_S)
            session.listen()
            vad.run()
            session.act(self.clock.now_s)
            line.tick()
            for _ in range(_SETTLING):
                await asyncio.sleep(0)
        leg.on_event(LegEnded(reason="caller_hangup"))
        await self._over(ours)
        return theirs.result()

    async def _caller(self, line: _Line, reader: Reader) -> CallRecording:
        return await take_part(line, self.plan, reader, caller="offline")  # pyright: ignore[reportArgumentType]

    async def _over(self, ours: "asyncio.Task[str]") -> None:
        while not ours.done():
            self.clock.advance(FRAME_S)
            await asyncio.sleep(0)


def loudness_dbfs(pcm: Pcm) -> float:
    """RMS of int16 samples, in dB of full scale."""
    rms = float(np.sqrt(np.mean(pcm.astype(np.float64) ** 2)))
    return 20 * float(np.log10(max(rms, 1e-3) / 32_768))
