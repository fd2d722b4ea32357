"""The rules of the floor, one test each."""

import pytest

from voice.floor import Floor, IllegalTurnEventError, TurnTiming
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

# Binary fractions, so that sums of them are exact and the limits can be hit to the point.
TIMING = TurnTiming(
    barge_in_after_s=0.25,
    overhear_after_s=0.5,
    overhear_every_s=0.25,
    overhear_until_s=1.0,
    min_speech_s=0.125,
    no_input_s=7.0,
    max_turn_s=28.0,
)


class Call:
    """A machine and the time, so that tests read as a story."""

    def __init__(self) -> None:
        self.machine = TurnMachine(TIMING, endpoint_silence_s=0.5)
        self.now_s = 100.0

    def then(self, event: TurnEvent, *, after_s: float = 0.0) -> list[TurnCommand]:
        self.now_s += after_s
        return self.machine.receive(event, self.now_s)

    def greeted(self) -> "Call":
        """Until the greeting has been spoken and the caller may answer."""
        assert self.then(ReplyReady()) == [StartReply()]
        self.then(ReplyEnded(), after_s=2.0)
        return self

    def said_something(self) -> "Call":
        self.then(VoiceStarted())
        self.then(VoiceStopped(), after_s=1.0)
        assert isinstance(self.then(TimePassed(), after_s=0.5)[0], EndUtterance)
        return self


def test_greeting_is_spoken_when_it_is_ready():
    call = Call()
    assert call.machine.state is Floor.THINKING
    assert call.then(ReplyReady()) == [StartReply()]
    assert call.machine.state is Floor.TALKING


def test_utterance_ends_after_the_endpoint_silence_and_not_before():
    call = Call().greeted()
    assert call.then(VoiceStarted()) == [BeginUtterance()]
    assert call.then(VoiceStopped(), after_s=1.0) == [Anticipate()]
    assert call.then(TimePassed(), after_s=0.25) == []
    [end] = call.then(TimePassed(), after_s=0.25)
    assert isinstance(end, EndUtterance)
    assert end.endpointing_s == 0.5
    assert end.voiced_s == 1.0
    assert call.machine.state is Floor.THINKING


def test_pause_shorter_than_the_endpoint_silence_goes_on_as_one_utterance():
    call = Call().greeted()
    call.then(VoiceStarted())
    call.then(VoiceStopped(), after_s=0.5)
    assert call.then(VoiceStarted(), after_s=0.375) == [Reconsider()]
    call.then(VoiceStopped(), after_s=0.5)
    [end] = call.then(TimePassed(), after_s=0.5)
    assert isinstance(end, EndUtterance)
    assert end.voiced_s == 1.0


def test_click_is_discarded_and_does_not_restart_the_no_input_timer():
    call = Call().greeted()
    call.then(VoiceStarted(), after_s=6.0)
    call.then(VoiceStopped(), after_s=0.05)
    assert call.then(TimePassed(), after_s=0.5) == [DiscardUtterance()]
    assert call.then(TimePassed(), after_s=0.5) == [ReportSilence()]


def test_silence_is_reported_after_the_no_input_time():
    call = Call().greeted()
    assert call.then(TimePassed(), after_s=6.9) == []
    assert call.then(TimePassed(), after_s=0.2) == [ReportSilence()]
    assert call.machine.state is Floor.THINKING


def interrupted() -> Call:
    """A caller who went on talking over us until we paused."""
    call = Call()
    call.then(ReplyReady())
    assert call.then(VoiceStarted(), after_s=1.0) == [BeginUtterance(), DuckReply()]
    assert call.then(TimePassed(), after_s=0.125) == []
    assert call.then(TimePassed(), after_s=0.125) == [PauseReply()]
    assert call.machine.state is Floor.HEARING
    return call


def test_caller_who_talks_on_over_us_lowers_our_voice_and_then_pauses_it():
    interrupted()


def test_words_over_us_end_the_reply_when_the_caller_is_done():
    call = interrupted()
    assert call.then(VoiceStopped(), after_s=0.5) == [Anticipate()]
    assert call.then(OverheardJudged(words=True)) == []
    stop, end = call.then(TimePassed(), after_s=0.5)
    assert stop == StopReply()
    assert isinstance(end, EndUtterance)


def test_mm_hm_over_us_lets_us_go_on_at_once():
    call = interrupted()
    call.then(VoiceStopped(), after_s=0.125)
    assert call.then(OverheardJudged(words=False)) == [DiscardUtterance(), ResumeReply()]
    assert call.machine.state is Floor.TALKING


def bearing() -> Call:
    """A caller whose voice over us has only been a listener's so far, and goes on."""
    call = interrupted()
    assert call.then(TimePassed(), after_s=0.25) == [Overhear()]
    assert call.then(HeardSoFar(said=SoFar.LISTENING)) == [ResumeReply(softly=True)]
    assert call.machine.state is Floor.OVERLAP
    return call


def test_mm_hm_that_goes_on_lets_us_go_on_softly_and_at_full_voice_once_it_is_over():
    call = bearing()
    assert call.then(TimePassed(), after_s=0.125) == []
    assert call.then(VoiceStopped(), after_s=0.125) == [Anticipate()]
    assert call.then(OverheardJudged(words=False)) == [DiscardUtterance(), ResumeReply()]
    assert call.machine.state is Floor.TALKING


def test_okay_that_goes_on_with_but_pauses_us_again():
    call = bearing()
    assert call.then(TimePassed(), after_s=0.25) == [Overhear()]
    assert call.then(HeardSoFar(said=SoFar.UNSURE)) == [PauseReply()]
    assert call.machine.state is Floor.HEARING
    call.then(VoiceStopped(), after_s=0.5)
    call.then(OverheardJudged(words=True))
    assert isinstance(call.then(TimePassed(), after_s=0.5)[-1], EndUtterance)


def test_listener_is_looked_at_for_as_long_as_their_voice_goes_on():
    call = bearing()
    for _ in range(8):
        assert call.then(TimePassed(), after_s=0.25) == [Overhear()]


def test_voice_that_was_no_listeners_so_far_keeps_us_silent_and_is_not_looked_at_for_ever():
    call = interrupted()
    looks = [call.then(TimePassed(), after_s=0.25) for _ in range(6)]
    assert looks == [[Overhear()]] * 3 + [[]] * 3
    assert call.then(HeardSoFar(said=SoFar.UNSURE)) == []
    assert call.machine.paused


def test_voice_that_said_words_for_certain_is_not_looked_at_again():
    call = interrupted()
    assert call.then(TimePassed(), after_s=0.25) == [Overhear()]
    assert call.then(HeardSoFar(said=SoFar.WORDS)) == []
    assert call.then(TimePassed(), after_s=0.25) == []


@pytest.mark.parametrize("begins_s", [0.0, 1_000.08, 4_321.1234])
def test_looks_come_at_the_nearest_tick_however_sums_of_ticks_are_rounded(begins_s: float):
    call = Call()
    call.machine, call.now_s = TurnMachine(TurnTiming()), begins_s
    call.then(ReplyReady())
    call.then(VoiceStarted())
    commands = [call.then(TimePassed(), after_s=0.02) for _ in range(13)]
    looks = [tick for tick, given in enumerate(commands, 1) if Overhear() in given]
    assert looks == [5, 8, 11]


def test_what_was_heard_so_far_changes_nothing_once_the_voice_is_over():
    call = interrupted()
    call.then(VoiceStopped(), after_s=0.5)
    assert call.then(HeardSoFar(said=SoFar.LISTENING)) == []


def test_caller_who_speaks_on_is_not_judged_by_what_they_said_before():
    call = interrupted()
    call.then(VoiceStopped(), after_s=0.5)
    assert call.then(VoiceStarted(), after_s=0.125) == [Reconsider()]
    assert call.then(OverheardJudged(words=False)) == []
    assert call.machine.state is Floor.HEARING


def test_cough_over_us_only_lowers_our_voice():
    call = Call()
    call.then(ReplyReady())
    call.then(VoiceStarted(), after_s=1.0)
    assert call.then(VoiceStopped(), after_s=0.125) == [Anticipate()]
    assert call.then(OverheardJudged(words=False)) == [DiscardUtterance(), ResumeReply()]
    assert call.machine.state is Floor.TALKING


def test_cough_that_nobody_judges_is_forgotten_after_the_endpoint_silence():
    call = Call()
    call.then(ReplyReady())
    call.then(VoiceStarted(), after_s=1.0)
    call.then(VoiceStopped(), after_s=0.125)
    assert call.then(TimePassed(), after_s=0.5) == [DiscardUtterance(), ResumeReply()]


def test_short_word_over_us_pauses_us_once_it_is_understood():
    call = Call()
    call.then(ReplyReady())
    call.then(VoiceStarted(), after_s=1.0)
    call.then(VoiceStopped(), after_s=0.1875)
    assert call.then(OverheardJudged(words=True)) == [PauseReply()]
    assert call.machine.state is Floor.PAUSED
    stop, end = call.then(TimePassed(), after_s=0.5)
    assert stop == StopReply()
    assert isinstance(end, EndUtterance)


def test_key_after_an_interruption_gives_the_reply_up():
    call = interrupted()
    assert call.then(KeyArrived(complete=False)) == [StopReply(), DiscardUtterance()]


def test_end_of_the_call_gives_a_paused_reply_up():
    call = interrupted()
    assert call.then(CallEnded()) == [StopReply()]


def test_prompt_without_barge_in_is_spoken_to_its_end():
    call = Call()
    call.then(ReplyReady())
    call.machine.barge_in = False
    assert call.then(VoiceStarted(), after_s=1.0) == [BeginUtterance()]
    assert call.then(TimePassed(), after_s=5.0) == []
    assert call.machine.state is Floor.OVERLAP


def test_yes_said_over_the_last_word_of_the_prompt_counts():
    call = Call()
    call.then(ReplyReady())
    call.then(VoiceStarted(), after_s=1.0)
    call.then(VoiceStopped(), after_s=0.18)
    assert call.then(ReplyEnded(), after_s=0.1) == []
    assert isinstance(call.then(TimePassed(), after_s=0.5)[0], EndUtterance)


def test_reply_waits_while_the_caller_speaks_on_and_is_dropped_when_they_said_more():
    call = Call().greeted().said_something()
    call.then(VoiceStarted(), after_s=0.1)
    assert call.then(ReplyReady(), after_s=0.1) == []
    call.then(VoiceStopped(), after_s=1.0)
    commands = call.then(TimePassed(), after_s=0.5)
    assert commands[0] == DropReply()
    assert isinstance(commands[1], EndUtterance)


def test_held_reply_is_spoken_when_the_noise_was_nothing():
    call = Call().greeted().said_something()
    call.then(VoiceStarted(), after_s=0.1)
    call.then(VoiceStopped(), after_s=0.05)
    call.then(ReplyReady(), after_s=0.1)
    assert call.then(TimePassed(), after_s=0.5) == [DiscardUtterance(), StartReply()]
    assert call.machine.state is Floor.TALKING


def test_answer_to_an_older_turn_is_dropped_for_the_answer_to_the_newer():
    call = Call().greeted().said_something()
    call.said_something()
    assert call.machine.owed == 2
    assert call.then(ReplyReady()) == [DropReply()]
    assert call.then(ReplyReady()) == [StartReply()]


def test_turn_without_a_reply_gives_the_floor_back():
    call = Call().greeted().said_something()
    assert call.then(NothingToSay()) == []
    assert call.machine.state is Floor.OPEN


def test_utterance_ends_at_the_maximum_turn_length():
    call = Call().greeted()
    call.then(VoiceStarted())
    assert call.then(TimePassed(), after_s=27.0) == []
    [end] = call.then(TimePassed(), after_s=1.0)
    assert isinstance(end, EndUtterance)
    assert end.endpointing_s == 0.0


def test_key_stops_the_prompt_and_the_utterance():
    call = Call()
    call.then(ReplyReady())
    call.then(VoiceStarted())
    assert call.then(KeyArrived(complete=False)) == [StopReply(), DiscardUtterance()]
    assert call.machine.state is Floor.KEYING


def test_keys_end_at_full_length_or_after_the_inter_digit_time():
    call = Call().greeted()
    assert call.then(KeyArrived(complete=False)) == []
    assert call.then(TimePassed(), after_s=2.4) == []
    assert call.then(KeyArrived(complete=False)) == []
    assert call.then(TimePassed(), after_s=2.6) == [EndKeys()]
    call.then(ReplyReady())
    assert call.then(KeyArrived(complete=True)) == [StopReply(), EndKeys()]


def test_end_of_the_call_silences_us_and_everything_after_is_ignored():
    call = Call()
    call.then(ReplyReady())
    assert call.then(CallEnded()) == [StopReply()]
    for event in (VoiceStarted(), ReplyReady(), TimePassed(), CallEnded()):
        assert call.then(event) == []


def test_illegal_event_raises_and_changes_nothing():
    call = Call().greeted()
    with pytest.raises(IllegalTurnEventError, match="ReplyEnded while open"):
        call.then(ReplyEnded())
    assert call.machine.state is Floor.OPEN
