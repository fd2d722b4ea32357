"""Many calls in this process for a bench of the media tick, in one state as long as it is measured.

Everything that is served per tick is real: sockets and legs, detectors, ears, floor, mouth. What a
call asks once in a while is not: nobody recognises, the dialog says what the state wants, and there
is no signalling.
"""

import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from enum import StrEnum
from typing import Final

import numpy as np

from models.vad import SileroVad
from telephony.rtp.exchange import RtpExchange
from telephony.rtp.ports import PortRange
from telephony.rtp.session import RtpSession
from telephony.sip.commands import CallCommand
from telephony.sip.live_call import LiveCall
from telephony.sip.media import Direction, MediaAgreement
from telephony.sip.outputs import DialogId
from telephony.sip_call_leg import MediaOptions, SipCallLeg
from voice.echo import EchoGuards
from voice.events import (
    ActionOutcome,
    ActionStatus,
    BargeIn,
    CallerEvent,
    CallerSaid,
    CallStarted,
    Effect,
    Expectation,
    PerformAction,
    Preview,
    Readiness,
    Speak,
    SpeechChunk,
    Transcription,
    TurnRecord,
    Understanding,
)
from voice.frames import FRAME_SAMPLES, Pcm
from voice.ports import Recorder
from voice.session import CallSession, SessionPorts

_HOST: Final = "127.0.0.1"
_PORTS: Final = (30_000, 33_999)
_WINDOW_STEP: Final = 32  # samples: what frames of 160 and windows of 256 have in common
_STRIDE: Final = 53  # frames between what two calls are told: not all hear the same at once


class CallState(StrEnum):
    """What sounds, on every call."""

    SILENT = "silent"  # nobody: a quiet room, and our comfort noise
    TALK = "talk"  # the caller
    PROMPT = "prompt"  # we
    BOTH = "both"  # the caller and we

    @property
    def caller_talks(self) -> bool:
        return self in (CallState.TALK, CallState.BOTH)

    @property
    def we_talk(self) -> bool:
        return self in (CallState.PROMPT, CallState.BOTH)


class _NoSignalling:
    """Implements CallControl: media is agreed on without a word."""

    def ring(self, dialog_id: DialogId) -> None: ...

    def answer(self, dialog_id: DialogId, local_host: str, local_port: int) -> None: ...

    def refuse(self, dialog_id: DialogId, status: int, retry_after_s: int | None) -> None: ...

    def hang_up(self, dialog_id: DialogId) -> None: ...

    def obey(self, dialog_id: DialogId, command: CallCommand) -> None: ...

    def dialog_of(self, dialog_id: DialogId) -> DialogId | None: ...


class _Leg(SipCallLeg):
    """A call over SIP that was answered already."""

    async def hang_up(self, reason: str) -> None:
        self._finish("server_hangup")

    def connect(self, session: RtpSession, remote_port: int) -> None:
        """Audio flows to and from a port of this machine from now on."""
        agreement = MediaAgreement(
            remote_host=_HOST,
            remote_port=remote_port,
            payload_type=0,
            codec="PCMU",
            event_payload_type=101,
            direction=Direction.SENDRECV,
            ptime_ms=20,
        )
        self._start_media(session, agreement)


class _Deaf:
    """Implements SpeechToText."""

    async def transcribe(
        self, pcm: Pcm, *, expects: Expectation, speculative: bool = False
    ) -> Transcription:
        return Transcription()


class _Voice:
    """Implements TextToSpeech: whatever the text, this."""

    def __init__(self, pcm: Pcm) -> None:
        self._pcm = pcm

    async def synthesise(self, text: str) -> AsyncIterator[SpeechChunk]:
        yield SpeechChunk(pcm=self._pcm, words=())


class _Dialog:
    """Implements Dialog: one long prompt at first, that nothing interrupts, or nothing ever."""

    expects = Expectation()
    understanding: Understanding | None = None

    def __init__(self, state: CallState) -> None:
        self._speaks = state.we_talk

    async def preview(self, event: CallerSaid) -> Preview:
        return Preview(readiness=Readiness.OPEN, effects=())

    async def receive(self, *events: CallerEvent) -> Sequence[Effect]:
        starts = any(isinstance(event, CallStarted) for event in events)
        return [Speak(text="-", barge_in=BargeIn.NONE)] if starts and self._speaks else []


class _NoActions:
    """Implements Actions: nothing asks for one."""

    async def perform(self, action: PerformAction) -> ActionOutcome:
        return ActionOutcome(
            name=action.name, key=action.key, status=ActionStatus.UNAVAILABLE, result={}
        )


class _NoJournal:
    """Implements Journal."""

    def decided(self, record: TurnRecord) -> None: ...

    def turn(self, record: TurnRecord) -> None: ...


async def open_calls(
    state: CallState,
    remote_ports: Sequence[int],
    vad: SileroVad,
    guards: EchoGuards,
    speech: Pcm,
    recorder: Callable[[int], Recorder],
    exchange: RtpExchange,
) -> tuple[list[CallSession], list[int]]:
    """Calls to these ports of this machine, one each, answered.

    Args:
        speech: what we say, int16, shape (n,); longer than is measured.
        recorder: makes each call's, by its number.
        exchange: reads and sends for all of them, on each tick.

    Returns:
        The sessions, to be run and served, and the ports that their callers send to.

    Raises:
        PortsExhaustedError: there are fewer media ports than that.
    """
    pool = PortRange(*_PORTS)
    media = MediaOptions(ports=pool, exchange=exchange)
    sessions: list[CallSession] = []
    ports: list[int] = []
    for number, remote_port in enumerate(remote_ports):
        rtp = await media.open_session(
            _HOST, randomness=random.Random(number), clock=time.monotonic
        )
        call = LiveCall(
            _NoSignalling(), DialogId(f"tick-{number}", "us", "them"), peer=_HOST, local_host=_HOST
        )
        leg = _Leg(call, media=media)
        leg.connect(rtp, remote_port)
        activity = vad.open_stream()
        # Not all began on the same tick: detectors look at 256 samples, so at eight calls in turn.
        activity.push(np.zeros(_WINDOW_STEP * (number % 8), dtype=np.int16))
        ours = np.roll(speech, number * _STRIDE * FRAME_SAMPLES)
        session = CallSession(
            leg,
            SessionPorts(
                stt=_Deaf(),
                tts=_Voice(ours),
                activity=activity,
                echo_guards=guards,
                dialog=_Dialog(state),
                actions=_NoActions(),
                journal=_NoJournal(),
                recorder=recorder(number),
            ),
            clock=time.monotonic,
        )
        sessions.append(session)
        ports.append(rtp.local_port)
    return sessions, ports
