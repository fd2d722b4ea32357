"""CallSession: the only asyncio shell of a call.

Twice a tick it is called synchronously, for the ears (listen) and then for the mouth (act), with
one batched voice activity run over all calls in between; see voice/plane.py. Everything slow
happens in the conversation's worker task, fed through a bounded queue.
"""

import asyncio
import logging
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import assert_never, cast

from voice.anticipation import Anticipation
from voice.attention import EarlyEar, is_to_us
from voice.comfort import LEVEL_DBFS, ComfortNoise
from voice.conversation import (
    CallerTurn,
    Conversation,
    ConversationOptions,
    Greeting,
    Keys,
    Return,
    Silence,
    Utterance,
)
from voice.ears import Ears
from voice.echo import AT_REST_DBFS, EchoGuards
from voice.endpointing import EndpointRules
from voice.events import Expects, HandOff, KeyPressed, LegEnded, LegEvent
from voice.floor import Floor, TurnTiming
from voice.foresight import Foresight
from voice.frames import FRAME_S, Pcm
from voice.keypad import Keypad
from voice.mouth import Mouth
from voice.playout import Reply
from voice.ports import (
    Actions,
    AudioLeg,
    Buffered,
    Dialog,
    Journal,
    Recorder,
    SpeechToText,
    TextToSpeech,
    TurnModel,
    VoiceActivity,
)
from voice.turn import TurnMachine
from voice.turn_events import (
    Anticipate,
    BeginUtterance,
    CallEnded,
    DiscardUtterance,
    DropReply,
    DuckReply,
    EndKeys,
    EndUtterance,
    HeardSoFar,
    KeyArrived,
    NothingToSay,
    Overhear,
    OverheardJudged,
    PauseReply,
    Reconsider,
    ReplyEnded,
    ReplyReady,
    ReportSilence,
    ResumeReply,
    StartReply,
    StopReply,
    TimePassed,
    TurnCommand,
    TurnEvent,
    UtteranceCommand,
)
from voice.utterance import UtteranceBuffer

log = logging.getLogger(__name__)

HANDED_OFF = "handed_off"
"""What `CallSession.run` returns when the caller is still there and a person is to have them."""

_HALF_A_TICK_S = FRAME_S / 2  # so that the tick nearest to a limit counts, not always the next one
_WE_SPEAK = (Floor.TALKING, Floor.OVERLAP)
_QUEUED_TURNS = 8  # a caller who is eight turns ahead of us is not talking to us


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    timing: TurnTiming = field(default_factory=TurnTiming)
    endpoint: EndpointRules = field(default_factory=EndpointRules)
    conversation: ConversationOptions = field(default_factory=ConversationOptions)
    comfort_dbfs: float = LEVEL_DBFS  # instead of dead air while we are silent
    max_call_s: float = 1800.0  # a forgotten handset must not hold a line for a day
    linger_s: float = 0.3  # after our last word: it is still in the caller's jitter buffer
    finish_s: float = 15.0  # after the caller is gone: time for a running action to be recorded
    may_guess: Callable[[], bool] = lambda: True
    """Asked each time: may the answer be prepared before the caller is sure to be done?"""
    may_overhear: Callable[[], bool] = lambda: True
    """Asked each time: may a voice over us be recognised while it goes on?"""
    second_opinion: Callable[[], bool] = lambda: True
    """Asked each time: may the turn model be asked, where there is one?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPorts:
    """What one call is bound to."""

    stt: SpeechToText
    tts: TextToSpeech
    activity: VoiceActivity
    dialog: Dialog
    actions: Actions
    journal: Journal
    recorder: Recorder
    turn_model: TurnModel | None = None
    echo_guards: EchoGuards | None = None
    """Those of all calls; None: this call's is on its own."""


class CallSession:
    """One answered call, until either side ends it or the dialog gives the caller to a person."""

    def __init__(
        self,
        leg: AudioLeg,
        ports: SessionPorts,
        *,
        clock: Callable[[], float],
        options: SessionOptions | None = None,
        resume: Return | None = None,
    ) -> None:
        """Take over the leg.

        Args:
            resume: the caller is back from a person; the dialog is told so instead of greeting.
        """
        # What we own does not own us: a call's memory is free when the call is, not when the next
        # full collection, which stops all calls, finds the ring.
        own = cast(CallSession, weakref.proxy(self))
        self._first = resume or Greeting()
        self._leg, self._ports, self._clock = leg, ports, clock
        self._options = options or SessionOptions()
        self._machine = TurnMachine(self._options.timing)
        self._ears = Ears(leg, ports.activity, ports.echo_guards)
        self._utterance = UtteranceBuffer()
        self._mouth = Mouth(lambda reply: own._reply_cut(reply))
        self._keypad = Keypad(self._options.timing.inter_digit_s)
        self._comfort = ComfortNoise(
            level_dbfs=self._options.comfort_dbfs, start_frame=round(clock() / FRAME_S)
        )
        self._rests = self._options.comfort_dbfs <= AT_REST_DBFS
        self._inbox: asyncio.Queue[CallerTurn | None] = asyncio.Queue(_QUEUED_TURNS)
        self._foresight = Foresight(
            lambda pcm: own._prepare(pcm), ports.turn_model, lambda so_far: own._overheard(so_far)
        )
        self._early = EarlyEar(ports.stt, lambda said: own._tell(HeardSoFar(said=said)))
        self._ended = asyncio.Event()
        self._end_reason = ""
        self._opened_at_s = clock()
        self._conversation = Conversation(
            stt=ports.stt,
            tts=ports.tts,
            dialog=ports.dialog,
            actions=ports.actions,
            journal=ports.journal,
            floor=own,
            clock=clock,
            options=self._options.conversation,
            resume=resume,
        )
        leg.on_event = self._on_leg_event

    async def run(self) -> str:
        """Converse until the call ends; returns why it ended. Call it once, after the answer.

        When it returns HANDED_OFF the leg lives on: set its `on_event` before awaiting anything,
        or the caller's hanging up goes unnoticed.
        """
        self._post(self._first)
        async with asyncio.TaskGroup() as group:
            worker = group.create_task(self._converse())
            await self._ended.wait()
            self._forget()
            if self._inbox.full():
                self._inbox.get_nowait()
            self._inbox.put_nowait(None)
            # An action in flight is let finish, so that the record says what became of it.
            _, late = await asyncio.wait({worker}, timeout=self._options.finish_s)
            for task in late:
                log.error("the conversation did not finish in time and was stopped")
                task.cancel()
        self._conversation.abandon()
        if self._end_reason == HANDED_OFF:
            return HANDED_OFF
        if self._conversation.end_reason is not None:
            await asyncio.sleep(self._options.linger_s)
        await self._leg.hang_up(self._end_reason)
        return self._end_reason

    @property
    def handed_off(self) -> HandOff | None:
        """To whom the caller is to be given; None when they hung up, or were never to be given."""
        return self._conversation.hand_off if self._end_reason == HANDED_OFF else None

    def end(self, reason: str) -> None:
        """End the call from our side; idempotent.

        HANDED_OFF as the reason ends the conversation only: the leg is left to whoever ends it.
        """
        if not self._ended.is_set():
            self._end_reason = reason
            self._tell(CallEnded())
            self._ended.set()

    # --- the two halves of a tick ---

    def listen(self) -> None:
        """Take 20 ms from the caller."""
        key = self._ears.listen()
        self._utterance.push(self._ears.frame)
        if key is not None:
            self._on_key(key)

    def act(self, now_s: float) -> None:
        """Decide, and send 20 ms to the caller. The detectors have run in between."""
        change = self._ears.voice(over_us=self._machine.state in _WE_SPEAK)
        if change is not None:
            self._tell(change, now_s)
        if self._machine.heeds_time(now_s):
            self._tell(TimePassed(), now_s)
        frame, ended = self._mouth.pop()
        ours = self._comfort.pop() if frame is None else frame
        self._leg.send_frame(ours)
        self._ears.sent(ours, at_rest=frame is None and self._rests)
        self._ports.recorder.write(self._ears.frame, ours)
        if (begun := self._mouth.just_started()) is not None:
            self._conversation.reply_started(begun)
        if ended is not None:
            self._tell(ReplyEnded(), now_s)
            self._reply_over(ended, interrupted=False)
            for key in self._keypad.waited(now_s):
                self._on_key(key)
        self._conversation.tick(now_s)
        if now_s - self._opened_at_s > self._options.max_call_s:
            self.end("max_duration")

    # --- what the conversation tells the floor, and asks ---

    @property
    def owed(self) -> int:
        return self._machine.owed

    def reply_ready(self, reply: Reply) -> None:
        self._mouth.prepare(reply)
        self._tell(ReplyReady())

    def nothing_to_say(self) -> None:
        self._tell(NothingToSay())

    def words_heard(self, pcm: Pcm) -> None:
        self._ears.learn(pcm)

    # --- the floor ---

    def _tell(self, event: TurnEvent, now_s: float | None = None) -> None:
        expects = self._ports.dialog.expects
        self._machine.barge_in = self._mouth.barge_in.by_speech
        silence_s = self._options.endpoint.silence_for(
            expects,
            self._foresight.readiness,
            voiced_s=self._machine.voiced_s,
            finished=self._foresight.finished,
        )
        self._machine.endpoint_silence_s = silence_s - _HALF_A_TICK_S
        for command in self._machine.receive(event, self._clock() if now_s is None else now_s):
            self._carry_out(command)

    def _carry_out(self, command: TurnCommand) -> None:
        match command:
            case EndKeys():
                self._post(Keys(digits=self._keypad.take()))
            case ReportSilence():
                self._post(Silence())
            case (
                StartReply()
                | DuckReply()
                | PauseReply()
                | ResumeReply()
                | StopReply()
                | DropReply()
            ):
                self._mouth.obey(command)
            case _:
                self._hear(command)

    def _hear(self, command: UtteranceCommand) -> None:
        match command:
            case BeginUtterance():
                self._forget()
                self._utterance.begin()
            case Anticipate():
                self._early.forget()
                self._anticipate()
            case Overhear():
                self._overhear()
            case Reconsider():
                self._foresight.forget()
            case EndUtterance():
                self._early.forget()
                self._end_utterance(command)
            case DiscardUtterance():
                self._forget()
                self._utterance.discard()
            case _:
                assert_never(command)

    def _overhear(self) -> None:
        """Look at a voice over us, unless its first words would mean nothing."""
        answers = self._expects is Expects.YES_NO
        if self._options.may_overhear() and not answers and not self._ears.hears_us:
            self._early.look(self._utterance.so_far())

    def _forget(self) -> None:
        self._foresight.forget()
        self._early.forget()

    @property
    def _expects(self) -> Expects:
        return self._ports.dialog.expects.kind

    def _end_utterance(self, command: EndUtterance) -> None:
        prepared = self._foresight.take()
        self._post(
            Utterance(
                pcm=self._utterance.take(),
                voiced_s=command.voiced_s,
                network_s=self._leg.delay_s if isinstance(self._leg, Buffered) else 0.0,
                detection_s=max(0.0, self._ears.quiet_s - command.endpointing_s),
                endpointing_s=command.endpointing_s,
                anticipation=prepared,
            )
        )

    # --- anticipation ---

    def _anticipate(self) -> None:
        if self._machine.owed:
            return  # the dialog is at an earlier turn, and would judge by the wrong question
        # What is said over us is judged at any price: until then the reply hangs in the air.
        over_us = self._machine.paused or self._machine.state in _WE_SPEAK
        if over_us or self._options.may_guess():
            self._foresight.look(
                self._utterance.so_far(),
                self._expects,
                second_opinion=not over_us and self._options.second_opinion(),
            )

    def _prepare(self, pcm: Pcm) -> Awaitable[Anticipation]:
        return self._conversation.anticipate(pcm)

    def _overheard(self, so_far: Anticipation) -> None:
        words = not self._ears.was_echo and is_to_us(
            so_far, voiced_s=self._machine.voiced_s, expects=self._expects
        )
        self._tell(OverheardJudged(words=words))

    # --- replies ---

    def _reply_cut(self, reply: Reply) -> None:
        self._reply_over(reply, interrupted=True)

    def _reply_over(self, reply: Reply, *, interrupted: bool) -> None:
        self._conversation.reply_over(reply, interrupted=interrupted)
        self._hang_up_if_done()

    def _hang_up_if_done(self) -> None:
        if self._conversation.end_reason is not None:
            self.end(self._conversation.end_reason)
        elif self._conversation.hand_off is not None:
            self.end(HANDED_OFF)

    # --- keys and the far end ---

    def _on_leg_event(self, event: LegEvent) -> None:
        match event:
            case KeyPressed(key=key):
                self._on_key(key)
            case LegEnded(reason=reason):
                self.end(reason)
                if self._end_reason == HANDED_OFF:  # gone before anyone else could be told
                    self._end_reason = reason
            case _:
                assert_never(event)

    def _on_key(self, key: str) -> None:
        if self._machine.state in _WE_SPEAK and not self._mouth.barge_in.by_keys:
            self._keypad.keep_waiting(key, self._clock())
            return
        length = self._keypad.press(key)
        expects = self._ports.dialog.expects
        enough = expects.max_length is not None and length >= expects.max_length
        single = expects.kind in (Expects.YES_NO, Expects.FREE)
        self._tell(KeyArrived(complete=key == "#" or enough or single))

    # --- the worker ---

    def _post(self, caller_turn: CallerTurn) -> None:
        try:
            self._inbox.put_nowait(caller_turn)
        except asyncio.QueueFull:
            log.exception("the conversation is stuck; the call is ended")
            self.end("overloaded")

    async def _converse(self) -> None:
        while (caller_turn := await self._inbox.get()) is not None:
            await self._conversation.take(caller_turn)
            self._hang_up_if_done()
