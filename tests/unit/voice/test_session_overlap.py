"""What a session does when both speak, and what each prompt allows."""

import numpy as np
import pytest

from tests.fakes.session_rig import GREETING, call
from tests.fakes.voice import (
    LOUD,
    FakeDialog,
)
from voice.events import (
    BargeIn,
    CallerEvent,
    CallerKeyed,
    CallerSaid,
    CallStarted,
    Expectation,
    Expects,
    KeyPressed,
    Readiness,
    Speak,
)
from voice.frames import FRAME_S


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


async def heard_over_the_prompt(
    *texts: str, expects: Expects = Expects.FREE
) -> tuple[list[bool], FakeDialog]:
    """Whether we were silent at each tick of 0.5 s of voice, looked at as it goes on."""
    long = [Speak(text="one two three four five six seven eight nine ten")]  # 2 s
    async with call([long, [Speak(text="fine")], ()], *texts) as rig:
        rig.may_overhear = True
        rig.dialog.expects = Expectation(kind=expects)
        await rig.passes(0.7)
        begins = len(rig.leg.sent)
        await rig.passes(0.5, voice=True)
        silent = [not frame.any() for frame in rig.leg.sent[begins:]]
        await rig.passes(3.0)
    return silent, rig.dialog


async def test_listener_is_let_finish_while_we_go_on_softly():
    silent, dialog = await heard_over_the_prompt(*["mm"] * 10)
    assert any(silent), "not even paused"
    assert silent[-1] is False, "still silent while the listener finishes"
    assert silent.count(True) * FRAME_S <= 0.15
    assert dialog.told == [CallStarted()]


async def test_okay_but_pauses_us_again_and_is_a_turn():
    silent, dialog = await heard_over_the_prompt("okay", *["okay but where is it"] * 9)
    back = silent.index(True) + silent[silent.index(True) :].index(False)
    assert silent[-1] is True
    assert silent[back:].count(False) * FRAME_S <= 0.15
    assert isinstance(dialog.told[-1], CallerSaid)


async def test_okay_over_a_question_is_not_taken_for_listening_while_it_is_said():
    silent, _ = await heard_over_the_prompt(*["okay"] * 10, expects=Expects.YES_NO)
    assert silent[-1] is True


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
