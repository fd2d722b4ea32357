"""A session while its dialog thinks about what the caller said: time passes, the call may end."""

from tests.fakes.session_rig import GREETING, call
from voice.events import (
    CallerKeyed,
    CallerSaid,
    CallStarted,
    Expectation,
    Expects,
    KeyPressed,
    LegEnded,
    PromptInterrupted,
    Speak,
)

FINE = [Speak(text="fine")]


async def test_caller_is_sent_audio_meanwhile_and_answered_once_it_is_thought_out():
    async with call([GREETING, FINE], "where is my order") as rig:
        await rig.passes(1.5)
        rig.dialog.thought.clear()
        await rig.caller_speaks(1.0)
        sent = len(rig.leg.sent)
        await rig.passes(1.0)
        assert len(rig.leg.sent) == sent + 50
        assert rig.dialog.told == [CallStarted()]
        assert not any(frame.any() for frame in rig.leg.sent[sent:])
        rig.dialog.thought.set()
        await rig.passes(0.5)
        assert any(frame.any() for frame in rig.leg.sent[sent:])
    said = rig.journal.turns[1]
    assert said.heard == "fine"
    assert rig.dialog.told[1] == CallerSaid(transcription=rig.dialog.previewed[0].transcription)


async def test_caller_who_hangs_up_meanwhile_leaves_a_record_of_what_they_said():
    async with call([GREETING, FINE], "where is my order") as rig:
        await rig.passes(1.5)
        rig.may_guess = False
        rig.dialog.thought.clear()
        await rig.caller_speaks(1.0)
        rig.leg.on_event(LegEnded(reason="caller_hangup"))
        await rig.settle()
        rig.dialog.thought.set()
    assert rig.reason == "caller_hangup"
    assert [turn.caller_text for turn in rig.journal.turns] == ["", "where is my order"]
    assert rig.journal.turns[1].heard == ""


async def test_guess_that_is_overtaken_by_keys_is_void():
    async with call([GREETING, FINE], "four eight") as rig:
        await rig.passes(1.5)
        rig.dialog.expects = Expectation(kind=Expects.DIGITS, max_length=1)
        rig.dialog.thought.clear()
        await rig.passes(0.6, voice=True)
        await rig.passes(0.1)
        assert len(rig.stt.heard) == 1, "nothing was guessed"
        rig.leg.on_event(KeyPressed(key="5"))
        rig.dialog.thought.set()
        await rig.passes(1.0)
    assert rig.dialog.previewed == []
    assert rig.dialog.told == [CallStarted(), CallerKeyed(digits="5")]


async def test_interruption_is_told_together_with_what_interrupted_and_only_once():
    async with call([GREETING, FINE, FINE], "stop it now please", "and again") as rig:
        await rig.passes(0.3)
        await rig.caller_speaks(1.0)
        await rig.passes(1.0)
        await rig.caller_speaks(1.0)
    kinds = [type(event) for event in rig.dialog.told]
    assert kinds == [CallStarted, PromptInterrupted, CallerSaid, CallerSaid]
