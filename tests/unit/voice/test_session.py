"""A call session on a virtual clock: what a caller does, and what comes of it."""

from collections.abc import Sequence

import numpy as np

from tests.fakes.session_rig import GREETING, call
from voice.events import (
    BargeIn,
    CallerKeyed,
    CallerSaid,
    CallerSilent,
    CallStarted,
    Effect,
    EndCall,
    Expectation,
    Expects,
    KeyPressed,
    LegEnded,
    PerformAction,
    PromptInterrupted,
    Speak,
)
from voice.frames import FRAME_S


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
    ask = [PerformAction(name="find", arguments={}, key="c:1:0", fillers=("one moment",))]
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
    script: list[Sequence[Effect]] = [
        GREETING, [Speak(text="replaced")], (), [Speak(text="second")],
    ]  # fmt: skip
    async with call(script, "first", "second") as rig:
        await rig.passes(1.5)
        rig.may_guess = False
        rig.dialog.thought.clear()
        await rig.caller_speaks(0.5)
        await rig.caller_speaks(0.5)
        rig.dialog.thought.set()
        await rig.passes(1.0)
    assert [turn.said for turn in rig.journal.turns[1:]] == ["replaced", "second"]
    assert rig.journal.turns[1].heard == ""
    assert rig.journal.turns[2].heard == "second"
