"""The floor of a call: who is speaking, who holds the turn, and what must happen next.

Theory of operation. The machine is told what the voice activity detector, the playout, the keypad
and the dialog report, each with the time, and answers with commands for the session to carry out.
It holds no audio and reads no clock.

    OPEN      nobody speaks, the turn is the caller's; the no-input timer runs
    HEARING   the caller speaks
    PAUSED    the caller stopped for now; the endpoint timer runs
    KEYING    the caller presses keys; the inter-digit timer runs
    THINKING  the caller is done and is owed a reply; nobody speaks
    TALKING   frontdesk speaks
    OVERLAP   frontdesk speaks and so does the caller: an interruption, or only a cough
    CLOSED    the call is over

An interruption has three steps. At the first sound our voice is lowered; if the sound goes on it is
paused; and when the caller pauses, what they said is judged. Words end the reply for good, a cough
or an "mm-hm" lets it go on from the word it was paused at (`paused`). An "mm-hm" takes half a
second, so what has been said of it is looked at meanwhile (`Overhear`): while it is a listener's,
and nothing else, we go on softly (`bears_with`), and pause again at the first sign of more.

Whenever the caller pauses, the answer to what they have said so far is prepared, so that it is
there when the pause turns out to be the end.

Two counters sit beside the state. `owed` is how many finished caller turns the dialog has not
answered yet; `held` says that an answer is ready while the caller speaks on. A held answer is
spoken if the caller's noise turns out to be nothing, and dropped if it was a turn of its own, since
the dialog's answer to that one replaces it. So frontdesk never speaks while the caller holds the
turn, and every utterance that was long enough to be speech reaches the dialog.
"""

from collections.abc import Callable
from typing import ClassVar, Final, get_args

from voice.caller_voice import CallerVoice
from voice.floor import Floor, IllegalTurnEventError, TurnTiming
from voice.frames import FRAME_S
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
    SoFar,
    StartReply,
    StopReply,
    TimePassed,
    TurnCommand,
    TurnEvent,
    VoiceStarted,
    VoiceStopped,
)

_NEVER: Final = float("inf")
_HALF_A_TICK_S: Final = FRAME_S / 2  # so that the tick nearest to a look's time is its tick


class TurnMachine:
    """The floor of one call; see the module's theory of operation.

    Two things may be set at any time: `endpoint_silence_s`, how much quiet ends the utterance being
    heard, and `barge_in`, whether the caller's voice interrupts what is being said.
    """

    def __init__(self, timing: TurnTiming, *, endpoint_silence_s: float = 0.6) -> None:
        self.timing = timing
        self.endpoint_silence_s = endpoint_silence_s
        self.state = Floor.THINKING  # the caller is owed a greeting
        self.owed = 1
        self.held = False
        self.paused = False
        self.bears_with = False
        self.barge_in = True
        self._voice = CallerVoice()
        self._utterance_since_s = 0.0
        self._overhear_at_s = _NEVER
        self._idle_deadline_s = _NEVER
        self._keys_deadline_s = _NEVER

    def receive(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        """Take one event and return the commands it causes, in order.

        Args:
            event: what happened.
            now_s: monotonic seconds, never less than in the call before.

        Raises:
            IllegalTurnEventError: the event cannot happen in this state; nothing has changed.
        """
        handler = self._TABLE.get((self.state, type(event)))
        if handler is None:
            raise IllegalTurnEventError(f"{type(event).__name__} while {self.state}")
        self._note_voice(event, now_s)
        return handler(self, event, now_s)

    def heeds_time(self, now_s: float) -> bool:
        """Whether `TimePassed` may cause anything now: asked at every tick of every call."""
        match self.state:
            case Floor.TALKING | Floor.THINKING | Floor.CLOSED:
                return False
            case Floor.OPEN:
                return now_s >= self._idle_deadline_s
            case Floor.KEYING:
                return now_s >= self._keys_deadline_s
            case Floor.HEARING:
                too_long = now_s - self._utterance_since_s >= self.timing.max_turn_s
                return too_long or (self.paused and now_s >= self._overhear_at_s)
            case Floor.PAUSED | Floor.OVERLAP:
                return True

    @classmethod
    def transitions(cls) -> list[tuple[Floor, str, str]]:
        """The table as (state, event, rule), for the documents."""
        return [
            (floor, event.__name__, rule.__name__.removeprefix("_"))
            for (floor, event), rule in cls._TABLE.items()
        ]

    @property
    def voiced_s(self) -> float:
        """How long the caller's voice was on in this utterance, up to its last pause."""
        return self._voice.voiced_s

    # --- bookkeeping ---

    def _note_voice(self, event: TurnEvent, now_s: float) -> None:
        match event:
            case VoiceStarted():
                self._voice.started(now_s)
            case VoiceStopped():
                self._voice.stopped(now_s)
            case _:
                pass

    def _begin(self, state: Floor, now_s: float) -> list[TurnCommand]:
        self.state = state
        self._voice.begin_utterance(now_s)
        self._utterance_since_s = now_s
        self.bears_with = False
        self._overhear_at_s = now_s + self.timing.overhear_after_s - _HALF_A_TICK_S
        return [BeginUtterance()]

    def _open(self, now_s: float, *, restart_timer: bool = True) -> list[TurnCommand]:
        self.state = Floor.OPEN
        if restart_timer or self._idle_deadline_s == _NEVER:
            self._idle_deadline_s = now_s + self.timing.no_input_s
        return []

    def _end_utterance(self, now_s: float) -> list[TurnCommand]:
        self.state = Floor.THINKING
        self.owed += 1
        waited_s, voiced_s = self._voice.quiet_for(now_s), self._voice.voiced_until(now_s)
        end = EndUtterance(endpointing_s=waited_s, voiced_s=voiced_s)
        return [*self._drop_held(), *self._stop_paused(), end]

    def _drop_held(self) -> list[TurnCommand]:
        if not self.held:
            return []
        self.held = False
        return [DropReply()]

    def _stop_paused(self) -> list[TurnCommand]:
        if not self.paused:
            return []
        self.paused = False
        return [StopReply()]

    def _talk(self) -> list[TurnCommand]:
        self.state, self.held = Floor.TALKING, False
        self._idle_deadline_s = _NEVER
        return [StartReply()]

    def _after_noise(self, now_s: float) -> list[TurnCommand]:
        """What was heard is nothing: go back to where we were before it."""
        if self.paused:
            self.paused, self.state = False, Floor.TALKING
            return [DiscardUtterance(), ResumeReply()]
        if self.held:
            return [DiscardUtterance(), *self._talk()]
        if self.owed:
            self.state = Floor.THINKING
            return [DiscardUtterance()]
        return [DiscardUtterance(), *self._open(now_s, restart_timer=False)]

    # --- handlers, named by what they decide ---

    def _ignore(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        return []

    def _hear(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        return self._begin(Floor.HEARING, now_s)

    def _hear_over_us(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        ducked: list[TurnCommand] = [DuckReply()] if self.barge_in else []
        return [*self._begin(Floor.OVERLAP, now_s), *ducked]

    def _pause(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        self.state = Floor.PAUSED
        return [Anticipate()]

    def _resume(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        self.state = Floor.HEARING
        return [Reconsider()]

    def _overlap_pauses(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        return [Anticipate()] if self.barge_in else []

    def _overlap_resumes(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        return [Reconsider()] if self.barge_in else []

    def _judge_overlap(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        assert isinstance(event, OverheardJudged)
        if self._voice.on or not self.barge_in:
            return []
        if not event.words:
            return self._talk_on()
        self.state, self.paused = Floor.PAUSED, True
        return [PauseReply()]

    def _judge_pause(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        assert isinstance(event, OverheardJudged)
        return self._after_noise(now_s) if self.paused and not event.words else []

    def _talk_on(self) -> list[TurnCommand]:
        """The caller's sound over us was nothing."""
        self.state = Floor.TALKING
        return [DiscardUtterance(), ResumeReply()]

    def _check_idle(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        if now_s < self._idle_deadline_s:
            return []
        self.state, self._idle_deadline_s = Floor.THINKING, _NEVER
        self.owed += 1
        return [ReportSilence()]

    def _check_voice(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        """End a turn that lasts too long; look at what stopped us."""
        if now_s - self._utterance_since_s >= self.timing.max_turn_s:
            return self._end_utterance(now_s)
        return self._overhear(now_s) if self.paused else []

    def _overhear(self, now_s: float) -> list[TurnCommand]:
        if now_s < self._overhear_at_s:
            return []
        known = self._voice.voiced_until(now_s) >= self.timing.overhear_until_s
        next_s = now_s + self.timing.overhear_every_s - _HALF_A_TICK_S
        self._overhear_at_s = next_s if self.bears_with or not known else _NEVER
        return [Overhear()]

    def _heard_while_paused(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        assert isinstance(event, HeardSoFar)
        if event.said is SoFar.WORDS:
            self._overhear_at_s = _NEVER  # what is heard later of this voice would be chance
        if not self.paused or event.said is not SoFar.LISTENING:
            return []
        self.state, self.paused, self.bears_with = Floor.OVERLAP, False, True
        return [ResumeReply(softly=True)]

    def _heard_while_talking(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        assert isinstance(event, HeardSoFar)
        more = self.bears_with and self._voice.on and event.said is not SoFar.LISTENING
        return self._give_way() if more and self.barge_in else []

    def _give_way(self) -> list[TurnCommand]:
        self.state, self.paused, self.bears_with = Floor.HEARING, True, False
        return [PauseReply()]

    def _check_endpoint(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        if self._voice.quiet_for(now_s) < self.endpoint_silence_s:
            return []
        if self._voice.voiced_s < self.timing.min_speech_s:
            return self._after_noise(now_s)
        return self._end_utterance(now_s)

    def _check_overlap(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        """Give way to a voice that goes on; forget one that stopped again."""
        if self._voice.on:
            if self.bears_with:
                return self._overhear(now_s)
            if self.barge_in and self._voice.voiced_until(now_s) >= self.timing.barge_in_after_s:
                return self._give_way()
        elif self._voice.quiet_for(now_s) >= self.endpoint_silence_s:
            return self._talk_on()
        return []

    def _overlap_outlasts_us(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        """We finished while the caller spoke, or just after: what they said is their answer."""
        self.state = Floor.HEARING if self._voice.on else Floor.PAUSED
        self._idle_deadline_s = now_s + self.timing.no_input_s
        return []

    def _finish_talking(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        return self._open(now_s)

    def _reply(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        self.owed -= 1
        if self.owed:  # the caller has said more since: the answer to that one replaces this one
            return [DropReply()]
        return self._talk()

    def _hold_reply(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        self.owed -= 1
        if self.owed:
            return [DropReply()]
        self.held = True
        return []

    def _no_reply(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        self.owed -= 1
        return [] if self.owed else self._open(now_s, restart_timer=False)

    def _no_reply_yet(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        self.owed -= 1
        return []

    def _key(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        """Keys overrule speech: whatever is being said or heard stops for them."""
        assert isinstance(event, KeyArrived)
        commands: list[TurnCommand] = []
        if self.state in (Floor.TALKING, Floor.OVERLAP):
            commands.append(StopReply())
        commands += self._stop_paused()
        if self.state in (Floor.HEARING, Floor.PAUSED, Floor.OVERLAP):
            commands.append(DiscardUtterance())
        commands += self._drop_held()
        self.state = Floor.KEYING
        self._keys_deadline_s = now_s if event.complete else now_s + self.timing.inter_digit_s
        return [*commands, *(self._end_keys() if event.complete else [])]

    def _check_keys(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        return self._end_keys() if now_s >= self._keys_deadline_s else []

    def _end_keys(self) -> list[TurnCommand]:
        self.state = Floor.THINKING
        self.owed += 1
        return [*self._drop_held(), EndKeys()]

    def _close(self, event: TurnEvent, now_s: float) -> list[TurnCommand]:
        speaking = self.paused or self.state in (Floor.TALKING, Floor.OVERLAP)
        self.state, self.paused = Floor.CLOSED, False
        return [StopReply()] if speaking else self._drop_held()

    _TABLE: ClassVar[
        dict[
            tuple[Floor, type[TurnEvent]],
            Callable[["TurnMachine", TurnEvent, float], list[TurnCommand]],
        ]
    ] = {
        (Floor.OPEN, VoiceStarted): _hear,
        (Floor.OPEN, VoiceStopped): _ignore,
        (Floor.OPEN, TimePassed): _check_idle,
        (Floor.OPEN, KeyArrived): _key,
        (Floor.OPEN, OverheardJudged): _ignore,
        (Floor.OPEN, HeardSoFar): _ignore,
        (Floor.HEARING, VoiceStarted): _ignore,
        (Floor.HEARING, VoiceStopped): _pause,
        (Floor.HEARING, TimePassed): _check_voice,
        (Floor.HEARING, HeardSoFar): _heard_while_paused,
        (Floor.HEARING, KeyArrived): _key,
        (Floor.HEARING, ReplyReady): _hold_reply,
        (Floor.HEARING, NothingToSay): _no_reply_yet,
        (Floor.HEARING, OverheardJudged): _ignore,
        (Floor.PAUSED, VoiceStarted): _resume,
        (Floor.PAUSED, VoiceStopped): _ignore,
        (Floor.PAUSED, TimePassed): _check_endpoint,
        (Floor.PAUSED, KeyArrived): _key,
        (Floor.PAUSED, ReplyReady): _hold_reply,
        (Floor.PAUSED, NothingToSay): _no_reply_yet,
        (Floor.PAUSED, OverheardJudged): _judge_pause,
        (Floor.PAUSED, HeardSoFar): _ignore,
        (Floor.KEYING, VoiceStarted): _ignore,
        (Floor.KEYING, VoiceStopped): _ignore,
        (Floor.KEYING, TimePassed): _check_keys,
        (Floor.KEYING, KeyArrived): _key,
        (Floor.KEYING, ReplyReady): _hold_reply,
        (Floor.KEYING, NothingToSay): _no_reply_yet,
        (Floor.KEYING, OverheardJudged): _ignore,
        (Floor.KEYING, HeardSoFar): _ignore,
        (Floor.THINKING, VoiceStarted): _hear,
        (Floor.THINKING, VoiceStopped): _ignore,
        (Floor.THINKING, TimePassed): _ignore,
        (Floor.THINKING, KeyArrived): _key,
        (Floor.THINKING, ReplyReady): _reply,
        (Floor.THINKING, NothingToSay): _no_reply,
        (Floor.THINKING, OverheardJudged): _ignore,
        (Floor.THINKING, HeardSoFar): _ignore,
        (Floor.TALKING, VoiceStarted): _hear_over_us,
        (Floor.TALKING, VoiceStopped): _ignore,
        (Floor.TALKING, TimePassed): _ignore,
        (Floor.TALKING, KeyArrived): _key,
        (Floor.TALKING, ReplyEnded): _finish_talking,
        (Floor.TALKING, OverheardJudged): _ignore,
        (Floor.TALKING, HeardSoFar): _ignore,
        (Floor.OVERLAP, VoiceStarted): _overlap_resumes,
        (Floor.OVERLAP, VoiceStopped): _overlap_pauses,
        (Floor.OVERLAP, TimePassed): _check_overlap,
        (Floor.OVERLAP, KeyArrived): _key,
        (Floor.OVERLAP, ReplyEnded): _overlap_outlasts_us,
        (Floor.OVERLAP, OverheardJudged): _judge_overlap,
        (Floor.OVERLAP, HeardSoFar): _heard_while_talking,
        **dict.fromkeys([(floor, CallEnded) for floor in Floor], _close),
        **dict.fromkeys([(Floor.CLOSED, event) for event in get_args(TurnEvent)], _ignore),
    }  # fmt: skip
