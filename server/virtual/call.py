"""One call in virtual time: a session of ours and a caller with a plan."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dialog.flow import Flow
from dialog.session import Dialog
from loadtest.impair import Impairment
from loadtest.listening import Understood
from loadtest.pcm import Pcm
from loadtest.turns.call import CallRecording, take_part
from loadtest.turns.cases import Plan
from models.intent import IntentEngine, train_intents
from models.stt import SttEngine
from models.tts import CachedVoice, open_voice
from models.vad import SileroVad
from server.dialog_port import DialogPort
from server.flows import find_flow, static_texts
from server.virtual.clock import VirtualClock
from server.virtual.line import VirtualLeg, VirtualLine
from voice.conversation import ConversationOptions
from voice.events import (
    ActionOutcome,
    ActionStatus,
    Expectation,
    Hypothesis,
    LegEnded,
    PerformAction,
    SpeechChunk,
    Transcription,
    TurnRecord,
    WordTiming,
)
from voice.fillers import FillerOptions
from voice.frames import FRAME_S
from voice.session import CallSession, SessionOptions, SessionPorts

_SETTLING: Final = 12  # rounds of the event loop after each tick: more than any chain of ours
_NEVER_S: Final = 1e6

_ORDERS: Final[Mapping[str, Mapping[str, str]]] = {
    number: {"order_number": number, "postcode": postcode, "status": "shipped", "eta": "2026-08-07"}
    for number, postcode in (("4815", "90210"), ("1659", "73301"))
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """What takes time besides talking, in seconds."""

    recognition_s: float = 0.06
    action_s: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualEngines:
    """What is loaded once for any number of calls."""

    stt: SttEngine
    voice: CachedVoice
    flow: Flow
    classifier: IntentEngine

    @classmethod
    def load(cls) -> "VirtualEngines":
        """The bundled recogniser, the built-in voice and the orders flow."""
        flow = find_flow("orders")
        voice = CachedVoice(open_voice("espeak"))
        voice.prerender(static_texts(flow))
        return cls(stt=SttEngine(), voice=voice, flow=flow, classifier=train_intents(flow.examples))


class _Stt:
    def __init__(self, engine: SttEngine, clock: VirtualClock, took_s: float) -> None:
        self._engine, self._clock, self._took_s = engine, clock, took_s

    async def transcribe(
        self, pcm: Pcm, *, expects: Expectation, speculative: bool = False
    ) -> Transcription:
        await self._clock.sleep(self._took_s)
        heard = self._engine.transcribe(pcm)
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
    def __init__(self, clock: VirtualClock, took_s: float) -> None:
        self._clock, self._took_s = clock, took_s

    async def perform(self, action: PerformAction) -> ActionOutcome:
        await self._clock.sleep(self._took_s)
        order = _ORDERS.get(str(action.arguments.get("order_number", "4815")))
        status = ActionStatus.SUCCEEDED if order else ActionStatus.REFUSED
        result: Mapping[str, Any] = order or {}
        return ActionOutcome(name=action.name, key=action.key, status=status, result=result)


class KeptTurns:
    """Implements voice.ports.Journal: keeps what it is told."""

    def __init__(self) -> None:
        self.turns: list[TurnRecord] = []

    def decided(self, record: TurnRecord) -> None:
        """See Journal; what counts is how the turn ended."""

    def turn(self, record: TurnRecord) -> None:
        """See Journal."""
        self.turns.append(record)


class _NoRecording:
    def write(self, caller: Pcm, ours: Pcm) -> None:
        """The caller records."""


class _AtOnce:
    """A reader in this process, so that nothing is read between two ticks."""

    def __init__(self, understand: Callable[[Pcm], Understood]) -> None:
        self._understand = understand

    async def understand_later(self, speech: Pcm) -> Understood:
        return self._understand(speech)


def _options() -> SessionOptions:
    fillers = FillerOptions(after_s=_NEVER_S)
    return SessionOptions(conversation=ConversationOptions(fillers=fillers), linger_s=0.0)


@dataclass(slots=True)
class VirtualCall:
    """One call, played to its end by `run`.

    Attributes:
        network: between the caller and us; None: the plan's.
        ports: in place of the usual ones.
    """

    engines: VirtualEngines
    plan: Plan
    understand: Callable[[Pcm], Understood]
    network: Impairment | None = None
    options: SessionOptions = field(default_factory=_options)
    delays: Delays = field(default_factory=Delays)
    ports: Mapping[str, Any] = field(default_factory=dict[str, Any])
    clock: VirtualClock = field(default_factory=VirtualClock)
    journal: KeptTurns = field(default_factory=KeptTurns)

    async def run(self, *, caller: str = "virtual") -> CallRecording:
        """Play it.

        Raises:
            CallFailedError: the call cannot be used.
            VoiceError: something in the plan cannot be said.
        """
        vad = SileroVad()
        leg = VirtualLeg(self.clock, self.network or self.plan.network)
        session = CallSession(
            leg,
            SessionPorts(**self._ports(vad)),
            clock=lambda: self.clock.now_s,
            options=self.options,
        )
        line = VirtualLine(leg, self.clock)
        reader = _AtOnce(self.understand)
        ours = asyncio.create_task(session.run())
        theirs = asyncio.create_task(take_part(line, self.plan, reader, caller=caller))
        starting = asyncio.create_task(line.started.wait())
        await asyncio.wait({theirs, starting}, return_when=asyncio.FIRST_COMPLETED)
        while not theirs.done():
            self.clock.advance(FRAME_S)
            session.listen()
            vad.run()
            session.act(self.clock.now_s)
            line.tick()
            for _ in range(_SETTLING):
                await asyncio.sleep(0)
        starting.cancel()
        leg.on_event(LegEnded(reason="caller_hangup"))
        while not ours.done():
            self.clock.advance(FRAME_S)
            await asyncio.sleep(0)
        return theirs.result()

    def _ports(self, vad: SileroVad) -> dict[str, Any]:
        engines, clock = self.engines, self.clock
        dialog = Dialog(engines.flow, engines.classifier, "call", facts={"caller": "+15550100"})
        return {
            "stt": _Stt(engines.stt, clock, self.delays.recognition_s),
            "tts": _Tts(engines.voice),
            "activity": vad.open_stream(),
            "dialog": DialogPort(dialog),
            "actions": _BackEnd(clock, self.delays.action_s),
            "journal": self.journal,
            "recorder": _NoRecording(),
            **self.ports,
        }
