"""What must hold on the floor whatever happens, in any order, at any time."""

from copy import deepcopy

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from voice.floor import Floor, TurnTiming
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
    SoFar,
    StartReply,
    StopReply,
    TimePassed,
    TurnCommand,
    TurnEvent,
    VoiceStarted,
    VoiceStopped,
)

STEPS_S = st.floats(min_value=0.0, max_value=9.0)


class AnyCall(RuleBasedStateMachine):
    """A session that obeys every command, under random events."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = TurnMachine(TurnTiming())
        self.now_s = 0.0
        self.voice = False
        self.ready = False  # a reply is announced and neither started nor dropped
        self.playing = False
        self.paused = False  # silenced by the caller, perhaps to go on
        self.collecting = False
        self.unanswered = 1  # turns given to the dialog and not answered
        self.long_voice_s = 0.0

    def tell(self, event: TurnEvent) -> None:
        for command in self.machine.receive(event, self.now_s):
            self.obey(command)

    def obey(self, command: TurnCommand) -> None:  # noqa: C901  one line a command
        match command:
            case BeginUtterance():
                assert not self.collecting
                self.collecting = True
            case EndUtterance():
                assert self.collecting, "an utterance ended that had not begun"
                self.collecting = False
                self.unanswered += 1
            case DiscardUtterance():
                assert self.collecting
                self.collecting = False
            case StartReply():
                assert self.ready, "a reply started that was not ready"
                assert not self.collecting, "frontdesk speaks while the caller holds the turn"
                self.ready, self.playing = False, True
            case DuckReply():
                assert self.playing
                assert self.machine.barge_in, "interrupted where that is not wanted"
            case PauseReply():
                assert self.playing
                assert self.machine.barge_in, "interrupted where that is not wanted"
                self.playing, self.paused = False, True
            case ResumeReply(softly=softly):
                bears = softly and self.machine.bears_with
                assert bears or not self.collecting, "frontdesk speaks while the caller does"
                assert self.paused or self.playing
                self.playing, self.paused = True, False
            case StopReply():
                assert self.playing or self.paused
                self.playing = self.paused = False
            case Anticipate() | Overhear():
                assert self.collecting
            case Reconsider():
                assert self.collecting
            case DropReply():
                assert self.ready
                self.ready = False
            case EndKeys() | ReportSilence():
                self.unanswered += 1

    @rule(step_s=STEPS_S)
    def time_passes(self, step_s: float) -> None:
        self.now_s += step_s
        heeded, before = self.machine.heeds_time(self.now_s), deepcopy(vars(self.machine))
        self.tell(TimePassed())
        assert heeded or vars(self.machine) == before, "a session would not have told it"

    @rule(step_s=STEPS_S)
    def voice_changes(self, step_s: float) -> None:
        self.now_s += step_s
        self.voice = not self.voice
        self.tell(VoiceStarted() if self.voice else VoiceStopped())

    @rule(words=st.booleans())
    def overheard_is_judged(self, words: bool) -> None:
        self.tell(OverheardJudged(words=words))

    @rule(said=st.sampled_from(SoFar))
    def voice_is_heard_so_far(self, said: SoFar) -> None:
        self.tell(HeardSoFar(said=said))

    @rule(complete=st.booleans())
    def key_pressed(self, complete: bool) -> None:
        self.tell(KeyArrived(complete=complete))
        self.collecting = self.collecting and self.machine.state is not Floor.KEYING

    @precondition(lambda self: self.unanswered and not self.playing and not self.paused)
    @rule()
    def dialog_answers(self) -> None:
        self.unanswered -= 1
        self.ready = True
        self.tell(ReplyReady())

    @rule(barge_in=st.booleans())
    def next_words_may_or_may_not_be_interrupted(self, barge_in: bool) -> None:
        self.machine.barge_in = barge_in

    @precondition(lambda self: self.unanswered and not self.playing and not self.paused)
    @rule()
    def dialog_has_no_answer(self) -> None:
        self.unanswered -= 1
        self.tell(NothingToSay())

    @precondition(lambda self: self.playing)
    @rule()
    def reply_ends(self) -> None:
        self.playing = False
        self.tell(ReplyEnded())

    @invariant()
    def the_machine_and_the_session_agree(self) -> None:
        assert self.playing == (self.machine.state in (Floor.TALKING, Floor.OVERLAP))
        assert self.machine.owed == self.unanswered
        assert self.machine.held == self.ready
        assert self.machine.paused == self.paused

    @invariant()
    def somebody_always_has_the_next_move(self) -> None:
        """Nothing is pending and yet the call cannot go on: that would hang it."""
        if self.machine.state is Floor.THINKING:
            assert self.unanswered
        if self.machine.state is Floor.OPEN:
            before = self.unanswered
            self.now_s += 100.0
            self.tell(TimePassed())
            assert self.unanswered == before + 1, "silence was never reported"

    def teardown(self) -> None:
        self.tell(CallEnded())
        assert not self.playing
        assert not self.paused
        assert not self.ready
        assert self.machine.state is Floor.CLOSED


AnyCall.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestAnyCall = AnyCall.TestCase
