"""A session that gives its caller to a person, and one that gets them back."""

import asyncio
from collections.abc import Sequence

from tests.fakes.session_rig import GREETING, Rig, call
from voice.conversation import Return
from voice.events import (
    BargeIn,
    CallStarted,
    Effect,
    HandOff,
    HandOffEnded,
    LegEnded,
    Speak,
)
from voice.session import HANDED_OFF

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
