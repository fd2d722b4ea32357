"""A caller who says more while an action of theirs runs still hears what came of it, once."""

import asyncio
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.session_rig import GREETING, Rig, call
from voice.events import (
    BargeIn,
    CallerSilent,
    Effect,
    HandOff,
    PerformAction,
    PromptInterrupted,
    Speak,
)
from voice.frames import FRAME_S
from voice.session import HANDED_OFF

CHANGED = [Speak(text="it is changed now")]  # 0.8 s


def change(*fillers: str) -> list[Effect]:
    return [PerformAction(name="change", arguments={}, key="c:1:0", fillers=fillers)]


def spoken_s(rig: Rig, since: int) -> float:
    return sum(bool(frame.any()) for frame in rig.leg.sent[since:]) * FRAME_S


async def yes_that_is_right(rig: Rig) -> int:
    """Agree, and go on once that was taken for the answer; how many frames were sent then."""
    await rig.passes(1.5)
    await rig.caller_speaks(0.6)
    sent = len(rig.leg.sent)
    await rig.caller_speaks(0.6)
    return sent


async def test_outcome_is_heard_by_a_caller_who_went_on_meanwhile():
    script: list[Sequence[Effect]] = [GREETING, change(), CHANGED, []]
    async with call(script, "yes", "that's right", released=False) as rig:
        sent = await yes_that_is_right(rig)
        rig.actions.release.set()
        await rig.passes(2.0)
        assert spoken_s(rig, sent) == 0.8
    said = [turn.heard for turn in rig.journal.turns]
    assert said == ["good morning to you", "", "it is changed now"]
    assert rig.journal.turns[1].actions == ("change: succeeded",)
    assert rig.journal.turns[2].caller_text == "that's right"


async def test_outcome_goes_before_the_answer_to_what_was_said_meanwhile():
    script: list[Sequence[Effect]] = [GREETING, change(), CHANGED, [Speak(text="anything else")]]
    async with call(script, "yes", "thanks", released=False) as rig:
        await yes_that_is_right(rig)
        rig.actions.release.set()
        await rig.passes(2.0)
    assert rig.journal.turns[-1].heard == "it is changed now anything else"


async def test_outcome_is_heard_though_the_noise_meanwhile_was_no_words():
    async with call([GREETING, change(), CHANGED], "yes", "", released=False) as rig:
        await rig.passes(1.5)
        await rig.caller_speaks(0.6)
        await rig.caller_speaks(0.3)
        rig.actions.release.set()
        await rig.passes(2.0)
    assert [turn.heard for turn in rig.journal.turns[1:]] == ["", "it is changed now"]


async def test_caller_who_went_on_is_told_that_it_takes_a_moment():
    script: list[Sequence[Effect]] = [GREETING, change("one moment"), CHANGED, []]
    async with call(script, "yes", "that's right", released=False) as rig:
        await rig.passes(1.5)
        rig.may_guess = False
        rig.dialog.thought.clear()
        await rig.caller_speaks(0.6)
        await rig.passes(0.2, voice=True)
        rig.dialog.thought.set()  # the action begins, and its filler is ready while they speak
        await rig.passes(0.4, voice=True)
        sent = len(rig.leg.sent)
        await rig.passes(1.5)
        assert spoken_s(rig, sent) == 0.4, "nothing was heard while the action ran"
        rig.actions.release.set()
        await rig.passes(2.0)
        assert spoken_s(rig, sent) == 1.2
    assert rig.journal.turns[-1].heard == "one moment it is changed now"


async def test_caller_who_cut_the_announcement_of_an_action_is_told_that_it_takes_a_moment():
    begun = [Speak(text="let me change that for you"), *change("one moment")]
    script: list[Sequence[Effect]] = [GREETING, begun, (), CHANGED, []]
    async with call(script, "yes", "thank you", released=False) as rig:
        await rig.passes(1.5)
        await rig.passes(0.6, voice=True)
        await rig.passes(1.0)
        await rig.caller_speaks(0.6)
        sent = len(rig.leg.sent)
        await rig.passes(1.0)
        rig.actions.release.set()
        await rig.passes(2.0)
        assert spoken_s(rig, sent) >= 0.8
    assert rig.journal.turns[1].interrupted
    assert rig.journal.turns[-1].heard.endswith("one moment it is changed now")


async def test_outcome_that_is_ready_while_the_caller_speaks_is_heard_after():
    script: list[Sequence[Effect]] = [GREETING, change(), CHANGED, []]
    async with call(script, "yes", "that's right", released=False) as rig:
        await rig.passes(1.5)
        await rig.caller_speaks(0.6)
        await rig.passes(0.2, voice=True)
        rig.actions.release.set()
        await rig.caller_speaks(0.4)
        await rig.passes(1.0)
    assert [turn.heard for turn in rig.journal.turns[1:]] == ["", "it is changed now"]


async def test_caller_is_not_given_away_before_they_have_heard_why():
    refused = [Speak(text="a colleague will help"), HandOff(reason="refused")]
    script: list[Sequence[Effect]] = [GREETING, change(), refused, []]
    async with call(script, "yes", "that's right", released=False) as rig:
        sent = await yes_that_is_right(rig)
        rig.actions.release.set()
        await rig.passes(3.0)
        assert spoken_s(rig, sent) == 0.8
        assert rig.session.handed_off == refused[1]
    assert rig.reason == HANDED_OFF


async def test_caller_who_hangs_up_leaves_no_turn_of_words_that_nobody_heard():
    script: list[Sequence[Effect]] = [GREETING, change(), CHANGED]
    async with call(script, "yes", "that's right", released=False) as rig:
        await yes_that_is_right(rig)
        rig.session.end("caller_hangup")
        rig.actions.release.set()
        await rig.settle()
    turns = sorted(rig.journal.turns, key=lambda turn: turn.index)
    assert [turn.caller_text for turn in turns] == ["", "yes", "that's right"]
    assert turns[1].actions == ("change: succeeded",)
    assert [turn.heard for turn in turns] == ["good morning to you", "", ""]


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0.1, 1.2)), min_size=2, max_size=12)
)
def test_whatever_the_caller_does_meanwhile_each_outcome_is_heard_once(
    passes: list[tuple[bool, bool, float]],
):
    """Each pass of time: whether the caller speaks, whether actions end, seconds."""
    outcomes = [
        [change("one moment"), [Speak(text=f"outcome{n}", barge_in=BargeIn.NONE)]]
        for n in range(len(passes) + 1)
    ]

    async def heard() -> tuple[int, str]:
        script: list[Sequence[Effect]] = [GREETING, *(each for pair in outcomes for each in pair)]
        async with call(script, *["yes"] * 60) as rig:
            rig.dialog.skips = (PromptInterrupted, CallerSilent)
            await rig.passes(1.5)
            for speaks, ends, seconds in passes:
                rig.actions.release.set() if ends else rig.actions.release.clear()
                await rig.passes(seconds, voice=speaks)
            rig.actions.release.set()
            await rig.passes(3.0 + 0.4 * len(passes))
            count = len(rig.actions.performed)
        return count, " ".join(turn.heard for turn in rig.journal.turns)

    count, words = asyncio.run(heard())
    assert [word for word in words.split() if word.startswith("outcome")] == [
        f"outcome{n}" for n in range(count)
    ]
