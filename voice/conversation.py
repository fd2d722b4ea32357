"""From what the caller did to what is said back: recognise, step the dialog, act, speak.

One worker a call takes the caller's turns in order, so that the dialog never sees two at once. It
fills a Reply while the floor decides when, and whether, that reply is heard.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias, assert_never

from voice.anticipation import Anticipation, anticipate
from voice.events import (
    ActionEnded,
    ActionOutcome,
    BargeIn,
    CallerEvent,
    CallerKeyed,
    CallerSaid,
    CallerSilent,
    CallStarted,
    Effect,
    EndCall,
    HandOff,
    HandOffEnded,
    PerformAction,
    PromptInterrupted,
    Speak,
    SpeechError,
    Transcription,
    TurnRecord,
    TurnTimes,
)
from voice.fillers import FillerOptions, Fillers
from voice.frames import Pcm
from voice.playout import Reply
from voice.ports import Actions, Dialog, Journal, SpeechToText, TextToSpeech
from voice.turns import Turn, Turns

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """The call is up; the caller has done nothing yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    pcm: Pcm
    voiced_s: float
    network_s: float
    detection_s: float
    endpointing_s: float
    anticipation: asyncio.Future[Anticipation] | None = None  # begun when the caller fell quiet


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """The no-input time passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """The caller is back from a person, in a call of which `turns` turns were recorded so far."""

    ended: HandOffEnded
    turns: int
    opened_at_s: float  # on the session's clock: when the call was answered


CallerTurn: TypeAlias = Greeting | Return | Utterance | Keys | Silence

_KINDS: dict[type[CallerTurn], str] = {
    Greeting: "start",
    Return: "return",
    Utterance: "speech",
    Keys: "keys",
    Silence: "silence",
}


class Floor(Protocol):
    """What the conversation tells the floor, and asks; called on the event loop."""

    @property
    def owed(self) -> int:
        """How many finished turns of the caller's have not been answered yet."""
        ...

    def reply_ready(self, reply: Reply) -> None:
        """The reply has its first audio; it may still grow."""
        ...

    def nothing_to_say(self) -> None:
        """This turn gets no reply."""
        ...

    def words_heard(self, pcm: Pcm) -> None:
        """This was the caller, speaking; shape (n,)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """An action runs."""

    fillers: Fillers
    due: asyncio.Future[str]
    turn: Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationOptions:
    fillers: FillerOptions = field(default_factory=FillerOptions)
    mumble_s: float = 0.6  # of voice without a recognised word is mumbling; less is noise


class Conversation:
    """One call's mind, seen from its ears and mouth."""

    def __init__(
        self,
        *,
        stt: SpeechToText,
        tts: TextToSpeech,
        dialog: Dialog,
        actions: Actions,
        journal: Journal,
        floor: Floor,
        clock: Callable[[], float],
        options: ConversationOptions | None = None,
        resume: Return | None = None,
    ) -> None:
        self.dialog = dialog
        self._stt, self._tts = stt, tts
        self._actions, self._journal, self._floor = actions, journal, floor
        self._clock = clock
        self._opened_at_s = resume.opened_at_s if resume else clock()
        self._options = options or ConversationOptions()
        self._turns = Turns(resume.turns if resume else 0)
        self._waiting: _Waiting | None = None
        self._interrupted: str | None = None  # what was heard of the reply the caller cut
        self.end_reason: str | None = None  # set once the dialog has ended the call
        self.hand_off: HandOff | None = None  # set once it has given the caller away

    async def anticipate(self, pcm: Pcm) -> Anticipation:
        """Prepare the answer to what was said so far; see voice/anticipation.py."""
        return await anticipate(pcm, stt=self._stt, tts=self._tts, dialog=self.dialog)

    async def take(self, caller_turn: CallerTurn) -> None:
        """Answer one caller turn: the floor hears of the reply, or that there is none."""
        started_s = self._clock()
        turn = self._turns.begin(_KINDS[type(caller_turn)], started_s - self._opened_at_s)
        if goes_on := turn.reply.has_audio:
            self._announce(turn)
        event = await self._event_for(caller_turn, turn)
        if event is None and not turn.said:
            self._turns.close(turn)
            self._floor.nothing_to_say()
            return
        self._turns.count(turn)
        heard_s = self._clock()
        effects = await self._step(event) if event is not None else ()
        turn.understanding = self.dialog.understanding
        understood_s = self._clock()
        turn.times = (
            TurnTimes()  # what is heard first was not waited for: it is not the answer
            if goes_on
            else replace(
                turn.times,
                decode_s=heard_s - started_s,
                understanding_s=understood_s - heard_s,
            )
        )
        await self._carry_out(effects, turn)
        turn.reply.finish()
        turn.planned = True
        self._journal.decided(self._record(turn))
        if not turn.announced:
            turn.over = True
            self._close(turn)
            self._floor.nothing_to_say()
        elif turn.over:
            self._close(turn)

    def tick(self, now_s: float) -> None:
        """Time has passed; to be told with every frame."""
        waiting = self._waiting
        if waiting is None:
            return
        coming = self._turns.coming
        if coming is not None and self._floor.owed and coming.reply.has_audio:
            self._announce(coming)
        heard_in = coming or waiting.turn
        if waiting.due.done() or (heard_in.over and not self._floor.owed):
            return  # nothing more is heard, or the caller is at it
        speaking = heard_in.reply.has_audio and not heard_in.over
        filler = waiting.fillers.due(now_s, speaking=speaking)
        if filler is not None:
            waiting.due.set_result(filler)

    def reply_started(self, reply: Reply) -> None:
        """The first packet of a reply was sent."""
        turn = self._turns.of(reply)
        if turn is not None:
            turn.times = replace(turn.times, playout_s=self._clock() - turn.announced_at_s)

    def reply_over(self, reply: Reply, *, interrupted: bool) -> None:
        """The floor is done with a reply: it was heard, cut short, or (unheard) dropped."""
        turn = self._turns.of(reply)
        if turn is None:
            return
        turn.over, turn.interrupted = True, interrupted
        if interrupted and (reply.begun or not self._turns.dropped(turn)):
            self._interrupted = reply.heard
        if turn.planned:
            self._close(turn)

    def abandon(self) -> None:
        """The call is over: close the records of whatever was in the air."""
        for turn in self._turns.counted():
            turn.interrupted = turn.interrupted or not turn.reply.drained
            self._close(turn)

    # --- hearing ---

    async def _event_for(self, caller_turn: CallerTurn, turn: Turn) -> CallerEvent | None:
        match caller_turn:
            case Greeting():
                return CallStarted()
            case Return(ended=ended):
                return ended
            case Silence():
                return CallerSilent()
            case Keys(digits=digits):
                turn.caller_text = digits
                return CallerKeyed(digits=digits)
            case Utterance():
                return await self._recognise(caller_turn, turn)
            case _:
                assert_never(caller_turn)

    async def _recognise(self, utterance: Utterance, turn: Turn) -> CallerEvent | None:
        turn.times = replace(
            turn.times,
            network_s=utterance.network_s,
            detection_s=utterance.detection_s,
            endpointing_s=utterance.endpointing_s,
        )
        try:
            heard = await self._transcribed(utterance)
        except SpeechError:
            log.exception("speech recognition failed; the caller is asked again")
            heard = Transcription()
        else:
            if not heard.text and utterance.voiced_s < self._options.mumble_s:
                return None
        if heard.text:
            self._floor.words_heard(utterance.pcm)
        turn.transcription, turn.caller_text = heard, heard.text
        return CallerSaid(transcription=heard)

    async def _transcribed(self, utterance: Utterance) -> Transcription:
        """What was said: as anticipated, or recognised now."""
        if utterance.anticipation is not None:
            try:
                return (await utterance.anticipation).transcription
            except SpeechError:
                log.warning("anticipation failed; the utterance is recognised again")
        return await self._stt.transcribe(utterance.pcm, expects=self.dialog.expects)

    async def _step(self, event: CallerEvent) -> Iterable[Effect]:
        heard, self._interrupted = self._interrupted, None
        if heard is None:
            return await self.dialog.receive(event)
        return await self.dialog.receive(PromptInterrupted(heard=heard), event)

    # --- acting and speaking ---

    async def _carry_out(self, effects: Iterable[Effect], turn: Turn) -> None:
        pending = deque(effects)
        while pending:
            effect = pending.popleft()
            match effect:
                case Speak():
                    await self._speak(effect.text, turn, barge_in=effect.barge_in)
                case PerformAction():
                    outcome = await self._perform(effect, turn)
                    turn.actions.append(f"{outcome.name}: {outcome.status}")
                    pending.extend(await self.dialog.receive(ActionEnded(outcome=outcome)))
                case EndCall(reason=reason):
                    turn.end_reason = reason
                case HandOff():
                    turn.hand_off = effect
                case _:
                    assert_never(effect)

    async def _perform(self, action: PerformAction, turn: Turn) -> ActionOutcome:
        """Run the action; while it takes long, say so."""
        begun_s, turn.acted = self._clock(), True
        running = asyncio.ensure_future(self._actions.perform(action))
        fillers = Fillers(action.fillers, self._options.fillers, begun_s)
        while (filler := await self._next_filler(fillers, running, turn)) is not None:
            if not turn.announced:
                self._spend(turn, action_s=self._clock() - begun_s)
            await self._speak(filler, turn, barge_in=BargeIn.NONE)
        outcome = await running
        if not turn.announced:
            self._spend(turn, action_s=self._clock() - begun_s)
        return outcome

    async def _next_filler(
        self, fillers: Fillers, running: asyncio.Future[ActionOutcome], turn: Turn
    ) -> str | None:
        """What is to be said now, while the action still runs; None: it has ended."""
        due: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting = _Waiting(fillers=fillers, due=due, turn=turn)
        try:
            await asyncio.wait({running, due}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting = None
        return None if running.done() else due.result()

    @staticmethod
    def _spend(turn: Turn, *, action_s: float = 0.0, synthesis_s: float = 0.0) -> None:
        """Time that passed before our first word."""
        turn.times = replace(
            turn.times,
            action_s=turn.times.action_s + action_s,
            synthesis_s=turn.times.synthesis_s + synthesis_s,
        )

    async def _speak(self, text: str, turn: Turn, *, barge_in: BargeIn) -> None:
        turn = self._turns.heard_in(turn)
        turn.said.append(text)
        begun_s = self._clock()
        try:
            async for chunk in self._tts.synthesise(text):
                turn = turn.goes_on_in or turn  # its reply was dropped while this was spoken
                turn.reply.append(chunk, barge_in=barge_in)
                if not turn.announced:
                    self._spend(turn, synthesis_s=self._clock() - begun_s)
                if turn.index >= 0:  # of one that is to come, the floor is told when it is owed
                    self._announce(turn)
        except SpeechError:
            log.exception("speech synthesis failed; the prompt is not heard")

    def _announce(self, turn: Turn) -> None:
        if turn.announced:
            return
        turn.announced = True
        turn.announced_at_s = self._clock()
        self._floor.reply_ready(turn.reply)

    # --- recording ---

    def _close(self, turn: Turn) -> None:
        self._turns.close(turn)
        self._journal.turn(self._record(turn))
        if turn.end_reason is not None:
            self.end_reason = turn.end_reason
        if turn.hand_off is not None:
            self.hand_off = turn.hand_off

    def _record(self, turn: Turn) -> TurnRecord:
        said = " ".join(turn.said)
        finished = turn.reply.drained and not turn.interrupted
        return TurnRecord(
            index=turn.index,
            started_at_s=turn.started_at_s,
            caller_text=turn.caller_text,
            caller_kind=turn.kind,
            n_best=turn.transcription.hypotheses,
            understanding=turn.understanding,
            actions=tuple(turn.actions),
            said=said,
            heard=said if finished else turn.reply.heard,
            interrupted=turn.interrupted,
            times=turn.times,
        )
