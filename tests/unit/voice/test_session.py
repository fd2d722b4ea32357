"""A call session on a virtual clock: what a caller does, and what comes of it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest

from tests.fakes.voice import (
    LOUD,
    FakeActions,
    FakeActivity,
    FakeDialog,
    FakeJournal,
    FakeLeg,
    FakeRecorder,
    FakeStt,
    FakeTts,
    FakeTurnModel,
)
from voice.conversation import ConversationOptions, Return
from voice.events import (
    BargeIn,
    CallerEvent,
    CallerKeyed,
    CallerSaid,
    CallerSilent,
    CallStarted,
    Effect,
    EndCall,
    Expectation,
    Expects,
    HandOff,
    HandOffEnded,
    KeyPressed,
    LegEnded,
    PerformAction,
    PromptInterrupted,
    Readiness,
    Speak,
)
from voice.frames import FRAME_S, Pcm, silence
from voice.ports import TurnModel
from voice.session import HANDED_OFF, CallSession, SessionOptions, SessionPorts


class Rig:
    """One session, its fakes, and time that passes only when told to."""

    def __init__(
        self,
        script: list[Sequence[Effect]],
        *texts: str | None,
        released: bool = True,
        resume: Return | None = None,
        turn_model: TurnModel | None = None,
    ) -> None:
        self.leg, self.stt, self.tts = FakeLeg(), FakeStt(*texts), FakeTts()
        self.dialog, self.journal = FakeDialog(script), FakeJournal()
        self.actions, self.recorder = FakeActions(released=released), FakeRecorder()
        self.now_s = 50.0
        self.reason = ""
        self.may_guess = True
        self.may_ask_twice = True
        self.session = CallSession(
            self.leg,
            SessionPorts(
                stt=self.stt,
                tts=self.tts,
                activity=FakeActivity(),
                dialog=self.dialog,
                actions=self.actions,
                journal=self.journal,
                recorder=self.recorder,
                turn_model=turn_model,
            ),
            clock=lambda: self.now_s,
            options=SessionOptions(
                conversation=ConversationOptions(filler_after_s=0.0),
                comfort_dbfs=-200.0,  # silence is silence, so that speech can be counted
                linger_s=0.0,
                may_guess=lambda: self.may_guess,
                second_opinion=lambda: self.may_ask_twice,
            ),
            resume=resume,
        )

    async def settle(self) -> None:
        """Let the worker do all it can."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def passes(self, seconds: float, *, voice: bool = False) -> None:
        await self.hears(LOUD if voice else silence(), seconds=seconds)

    async def hears(self, frame: Pcm, *, seconds: float = FRAME_S) -> None:
        """So many ticks, one if nothing is said, each with this frame from the caller."""
        self.leg.incoming = frame
        for _ in range(round(seconds / FRAME_S)):
            self.now_s += FRAME_S
            self.session.listen()
            self.session.act(self.now_s)
            await self.settle()

    async def caller_speaks(self, seconds: float) -> None:
        await self.passes(seconds, voice=True)
        await self.passes(1.5)


@asynccontextmanager
async def call(
    script: list[Sequence[Effect]],
    *texts: str | None,
    released: bool = True,
    resume: Return | None = None,
    turn_model: TurnModel | None = None,
) -> AsyncGenerator[Rig, None]:
    rig = Rig(script, *texts, released=released, resume=resume, turn_model=turn_model)
    running = asyncio.ensure_future(rig.session.run())
    await rig.settle()
    try:
        yield rig
    finally:
        rig.actions.release.set()
        rig.session.end("test_over")
        rig.reason = await running


GREETING = [Speak(text="good morning to you")]  # 0.8 s


async def test_greeting_is_heard_in_full_and_recorded_beside_the_caller():
    async with call([GREETING]) as rig:
        await rig.passes(1.0)
    assert rig.dialog.told == [CallStarted()]
    spoken = np.concatenate(rig.leg.sent)
    assert np.count_nonzero(spoken) == round(0.8 * 8000)
    assert len(rig.recorder.frames) == len(rig.leg.sent)
    assert rig.journal.turns[0].heard == "good morning to you"
    assert not rig.journal.turns[0].interrupted


async def test_utterance_reaches_the_recogniser_with_its_onset_and_the_dialog_with_its_text():
    async with call([GREETING, [Speak(text="fine")]], "where is my order") as rig:
        await rig.passes(1.5)
        await rig.caller_speaks(1.0)
    said = rig.dialog.told[1]
    assert isinstance(said, CallerSaid)
    assert said.transcription.text == "where is my order"
    voiced_s = np.count_nonzero(rig.stt.heard[0]) / 8000
    assert voiced_s == 1.0, "the beginning of the utterance was lost"
    assert rig.journal.turns[1].caller_text == "where is my order"


async def test_interruption_stops_the_prompt_and_tells_the_dialog_what_was_heard():
    long = [Speak(text="one two three four five six seven eight nine ten")]  # 2 s
    async with call([long, (), [Speak(text="yes")]], "stop") as rig:
        await rig.passes(0.7)
        await rig.passes(0.5, voice=True)
        assert not rig.leg.sent[-1].any(), "frontdesk went on speaking"
        await rig.passes(1.0)
    heard = rig.dialog.told[1]
    assert isinstance(heard, PromptInterrupted)
    assert heard.heard.startswith("one two three")
    assert "four" not in heard.heard
    assert isinstance(rig.dialog.told[2], CallerSaid)
    assert rig.journal.turns[0].interrupted
    assert rig.journal.turns[0].heard == heard.heard


async def test_silence_is_told_to_the_dialog():
    async with call([GREETING, [Speak(text="hello?")]]) as rig:
        await rig.passes(9.0)
    assert isinstance(rig.dialog.told[1], CallerSilent)


async def test_noise_without_words_is_nobodys_turn():
    async with call([GREETING], "") as rig:
        await rig.passes(1.5)
        await rig.caller_speaks(0.3)
    assert len(rig.stt.heard) == 1
    assert rig.dialog.told == [CallStarted()]
    assert len(rig.journal.turns) == 1


async def test_coughs_do_not_put_off_asking_a_silent_caller_again():
    async with call([GREETING, [Speak(text="hello?")]], "", "") as rig:
        await rig.passes(0.8)  # the greeting
        for _ in range(2):
            await rig.passes(2.0)
            await rig.passes(0.3, voice=True)
        await rig.passes(2.2)
        assert rig.dialog.told == [CallStarted()]
        await rig.passes(0.4)
        assert rig.dialog.told == [CallStarted(), CallerSilent()]
    assert len(rig.stt.heard) == 2


async def test_long_speech_without_words_is_a_no_match():
    async with call([GREETING, [Speak(text="sorry?")]], "") as rig:
        await rig.passes(1.5)
        await rig.caller_speaks(2.0)
    said = rig.dialog.told[1]
    assert isinstance(said, CallerSaid)
    assert said.transcription.hypotheses == ()


async def test_failing_recogniser_asks_the_caller_again():
    async with call([GREETING, [Speak(text="sorry?")]], None, None) as rig:
        await rig.passes(1.5)
        await rig.caller_speaks(0.3)
    assert isinstance(rig.dialog.told[1], CallerSaid)


async def test_keys_are_told_at_once_when_the_number_is_complete():
    async with call([GREETING, [Speak(text="thanks")]]) as rig:
        rig.dialog.expects = Expectation(kind=Expects.DIGITS, max_length=4)
        await rig.passes(0.2)
        for key in "4815":
            rig.leg.on_event(KeyPressed(key=key))
            await rig.passes(0.1)
    assert rig.dialog.told[-1] == CallerKeyed(digits="4815")


async def test_slow_action_is_covered_by_its_filler():
    ask = [PerformAction(name="find", arguments={}, key="c:1:0", filler="one moment")]
    async with call([ask, [Speak(text="found")]], released=False) as rig:
        await rig.passes(1.0)
        assert rig.journal.turns == [], "the turn is over before its action"
        spoken_s = sum(frame.any() for frame in rig.leg.sent) * FRAME_S
        assert spoken_s == 0.4
        rig.actions.release.set()
        await rig.passes(1.0)
    assert rig.journal.turns[0].said == "one moment found"
    assert rig.journal.turns[0].actions == ("find: succeeded",)


async def test_call_ends_after_the_last_prompt_was_heard():
    async with call(
        [[Speak(text="goodbye", barge_in=BargeIn.NONE), EndCall(reason="completed")]]
    ) as rig:
        await rig.passes(0.1)
        assert rig.leg.hung_up == []
        await rig.passes(0.2)
        await rig.settle()
    assert rig.reason == "completed"
    assert rig.leg.hung_up == ["completed"]
    assert rig.journal.turns[0].heard == "goodbye"


async def test_call_ends_even_when_the_last_prompt_cannot_be_spoken():
    rig_script: list[Sequence[Effect]] = [
        GREETING,
        [Speak(text="bye"), EndCall(reason="completed")],
    ]
    async with call(rig_script, "goodbye") as rig:
        await rig.passes(1.5)
        rig.tts.fails = True
        await rig.caller_speaks(0.5)
    assert rig.reason == "completed"


async def test_action_in_flight_is_finished_and_recorded_when_the_caller_hangs_up():
    change = [PerformAction(name="change", arguments={}, key="c:0:0")]
    async with call([change], released=False) as rig:
        await rig.passes(0.1)
        rig.leg.on_event(LegEnded(reason="caller_hangup"))
        await rig.settle()
        assert rig.leg.hung_up == []
        rig.actions.release.set()
        await rig.settle()
    assert rig.reason == "caller_hangup"
    assert rig.journal.turns[0].actions == ("change: succeeded",)


async def test_second_utterance_before_the_answer_replaces_the_first_answer():
    change = [PerformAction(name="change", arguments={}, key="c:1:0")]
    script: list[Sequence[Effect]] = [
        GREETING, change, [Speak(text="changed")], (), [Speak(text="second")],
    ]  # fmt: skip
    async with call(script, "first", "second", released=False) as rig:
        await rig.passes(1.5)
        await rig.caller_speaks(0.5)
        await rig.caller_speaks(0.5)
        rig.actions.release.set()
        await rig.passes(1.0)
    assert [turn.said for turn in rig.journal.turns[1:]] == ["changed", "second"]
    assert rig.journal.turns[1].heard == ""
    assert rig.journal.turns[2].heard == "second"


async def test_answer_is_prepared_in_the_pause_and_recognised_only_once():
    async with call([GREETING, [Speak(text="fine")]], "where is my order") as rig:
        await rig.passes(1.5)
        await rig.passes(1.0, voice=True)
        await rig.passes(0.1)
        assert len(rig.stt.heard) == 1, "nothing was prepared"
        assert rig.dialog.told == [CallStarted()], "the dialog was told before the caller was done"
        await rig.passes(1.0)
    assert len(rig.stt.heard) == 1
    assert len(rig.dialog.told) == 2


async def test_nothing_is_prepared_while_guessing_is_off():
    async with call([GREETING, [Speak(text="fine")]], "where is my order") as rig:
        rig.may_guess = False
        await rig.passes(1.5)
        await rig.passes(1.0, voice=True)
        await rig.passes(0.3)
        assert rig.stt.heard == []
        await rig.passes(1.0)
    assert len(rig.stt.heard) == 1
    assert len(rig.dialog.told) == 2


async def test_no_effect_runs_before_the_caller_is_done():
    change = [PerformAction(name="change", arguments={}, key="c:1:0")]
    async with call([GREETING, change], "change it", "change it please") as rig:
        await rig.passes(1.5)
        await rig.passes(1.0, voice=True)
        await rig.passes(0.3)
        assert len(rig.dialog.previewed) == 1
        await rig.passes(0.5, voice=True)
        assert rig.actions.performed == []
        await rig.passes(1.0)
    assert len(rig.actions.performed) == 1
    assert isinstance(rig.dialog.told[1], CallerSaid)
    assert rig.dialog.told[1].transcription.text == "change it please"


async def test_complete_answer_ends_the_turn_sooner_than_one_that_may_go_on():
    delays_s: list[float] = []
    for readiness in (Readiness.COMPLETE, Readiness.OPEN, Readiness.INCOMPLETE):
        async with call([GREETING, [Speak(text="fine")]], "four eight") as rig:
            rig.dialog.readiness = readiness
            await rig.passes(1.5)
            await rig.passes(1.0, voice=True)
            quiet_from_s = rig.now_s
            while len(rig.dialog.told) < 2:
                await rig.passes(FRAME_S)
            delays_s.append(rig.now_s - quiet_from_s)
    assert delays_s[0] <= 0.2
    assert delays_s == sorted(delays_s)
    assert len(set(delays_s)) == 3


async def quiet_waited_s(
    finished: float | None,
    *,
    kind: Expects = Expects.FREE,
    readiness: Readiness = Readiness.OPEN,
    asked: bool = True,
) -> tuple[float, int]:
    """How long the caller was waited for, and how often the turn model was asked."""
    model = FakeTurnModel(finished)
    async with call([GREETING, [Speak(text="fine")]], "well", turn_model=model) as rig:
        rig.may_ask_twice = asked
        rig.dialog.expects, rig.dialog.readiness = Expectation(kind=kind), readiness
        await rig.passes(1.5)
        await rig.passes(1.0, voice=True)
        quiet_from_s = rig.now_s
        while len(rig.dialog.told) < 2:
            await rig.passes(FRAME_S)
        return rig.now_s - quiet_from_s, len(model.heard)


async def test_turn_model_shortens_and_lengthens_the_wait_for_more_of_an_open_answer():
    sure, _ = await quiet_waited_s(0.95)
    undecided, _ = await quiet_waited_s(0.5)
    unfinished, _ = await quiet_waited_s(0.05)
    assert sure < undecided < unfinished


async def test_turn_model_that_fails_delays_nobody():
    assert (await quiet_waited_s(None))[0] == (await quiet_waited_s(0.5))[0]


async def test_turn_model_is_asked_only_where_words_cannot_tell_and_time_allows():
    assert (await quiet_waited_s(0.5))[1] == 1
    assert (await quiet_waited_s(0.5, kind=Expects.ADDRESS))[1] == 1
    assert (await quiet_waited_s(0.5, kind=Expects.DIGITS))[1] == 0
    assert (await quiet_waited_s(0.5, kind=Expects.YES_NO))[1] == 0
    assert (await quiet_waited_s(0.5, readiness=Readiness.COMPLETE))[1] == 0
    assert (await quiet_waited_s(0.5, asked=False))[1] == 0


async def test_cough_over_the_prompt_lets_it_go_on_from_the_word_it_was_paused_in():
    long = [Speak(text="one two three four five six seven eight nine ten")]  # 2 s
    async with call([long], "") as rig:
        await rig.passes(0.7)
        await rig.passes(0.4, voice=True)
        assert not rig.leg.sent[-1].any(), "frontdesk spoke on through the noise"
        await rig.passes(2.5)
    assert rig.journal.turns[0].heard.split()[-1] == "ten"
    assert not rig.journal.turns[0].interrupted
    spoken_s = sum(frame.any() for frame in rig.leg.sent) * FRAME_S
    assert 2.0 < spoken_s < 2.5, "the interrupted word is said again, and nothing else"


async def test_cough_over_the_prompt_is_judged_even_while_guessing_is_off():
    long = [Speak(text="one two three four five six seven eight nine ten")]  # 2 s
    async with call([long], "") as rig:
        rig.may_guess = False
        await rig.passes(0.7)
        await rig.passes(0.4, voice=True)
        await rig.passes(2.5)
    assert rig.dialog.told == [CallStarted()]
    assert rig.journal.turns[0].heard.split()[-1] == "ten"


async def said_over_the_prompt(text: str, expects: Expects) -> FakeDialog:
    """The dialog after the caller said something short while frontdesk spoke."""
    long = [Speak(text="one two three four five six seven eight nine ten")]  # 2 s
    async with call([long, (), [Speak(text="fine")]], text) as rig:
        rig.dialog.expects = Expectation(kind=expects)
        await rig.passes(0.7)
        await rig.passes(0.4, voice=True)
        await rig.passes(3.0)
    return rig.dialog


async def test_okay_over_a_statement_is_listening_and_over_a_question_an_answer():
    listening = await said_over_the_prompt("okay", Expects.FREE)
    assert listening.told == [CallStarted()]
    answering = await said_over_the_prompt("okay", Expects.YES_NO)
    assert isinstance(answering.told[-1], CallerSaid)


async def test_keys_heard_as_tones_count_only_where_the_network_reports_none():
    time_s = np.arange(800) / 8000  # 100 ms of the key 5
    tone = 8000 * (np.sin(2 * np.pi * 770 * time_s) + np.sin(2 * np.pi * 1336 * time_s))
    told: list[bool] = []
    for reports_keys in (True, False):
        async with call([GREETING, [Speak(text="thanks")]]) as rig:
            rig.leg.reports_keys = reports_keys
            rig.dialog.expects = Expectation(kind=Expects.DIGITS, max_length=1)
            await rig.passes(1.5)
            for frame in tone.astype(np.int16).reshape(-1, 160):
                await rig.hears(frame)
            await rig.passes(0.3)
        told.append(CallerKeyed(digits="5") in rig.dialog.told)
    assert told == [False, True]


async def test_parts_of_the_gap_add_up_to_the_gap_in_the_recording():
    async with call([GREETING, [Speak(text="fine")]], "where is my order") as rig:
        await rig.passes(1.5)
        await rig.passes(1.0, voice=True)
        begins = len(rig.recorder.frames)
        await rig.passes(1.5)
    silent = [bool(ours.any()) for _, ours in rig.recorder.frames[begins:]].index(True)
    times = rig.journal.turns[1].times
    assert times.endpointing_s > 0.1
    assert times.network_s == 0.0
    assert abs(times.gap_s - silent * FRAME_S) < 1.5 * FRAME_S


async def test_time_in_the_jitter_buffer_is_part_of_the_gap():
    async with call([GREETING, [Speak(text="fine")]], "where is my order") as rig:
        rig.leg.delay_s = 0.04
        await rig.passes(1.5)
        await rig.caller_speaks(1.0)
    times = rig.journal.turns[1].times
    assert times.network_s == 0.04
    assert times.gap_s >= 0.04 + times.detection_s + times.endpointing_s


async def test_short_sound_that_means_nothing_lets_us_go_on_and_a_call_for_attention_does_not():
    told: list[bool] = []
    for text in ("shoes", "wait"):
        long = [Speak(text="one two three four five six seven eight nine ten")]  # 2 s
        async with call([long, (), [Speak(text="fine")]], text) as rig:
            rig.dialog.readiness = Readiness.INCOMPLETE
            await rig.passes(0.7)
            await rig.passes(0.4, voice=True)
            await rig.passes(3.0)
        told.append(len(rig.dialog.told) > 1)
    assert told == [False, True]


CLOSE, BEHIND = 10 * LOUD, LOUD
"""A caller, and somebody 20 dB below them."""


async def test_voice_behind_the_caller_does_not_stop_us_once_we_know_how_the_caller_sounds():
    long = [Speak(text="one two three four five six seven eight nine ten")]  # 2 s
    heard: list[bool] = []
    for first in (CLOSE, BEHIND):
        async with call([GREETING, long, ()], "where is my order", "and now") as rig:
            await rig.passes(1.5)
            await rig.hears(first, seconds=0.8)
            await rig.passes(0.8)
            await rig.hears(BEHIND, seconds=0.4)
            heard.append(not rig.leg.sent[-1].any())
    assert heard == [False, True], "stopped by a voice behind, and by a caller who speaks softly"


async def test_voice_behind_the_caller_is_heard_while_we_are_silent():
    async with call([GREETING, [Speak(text="fine")], ()], "where is my order", "and now") as rig:
        await rig.passes(1.5)
        await rig.hears(CLOSE, seconds=0.8)
        await rig.passes(2.5)
        await rig.hears(BEHIND, seconds=0.8)
        await rig.passes(1.5)
    assert len(rig.stt.heard) == 2


LONG = "one two three four five six seven eight nine ten"  # 2 s


async def stopped_by(mode: BargeIn, *, voice: bool) -> bool:
    """Whether a voice, or else a key, stops what is said in this mode."""
    async with call([[Speak(text=LONG, barge_in=mode)], (), ()], "stop") as rig:
        await rig.passes(0.7)
        if voice:
            await rig.passes(0.2, voice=True)
        else:
            rig.leg.on_event(KeyPressed(key="1"))
            await rig.passes(0.2)
        at_full_voice = np.abs(rig.leg.sent[-1]).max() == 500
        await rig.passes(3.0)
    assert at_full_voice is not rig.journal.turns[0].interrupted, "neither lowered nor stopped"
    return rig.journal.turns[0].interrupted


async def test_mode_of_a_prompt_says_whether_voice_or_keys_stop_it():
    stopped = {
        mode: (await stopped_by(mode, voice=True), await stopped_by(mode, voice=False))
        for mode in BargeIn
    }
    assert stopped == {
        BargeIn.ALL: (True, True),
        BargeIn.SPEECH: (True, False),
        BargeIn.KEYS: (False, True),
        BargeIn.NONE: (False, False),
    }


@pytest.mark.parametrize("mode", [BargeIn.KEYS, BargeIn.NONE])
async def test_voice_that_outlasts_a_prompt_it_may_not_stop_is_heard_from_its_start(mode: BargeIn):
    async with call([[Speak(text=LONG, barge_in=mode)], ()], "where is my order") as rig:
        await rig.passes(1.7)
        await rig.passes(1.0, voice=True)
        await rig.passes(1.5)
    assert rig.journal.turns[0].heard == LONG
    assert np.count_nonzero(rig.stt.heard[0]) == 8000
    assert isinstance(rig.dialog.told[1], CallerSaid)


async def test_voice_that_ends_long_before_such_a_prompt_is_nobodys_turn():
    async with call([[Speak(text=LONG, barge_in=BargeIn.KEYS)], ()], "where is my order") as rig:
        await rig.passes(0.5)
        await rig.passes(0.4, voice=True)
        await rig.passes(3.0)
    assert rig.dialog.told == [CallStarted()]


async def keyed_over(mode: BargeIn, *, at_s: float) -> list[CallerEvent]:
    """What the dialog is told of 4815, keyed so long after the prompt of 2 s began."""
    async with call([[Speak(text=LONG, barge_in=mode)], ()]) as rig:
        rig.dialog.expects = Expectation(kind=Expects.DIGITS, max_length=4)
        await rig.passes(at_s)
        for key in "4815":
            rig.leg.on_event(KeyPressed(key=key))
            await rig.passes(0.1)
        await rig.passes(4.0)
    return [event for event in rig.dialog.told if not isinstance(event, CallStarted)]


async def test_number_keyed_while_a_prompt_that_keys_may_not_stop_ends_counts_from_its_first_key():
    assert await keyed_over(BargeIn.SPEECH, at_s=1.8) == [CallerKeyed(digits="4815")]


async def test_number_keyed_before_such_a_prompt_ends_counts_when_it_has_ended():
    assert await keyed_over(BargeIn.NONE, at_s=1.0) == [CallerKeyed(digits="4815")]


async def test_second_part_of_a_reply_has_its_own_mode():
    reply = [
        Speak(text="one two three four five", barge_in=BargeIn.NONE),  # 1 s
        Speak(text="six seven eight nine ten"),
    ]
    interrupted: list[bool] = []
    for at_s in (0.3, 1.3):
        async with call([reply, (), ()], "stop") as rig:
            await rig.passes(at_s)
            await rig.passes(0.3, voice=True)
            await rig.passes(3.0)
        interrupted.append(rig.journal.turns[0].interrupted)
    assert interrupted == [False, True]


AWAY = HandOff(reason="caller_asked", skill="orders")
PUT_THROUGH = [Speak(text="one moment please", barge_in=BargeIn.NONE), AWAY]  # 0.6 s


async def test_caller_is_handed_off_once_they_heard_so_and_the_leg_lives_on():
    async with call([PUT_THROUGH]) as rig:
        await rig.passes(0.5)
        assert rig.session.handed_off is None
        await rig.passes(0.2)
        assert rig.session.handed_off == AWAY
    assert rig.reason == HANDED_OFF
    assert rig.leg.hung_up == []
    assert rig.journal.turns[0].heard == "one moment please"


async def test_caller_who_speaks_over_the_announcement_is_handed_off_all_the_same():
    async with call([PUT_THROUGH], "hello") as rig:
        await rig.passes(0.2)
        await rig.passes(0.6, voice=True)
    assert rig.reason == HANDED_OFF
    assert rig.dialog.told == [CallStarted()]
    assert rig.journal.turns[0].heard == "one moment please"


async def test_caller_is_handed_off_even_when_it_cannot_be_announced():
    rig_script: list[Sequence[Effect]] = [GREETING, PUT_THROUGH]
    async with call(rig_script, "agent") as rig:
        await rig.passes(1.5)
        rig.tts.fails = True
        await rig.caller_speaks(0.5)
    assert rig.reason == HANDED_OFF


async def test_caller_who_hangs_up_during_the_announcement_is_not_handed_off():
    async with call([PUT_THROUGH]) as rig:
        await rig.passes(0.3)
        rig.leg.on_event(LegEnded(reason="caller_hangup"))
    assert rig.reason == "caller_hangup"
    assert rig.session.handed_off is None
    assert rig.leg.hung_up == ["caller_hangup"]


async def test_caller_who_hangs_up_as_the_announcement_ends_is_not_handed_off():
    rig = Rig([PUT_THROUGH])
    running = asyncio.ensure_future(rig.session.run())
    await rig.settle()
    for _ in range(31):  # no turn of the event loop between the last tick and the hang-up
        rig.session.listen()
        rig.session.act(rig.now_s)
    rig.leg.on_event(LegEnded(reason="caller_hangup"))
    assert await running == "caller_hangup"
    assert rig.leg.hung_up == ["caller_hangup"]


async def test_returned_caller_is_not_greeted_and_turns_and_times_go_on():
    back = HandOffEnded(reason="returned", step="take_payment")
    resume = Return(ended=back, turns=7, opened_at_s=20.0)
    async with call([GREETING, [Speak(text="fine")]], "yes", resume=resume) as rig:
        await rig.passes(1.0)
        await rig.caller_speaks(0.5)
    assert rig.dialog.told[0] == back
    assert CallStarted() not in rig.dialog.told
    first, second = rig.journal.turns
    assert (first.index, first.caller_kind, second.index) == (7, "return", 8)
    assert first.started_at_s == 30.0
    assert rig.reason == "test_over"
